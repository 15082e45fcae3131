"""The child's side of a call: a copy of the fork server becomes the program that was asked for.

It is as alone as a program just started: its own process group, no descriptor but 0, 1 and 2, signals as they
were. But it ends by _exit(2), after what Python does at an end that a program can notice: threads joined, atexit run,
streams flushed. Taking the interpreter down would cost 90 ms of emulated processor a call.
"""

import atexit
import errno
import os
import runpy
import signal
import struct
import sys
import threading
from collections.abc import Set
from dataclasses import dataclass
from typing import Final, NoReturn

from .clocks import Clock, clocks
from .commands import Start

ARRIVED: Final = struct.Struct("=H")  # the number of a call, written to the pipe of the arrivals
NOT_FOUND, NOT_RUN = 127, 126  # the exit statuses of a shell that cannot start a program
# Audit events that are raised before the kernel is asked
_ASKING: Final = ("socket.connect", "socket.sendto", "socket.sendmsg")


@dataclass(frozen=True, slots=True)
class Program:
    """What a fork has to become. `gate` is the pipe that its barrier closes; -1 where it is not held."""

    start: Start
    number: int
    clock: Clock
    stdout: int
    stderr: int
    gate: int
    arrivals: int

    def run(self, mask: Set[int]) -> NoReturn:
        """Become the program. `mask`: the signal mask that it has (all that is caught is blocked until then)."""
        status = 1
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            self._take_descriptors()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            if self.start.hold == "connect":
                _to_be_held.append(self)
            elif self.start.barrier is not None:
                self._wait()
            status = self._run_module() if self.start.is_module else self._exec()
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def _take_descriptors(self) -> None:
        for descriptor, place in ((os.open(os.devnull, os.O_RDONLY), 0), (self.stdout, 1), (self.stderr, 2)):
            os.dup2(descriptor, place)
        # Python objects of the fork server still hold the numbers; they are never collected: this stack never returns.
        lowest = 3
        for kept in sorted({self.gate, self.arrivals} - {-1} if self.start.barrier is not None else ()):
            os.closerange(lowest, kept)
            lowest = kept + 1
        os.closerange(lowest, os.sysconf("SC_OPEN_MAX"))

    def _wait(self) -> None:
        """Say that we are here, and be held until the barrier is released."""
        os.write(self.arrivals, ARRIVED.pack(self.number))
        os.close(self.arrivals)
        os.read(self.gate, ARRIVED.size)  # nothing is ever written to it: this returns when its other end is closed
        os.close(self.gate)
        if not self.clock.released:  # the fork server is gone
            os._exit(1)

    def hold_at_connect(self) -> None:
        """Called before the program's first connect(): it has parsed and resolved whatever it had to."""
        self._wait()
        self.clock.begin()

    def _run_module(self) -> int:
        module, *_ = sys.argv = list(self.start.argv)
        status = 0
        self.clock.begin()
        sys.modules.pop(module, None)  # another that is warm may have imported it, and runpy would warn of that
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            status = _status(ended)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            status = 1
        threading._shutdown()  # type: ignore[attr-defined]  # as multiprocessing ends its forks
        atexit._run_exitfuncs()
        self.clock.end()
        try:
            sys.stdout.flush()
        except OSError:
            status = 120  # as Python's own end does
        sys.stderr.flush()
        return status

    def _exec(self) -> int:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
            signal.signal(number, signal.SIG_DFL)
        self.clock.begin()
        try:
            os.execvp(self.start.argv[0], self.start.argv)  # noqa: S606 (no shell is wanted)
        except OSError as error:
            os.write(2, f"{self.start.argv[0]}: {error.strerror}\n".encode("utf-8", "surrogateescape"))
            return NOT_FOUND if error.errno == errno.ENOENT else NOT_RUN


_to_be_held: list[Program] = []


def watch_for_connect() -> None:
    """Let the forks of this process be held at their first connect(). It cannot be undone (sys.addaudithook).

    So their SYNs coincide: those of 20 big-endian clients came within 8 to 38 ms, and without a gate within 1,100 to
    1,600 ms. The wait runs on the client's own clock, so this is not the default.
    """

    def before(event: str, _: object) -> None:
        if _to_be_held and event in _ASKING:
            _to_be_held.pop().hold_at_connect()

    sys.addaudithook(before)


def rehearse() -> None:
    """Take each step of a fork once, without effect, so that a fork of ours has nothing to translate (warming.py)."""
    signal.set_wakeup_fd(signal.set_wakeup_fd(-1))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.getsignal(number))
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    reading, writing = os.pipe()
    os.dup2(os.open(os.devnull, os.O_RDONLY), place := os.dup(reading))
    os.close(place)
    os.closerange(os.sysconf("SC_OPEN_MAX") - 2, os.sysconf("SC_OPEN_MAX"))
    clock = clocks(1)[0]
    clock.begin()
    program = Program(Start("", ("",), True, 1.0, barrier=""), 0, clock, -1, -1, reading, writing)
    clock.release()
    program._wait()
    clock.end()


def _status(ended: SystemExit) -> int:
    """The exit status that Python makes of sys.exit(code)."""
    if ended.code is None:
        return 0
    if isinstance(ended.code, int):
        return ended.code & 0xFF
    print(ended.code, file=sys.stderr)
    return 1
