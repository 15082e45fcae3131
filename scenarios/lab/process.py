"""Programs on the machines of a lab: one that ran to its end, and one that runs until it is stopped.

What they print is bounded, whoever wrote them: of a program that runs the beginning is kept, of one that ran to its end
the beginning and the end. What was cut off is said, in a line of its own (`was_cut`).
"""

from __future__ import annotations

import codecs
import contextlib
import io
import re
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Final

from scenarios.lab.control_sequences import without_sequences
from scenarios.lab.errors import DeadlinePassed, LabProblem, NotReady
from scenarios.lab.valueclass import valueclass
from scenarios.lab.waiting import Meanwhile, nothing, wait_for

PRINTED_LIMIT: Final = 4 << 20  # characters that are kept of what a program prints while it runs
LINES_LIMIT: Final = 50_000  # lines of them
OUTPUT_LIMIT: Final = 1 << 20  # bytes that are kept of each stream of a program that ran to its end
IN_BACKGROUND: Final = "; a server that goes into the background is not seen; keep it in the foreground"
CUT: Final = "its output was cut"
TOLD_LINES: Final = 200  # of a program's output that an error quotes, from the end
TOLD_CHARACTERS: Final = 10_000
READ_BYTES: Final = 64 << 10
STOP_WITHIN_S = 5
LISTENS_WITHIN_S = 30.0  # an emulated interpreter takes a second or two to start, beside others some times that
ENDED_AT_DEADLINE = 124  # as timeout(1) has it
OF_DOCKER = 125  # docker-run(1): the error is with Docker itself, and not of the program


@valueclass
class Finished:
    """A program that ran to its end. Status 124: it was ended at its deadline (timeout(1)).

    `hung`: the lab ended a guest then. Its status alone does not tell, for a guest may call timeout(1) itself.
    """

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str
    duration_s: float
    started_s: float | None = None  # Unix time, where it is known
    dropped_bytes: int = 0  # of what it printed, that are not kept
    hung: bool = False
    is_start_exact: bool = False  # of a guest; the engine notes that of a container a little after it
    is_own_status: bool = False  # of a guest: exit() gave its status, and no signal (lab/init_words.py)
    killed_s: float | None = None  # Unix time, of one that is `hung`: until then the lab had done nothing to end it

    @property
    def printed(self) -> str:
        """What it printed, standard output first, for a person."""
        return (self.stdout + self.stderr).strip() or "(nothing)"


def was_cut(lines: Iterable[str]) -> bool:
    """Whether these lines are not all that a program printed."""
    return any(line.startswith(f"[{CUT}") for line in lines)


def _amount(count: int) -> str:
    for shift, unit in ((20, "MiB"), (10, "KiB")):
        if count >= 1 << shift and count % (1 << shift) == 0:
            return f"{count >> shift} {unit}"
    return f"{count:,} bytes"


class BoundedOutput:
    """The output of a program that runs to its end, as bytes: its beginning and its end, each half of the limit."""

    def __init__(self, limit: int = OUTPUT_LIMIT, hide: Callable[[str], str] = lambda text: text) -> None:
        """`hide` takes out of a text what is to stand in no evidence."""
        self._half = limit // 2
        self._hide = hide
        self._head, self._tail = bytearray(), bytearray()
        self.taken = 0

    @property
    def dropped(self) -> int:
        """How many bytes are not kept."""
        return self.taken - len(self._head) - min(len(self._tail), self._half)

    def take(self, data: bytes) -> None:
        self.taken += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 2 * self._half:  # and not each time: to remove from the front takes a copy
            del self._tail[: -self._half]

    def read(self, stream: IO[bytes]) -> None:
        """Take all that comes, until the end of the stream, and close it."""
        with stream:
            while data := stream.read1(READ_BYTES):  # type: ignore[attr-defined] # of a pipe: a BufferedReader
                self.take(data)

    def text(self) -> str:
        """What is kept; where something is missing, a line says so."""
        if not self.dropped:
            return self._hide((self._head + self._tail).decode("utf-8", "backslashreplace"))
        head, tail = (part.decode("utf-8", "backslashreplace") for part in (self._head, self._tail[-self._half :]))
        missing = f"[{CUT} after {_amount(len(self._head))}: {self.dropped:,} bytes are missing here]"
        return f"{self._hide(head)}\n{missing}\n{self._hide(tail)}"


@contextlib.contextmanager
def attached(argv: Sequence[str], out: BoundedOutput, err: BoundedOutput) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of docker's commands for the time of the `with` block, and keep what it prints as it comes.

    All that it printed is there when the block has ended without an exception.
    """
    stream = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C comes to us alone; we end what it runs
    )
    assert stream.stdout and stream.stderr  # noqa: S101, PT018 (for mypy: they were opened as pipes)
    readers = [
        threading.Thread(target=kept.read, args=(pipe,), daemon=True)
        for kept, pipe in ((out, stream.stdout), (err, stream.stderr))
    ]
    for reader in readers:
        reader.start()
    try:
        yield stream
    finally:
        stream.kill()  # after its end, nothing
        stream.wait()
    for reader in readers:
        reader.join(STOP_WITHIN_S)


class Printed:
    """The output of a program that runs, as lines: as far as PRINTED_LIMIT and LINES_LIMIT allow."""

    def __init__(self, hide: Callable[[str], str] = lambda text: text) -> None:
        """`hide` takes out of a line what is to stand in no evidence."""
        self.lines: list[str] = []
        self._hide = hide
        self._line: list[str] = []  # what has come of a line that has not ended
        self._left = PRINTED_LIMIT
        self._is_cut = False

    def take(self, text: str) -> None:
        """Some more of it, of any length."""
        if self._is_cut:
            return
        taken = text[: self._left]
        self._left -= len(taken)
        *whole, rest = taken.split("\n")
        room = LINES_LIMIT - len(self.lines)
        for line in whole[:room]:
            self.lines.append(self._hide("".join([*self._line, line])))
            self._line.clear()
        if len(whole) > room or (len(whole) == room and rest):
            self._line.clear()
            self.cut(f"after {LINES_LIMIT:,} lines")
            return
        if rest:
            self._line.append(rest)
        if len(self._line) > 1000:  # a character at a time
            self._line[:] = ["".join(self._line)]
        if len(taken) < len(text):
            self.cut(f"after {_amount(PRINTED_LIMIT)}")

    def cut(self, where: str) -> None:
        """The rest is not kept."""
        if not self._is_cut:
            self.end()
            self._is_cut = True
            self.lines.append(f"[{CUT} {where}]")

    def end(self) -> None:
        """It prints no more: a last line may have no end."""
        if self._line:
            self.lines.append(self._hide("".join(self._line)))
            self._line.clear()


def ended_with(status: int) -> str:
    """The exit status of a server that should have gone on, with what 0 may mean: it forked, and its child goes on."""
    return f"status {status}{IN_BACKGROUND if status == 0 else ''}"


class Running:
    """A program that runs on a machine of the lab until it is stopped. `signal` sends it a signal, by name.

    `lines` has what it prints, standard output and standard error together, as far as it is kept.
    """

    def __init__(
        self,
        stream: subprocess.Popen[bytes],
        what: str,
        signal: Callable[[str], None],
        hide: Callable[[str], str] = lambda text: text,
    ) -> None:
        self._stream = stream
        self._what = what
        self.signal = signal
        self._printed = Printed(hide)
        self.lines = self._printed.lines
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._stream.stdout is not None  # noqa: S101 (for mypy: it was opened as a pipe)
        decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder("utf-8")("backslashreplace"), translate=True
        )
        with contextlib.suppress(OSError, ValueError), self._stream.stdout as output:  # it may be closed already
            while data := output.read1(READ_BYTES):  # type: ignore[attr-defined] # as above
                self._printed.take(decoder.decode(data))
        self._printed.take(decoder.decode(b"", final=True))
        self._printed.end()

    @property
    def ended(self) -> bool:
        return self._stream.poll() is not None

    @property
    def status(self) -> int | None:
        """Its exit status; all that it printed is in `lines` then. None while it runs."""
        if self._stream.poll() is not None:
            self._reader.join(STOP_WITHIN_S)
        return self._stream.returncode

    def check_running(self, until: str) -> None:
        """Raise LabProblem, with what the program printed, when it has ended before `until` came about."""
        if self._stream.poll() is not None:
            self._reader.join(STOP_WITHIN_S)
            status = ended_with(self._stream.returncode)
            what = f"{self._what} ended ({status}) before {until}: {self.printed}"
            raise LabProblem(what) if self._stream.returncode == OF_DOCKER else NotReady(what)

    def wait_for_line(
        self, pattern: str, within_s: float = LISTENS_WITHIN_S, meanwhile: Meanwhile = nothing
    ) -> re.Match[str]:
        """The first line, from the start, in which the regular expression is found; `meanwhile` as in lab/waiting.py.

        Raises LabProblem with what the program did print, at the deadline or as soon as the program has ended.
        """

        looked_at = 0

        def found() -> re.Match[str] | None:
            nonlocal looked_at
            ended = self._stream.poll() is not None
            if ended:
                self._reader.join(STOP_WITHIN_S)
            for line in self.lines[looked_at:]:
                looked_at += 1
                if match := re.search(pattern, line) or re.search(pattern, without_sequences(line)):
                    return match
            if ended:
                self.check_running(f"it printed {pattern!r}")
            return None

        try:
            match = wait_for(found, f"a line with {pattern!r} from {self._what}", within_s, 0.005, meanwhile)
        except DeadlinePassed as late:
            raise NotReady(f"{late}; it printed: {self.printed}") from late
        assert match is not None  # noqa: S101 (wait_for returns true values only)
        return match

    @property
    def printed(self) -> str:
        """The end of what it printed so far, standard output and standard error together."""
        return "\n".join(self.lines[-TOLD_LINES:])[-TOLD_CHARACTERS:] or "(nothing)"

    def stop(self) -> int:
        """End it with SIGTERM, after STOP_WITHIN_S seconds with SIGKILL; its exit status.

        Raises LabProblem when it could not be ended; nothing here waits for it then.
        """
        try:
            for signal in ("TERM", "KILL"):
                if self._stream.poll() is None:
                    self.signal(signal)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    status = self._stream.wait(STOP_WITHIN_S)
                    self._reader.join(STOP_WITHIN_S)
                    return status
        finally:
            self._stream.kill()  # after its end, nothing
            self._stream.wait()
        raise LabProblem(f"{self._what} could not be ended within {2 * STOP_WITHIN_S} s")
