"""A shell that stays open on a machine: a command costs a fork there, and not an exec of the engine.

An exec takes 30 ms of processor time (runc, its shim, the engine) and up to 0.1 s; a command of an open shell 2 ms. The
shell is any `sh`, so every machine has one. Knows nothing of Docker and of labs.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Final

from scenarios.lab.process import READ_BYTES, BoundedOutput

SILENT_S: Final = 0.5  # so long it may say nothing before it is asked whether its machine runs
SILENT_LIMIT_S: Final = 8.0  # a command that takes its time is asked about ever more seldom
ENDS_WITHIN_S: Final = 1.0  # once its standard input is closed, where no command is under way


class ShellEnded(Exception):
    """The shell ended before the command did, and with it the machine, or the engine's exec of it."""


class _UntilMark:
    """One of its streams, as far as a line that begins with a mark, which follows what the command wrote."""

    def __init__(self, mark: bytes, kept: BoundedOutput) -> None:
        self._mark, self._kept = mark, kept
        self._held = b""  # what may be the beginning of the mark
        self.line: bytes | None = None  # what stands behind the mark

    def take(self, data: bytes) -> None:
        held = self._held + data
        at = held.find(self._mark)
        at = max(0, len(held) - len(self._mark) + 1) if at < 0 else at
        self._kept.take(held[:at])
        self._held = held[at:]
        if self._held.startswith(self._mark) and self._held.endswith(b"\n"):
            self.line = self._held[len(self._mark) : -1]


class Shell:
    """A shell with its standard streams as pipes of bytes, which runs one command at a time. Close it, whatever comes.

    After an exception of `run` nothing more may be run in it, for the command may still be under way.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 (for mypy: they are pipes)
        self._process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        os.set_blocking(self._stdin.fileno(), False)

    @property
    def is_open(self) -> bool:
        return self._process.poll() is None

    def run(
        self, argv: Sequence[str], within_s: float, limit: int, check: Callable[[], None]
    ) -> tuple[int, BoundedOutput, BoundedOutput]:
        """Run a command to its end; its exit status, standard output and standard error, `limit` bytes of each.

        Its standard input is empty. `check` is called now and then while nothing comes, and may raise. Raises
        ShellEnded, and TimeoutError when the command has not ended within `within_s`.
        """
        out, err = BoundedOutput(limit), BoundedOutput(limit)
        mark = secrets.token_hex(16)
        until_mark = {
            self._stdout.fileno(): _UntilMark(mark.encode(), out),
            self._stderr.fileno(): _UntilMark(mark.encode(), err),
        }
        command = f"{shlex.join(argv)} </dev/null\nprintf '{mark}%s\\n' $?\nprintf '{mark}\\n' >&2\n"
        self._exchange(command.encode(), until_mark, within_s, check)
        status = until_mark[self._stdout.fileno()].line
        return int(status or b""), out, err

    def _exchange(
        self, command: bytes, until_mark: dict[int, _UntilMark], within_s: float, check: Callable[[], None]
    ) -> None:
        """Give it the command, and take what comes until both marks have."""
        until_s, silent_s, rest = time.monotonic() + within_s, SILENT_S, memoryview(command)
        poll = select.poll()  # select(2) takes no descriptor above 1023
        poll.register(self._stdin.fileno(), select.POLLOUT)
        for each in until_mark:
            poll.register(each, select.POLLIN)
        while any(each.line is None for each in until_mark.values()):
            wait_s = min(silent_s, until_s - time.monotonic())
            if wait_s <= 0:
                raise TimeoutError(f"not within {within_s:g} s")
            ready = poll.poll(wait_s * 1000)
            if not ready:
                check()
                silent_s = min(2 * silent_s, SILENT_LIMIT_S)
            for descriptor, _ in ready:
                if descriptor != self._stdin.fileno():
                    until_mark[descriptor].take(self._read(descriptor))
                    continue
                rest = self._write(rest)
                if not rest:
                    poll.unregister(descriptor)

    def _write(self, rest: memoryview) -> memoryview:
        try:
            return rest[os.write(self._stdin.fileno(), rest[:READ_BYTES]) :]
        except BlockingIOError:
            return rest
        except BrokenPipeError:
            raise ShellEnded from None

    @staticmethod
    def _read(descriptor: int) -> bytes:
        data = os.read(descriptor, READ_BYTES)
        if not data:
            raise ShellEnded
        return data

    def close(self) -> None:
        """End it; a command that is under way goes on to its end."""
        pipes: Sequence[IO[bytes]] = (self._stdin, self._stdout, self._stderr)
        for each in pipes:
            with contextlib.suppress(OSError):
                each.close()
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Shells:
    """A shell on each machine that wants one, from its first command to the end of the `with` block.

    `open_one` gives one. Threads may share them: while one runs a command there, there is none for another.
    """

    def __init__(self, open_one: Callable[[str], Shell]) -> None:
        self._open_one = open_one
        self._idle: dict[str, Shell] = {}
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._are_open = False

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """From now on there may be shells. Within another such block nothing more."""
        if self._are_open:
            yield
            return
        self._are_open = True
        try:
            yield
        finally:
            self._are_open = False
            with self._lock:
                idle, self._idle = list(self._idle.values()), {}
            for each in idle:
                each.close()

    @contextlib.contextmanager
    def borrow(self, machine: str) -> Iterator[Shell | None]:
        """The shell of a machine for one command, or None while another thread has it, and outside of `open`.

        One in which something went wrong is closed, and the next command opens another.
        """
        with self._lock:
            is_free = self._are_open and machine not in self._busy
            if is_free:
                self._busy.add(machine)
            shell = self._idle.pop(machine, None) if is_free else None
        if not is_free:
            yield None
            return
        try:
            if shell is None or not shell.is_open:
                if shell:
                    shell.close()
                shell = self._open_one(machine)
            yield shell
        except BaseException:
            if shell:
                shell.close()
            raise
        else:
            self._give_back(machine, shell)
        finally:
            with self._lock:
                self._busy.discard(machine)

    def _give_back(self, machine: str, shell: Shell) -> None:
        with self._lock:
            if self._are_open:
                self._idle[machine] = shell
                return
        shell.close()
