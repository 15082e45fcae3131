"""A child process that speaks JSON, an object a line. One client for all of them.

    child = Child(lab.open("firewall", [PROGRAM]), "the injector on the firewall")
    answer = child.ask({"hits": "lose-one"}, "count its hits", within_s=30)
    child.close()

A request carries an `id`, and its answer repeats it, so that a late answer is never taken for another's. An answer
{"id": N, "error": WHY} is raised as LabProblem. A line with `size` is followed by so many bytes, its content. A line
that answers no request is an event: `hear` gets it, or else `next` returns it.

Every wait has a deadline, and the error at the deadline says what was waited for. When the child ends, whoever waits is
told at once, with the end of what it printed. Lines, contents and events have limits: the child may be broken, or
somebody else's. Knows nothing of Docker and of labs.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import select
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import Any, Final

from scenarios.lab.errors import LabProblem
from scenarios.lab.valueclass import valueclass

Message = dict[str, Any]

LINE_LIMIT: Final = 4 << 20  # bytes
CONTENT_LIMIT: Final = 256 << 20  # bytes; whoever asks for contents has a lower limit, and has the child keep it
EVENTS_LIMIT: Final = 4_000  # events that nobody took; above, the child is not read
WORDS_LIMIT: Final = 10_000  # characters that are kept of what is no message, from the end
CLOSES_WITHIN_S: Final = 5.0
LATE_WITHIN_S: Final = 2.0
ENDS_WITHIN_S: Final = 2.0  # after SIGTERM, and after the end of its output
WRITE_BYTES: Final = 64 << 10


@valueclass
class Answer:
    """What the child answered to a request, and the bytes that followed."""

    message: Message
    content: bytes

    def __getitem__(self, key: str) -> Any:
        return self.message[key]


@valueclass
class Request:
    """A request that was made. `wait` for its answer."""

    _child: Child
    _number: int
    _to: str
    _future: Future[Answer]

    def wait(self, within_s: float) -> Answer:
        """Return the answer. Raises LabProblem when it is an error, does not come in time, or the child has ended."""
        within_s = self._child.patience_s(within_s)
        try:
            return self._future.result(within_s)
        except NotInTime:
            raise self._child.is_late(self._number, f"did not {self._to} within {within_s:g} s") from None


class Child:
    """A child with its standard streams as pipes of bytes. `what` names it in errors: "the injector on the firewall".

    `hear` is called with each event, and `ended` with the reason when nothing more will come, both in a thread of the
    child's own. `advice` is added to that reason where the child's words contain its key. Close it, also after its end.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        what: str,
        *,
        hear: Callable[[Message], None] | None = None,
        ended: Callable[[str], None] | None = None,
        advice: Mapping[str, str] | None = None,
    ) -> None:
        assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 (for mypy: they are pipes)
        self.process, self.what = process, what
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._hear, self._ended, self._advice = hear or self._keep, ended, advice or {}
        self._events: queue.Queue[Message | None] = queue.Queue(EVENTS_LIMIT)
        self._numbers = itertools.count(1)
        self._requests: dict[int, tuple[str, Future[Answer]]] = {}
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._closing = threading.Event()
        self._words = ""
        self._is_late = False  # it missed a deadline, and has said nothing since
        self._broken = ""  # why it was ended by us
        self._over = ""  # why nothing more will come
        os.set_blocking(self._stdin.fileno(), False)
        self._readers = [
            threading.Thread(target=each, daemon=True, name=what) for each in (self._read_words, self._read)
        ]
        for reader in self._readers:
            reader.start()

    @property
    def over(self) -> str:
        """Why nothing more will come from it; empty while it runs."""
        return self._over

    # Questions

    def ask(self, request: Mapping[str, object], to: str, within_s: float, content: bytes = b"") -> Answer:
        """Ask, and return the answer. As `begin` and `wait`."""
        return self.begin(request, to, within_s, content).wait(within_s)

    def begin(self, request: Mapping[str, object], to: str, within_s: float, content: bytes = b"") -> Request:
        """Ask, and do not wait for the answer. `to` says what the child is to do: "count the hits of lose-one".

        The content is sent after the request's line, which tells its size. Raises LabProblem as `say` does.
        """
        number, future = next(self._numbers), Future[Answer]()
        with self._lock:
            if self._over:
                raise LabProblem(self._over)
            self._requests[number] = to, future
        try:
            size = {"size": len(content)} if content else {}
            self.say({"id": number, **request, **size}, within_s, content)
        except LabProblem:
            self._forget(number)
            raise
        return Request(self, number, to, future)

    def say(self, message: Mapping[str, object], within_s: float, content: bytes = b"") -> None:
        """Tell it something to which no answer is waited for. That it has ended is told where an answer is waited for.

        Raises LabProblem when it does not read in time; it is ended then.
        """
        until_s = time.monotonic() + within_s
        if not self._writing.acquire(timeout=within_s):
            raise self.problem(f"was not free to be told `{_brief(message)}` within {within_s:g} s")
        try:
            in_time = self._write(json.dumps(message).encode("ascii") + b"\n" + content, until_s)
        finally:
            self._writing.release()
        if not in_time:
            self._break_off(f"did not read `{_brief(message)}` within {within_s:g} s")
            raise self.problem(self._broken)

    def next(self, within_s: float | None, to: str = "") -> Message | None:
        """Return the next event; None when none comes in time, but with `to`, what it should do, that is LabProblem.

        Raises LabProblem when the child has ended.
        """
        if self._over and self._events.empty():
            raise LabProblem(self._over)
        try:
            event = self._events.get(timeout=within_s)
        except queue.Empty:
            if to:
                raise self.problem(f"did not {to} within {within_s:g} s") from None
            return None
        if event is None:
            raise LabProblem(self._over)
        return event

    def patience_s(self, within_s: float) -> float:
        """How long it is waited for: less, while it has said nothing since it missed a deadline.

        A machine that stands still is so waited for once, and not once for each fault that is to be undone on it.
        """
        return min(within_s, LATE_WITHIN_S) if self._is_late else within_s

    def is_late(self, number: int, what_it_did: str) -> LabProblem:
        """Nobody waits for this answer any more; what to raise."""
        self._is_late = True
        self._forget(number)
        return self.problem(what_it_did)

    def _forget(self, number: int) -> None:
        with self._lock:
            self._requests.pop(number, None)

    def problem(self, what_it_did: str) -> LabProblem:
        """A LabProblem that says what the child did, or did not do, and what it printed last."""
        words = self._words.strip()
        return LabProblem(f"{self.what} {what_it_did}" + (f"; it said: {words}" if words else ""))

    # Its end

    def close(self, within_s: float | None = None) -> int:
        """End it: by the end of its input, then SIGTERM, then SIGKILL; its exit status, negative after a signal.

        May be called again.
        """
        if self._closing.is_set() and (ended := self.process.poll()) is not None:
            return ended
        self._closing.set()
        within_s = self.patience_s(CLOSES_WITHIN_S if within_s is None else within_s)
        if self._writing.acquire(timeout=within_s):
            with contextlib.suppress(OSError):
                self._stdin.close()
            self._writing.release()
        for signal, ends_within_s in ((None, within_s), (self.process.terminate, ENDS_WITHIN_S)):
            if signal:
                signal()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(ends_within_s)
                break
        else:
            self.process.kill()
        status = self.process.wait()
        # What it has started itself may hold its output, and a reader would wait for that; who reads is a daemon.
        for reader in self._readers:
            reader.join(ENDS_WITHIN_S)
        if not any(reader.is_alive() for reader in self._readers):
            for stream in (self._stdin, self._stdout, self._stderr):
                with contextlib.suppress(OSError):
                    stream.close()
        return status

    def _break_off(self, why: str) -> None:
        self._broken = self._broken or why
        self.process.kill()

    # What it says

    def _read(self) -> None:
        try:
            while (line := self._stdout.readline(LINE_LIMIT)) and self._take(line):
                pass
        except Exception as error:  # of `hear` too: nobody else would be told
            self._break_off(f"could not be understood: {error!r}")
        finally:
            self._finish()

    def _take(self, line: bytes) -> bool:
        """Deal with one line, and what follows it; whether the next one may be read."""
        self._is_late = False
        if len(line) >= LINE_LIMIT:
            self._break_off(f"printed a line of {LINE_LIMIT >> 20} MiB or more")
            return False
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):  # docker's own words, say, of a program that is not there
            message = None
        if not isinstance(message, dict):
            self._say_more(line)
            return True
        size = message.get("size", 0)
        if type(size) is not int or not 0 <= size <= CONTENT_LIMIT:
            self._break_off(f"announced a content of {size!r} bytes; at most {CONTENT_LIMIT >> 20} MiB are read")
            return False
        content = self._stdout.read(size)
        if len(content) != size:
            self._broken = self._broken or f"broke off after {len(content)} of {size} bytes of a content"
            return False
        self._dispatch(message, content)
        return True

    def _dispatch(self, message: Message, content: bytes) -> None:
        if "id" not in message:
            self._hear(message)
            return
        with self._lock:
            to, future = self._requests.pop(message["id"], ("", None))
        if future is None:  # it came too late
            return
        if "error" in message:
            future.set_exception(LabProblem(f"{self.what} could not {to}: {message['error']}"))
        else:
            future.set_result(Answer(message, content))

    def _keep(self, event: Message) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(queue.Full):
                self._events.put(event, timeout=0.1)
                return

    def _read_words(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while words := self._stderr.readline(WORDS_LIMIT):
                self._say_more(words)

    def _say_more(self, words: bytes) -> None:
        self._words = (self._words + words.decode("utf-8", "backslashreplace"))[-WORDS_LIMIT:]

    def _finish(self) -> None:
        """Nothing more will come: end it, if it has not ended, and tell whoever waits."""
        try:
            self.process.wait(CLOSES_WITHIN_S if self._closing.is_set() else ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._break_off("said no more, and did not end")
            self.process.wait()
        self._readers[0].join(ENDS_WITHIN_S)
        words = self._words.strip()
        advice = "".join(f"; {each}" for key, each in self._advice.items() if key in words)
        how = self._broken or f"ended with status {self.process.returncode}"
        with self._lock:
            self._over = f"{self.what} {how}: {words or 'it said nothing'}{advice}"
            asked = list(self._requests.values())
            self._requests.clear()
        for _, future in asked:
            future.set_exception(LabProblem(self._over))
        with contextlib.suppress(queue.Full):
            self._events.put_nowait(None)
        if self._ended:
            self._ended(self._over)

    def _write(self, data: bytes, until_s: float) -> bool:
        """Whether it was read in time, or never will be."""
        rest, poll = memoryview(data), select.poll()  # select(2) takes no descriptor above 1023
        with contextlib.suppress(BrokenPipeError, ValueError):  # it has ended, or was closed
            poll.register(self._stdin.fileno(), select.POLLOUT)
            while rest:
                if not poll.poll(max(0.0, until_s - time.monotonic()) * 1000):
                    return False
                with contextlib.suppress(BlockingIOError):  # there is room, and less than was wanted
                    rest = rest[os.write(self._stdin.fileno(), rest[:WRITE_BYTES]) :]
        return True


def _brief(message: Mapping[str, object]) -> str:
    text = json.dumps(message)
    return text if len(text) <= 100 else f"{text[:99]}…"
