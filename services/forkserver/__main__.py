"""The fork server itself: one thread that waits, in one selector, for commands, for output and for ends."""

import codecs
import errno
import heapq
import itertools
import json
import os
import resource
import select
import selectors
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from services.stopping import STOPS, stop_signal

from . import leavings, program
from .clocks import Clock, clocks
from .commands import LINE_LIMIT, Cancel, CommandError, Release, Signal, Start, Stop, Warm, parse
from .program import ARRIVED, Program, watch_for_connect
from .warming import rehearse, warm

CALLS_LIMIT: Final = 200  # at once; under emulation each takes 4 MB and three threads, of the 1 GB and 1,024 of a host
OUTPUT_LIMIT: Final = 64 * 1024  # bytes that are kept of each stream of a call; of the rest, the number
UNREAD_LIMIT: Final = 8 * 1024 * 1024  # bytes of answers that nobody has read; above, no more commands are taken
KILL_AFTER_S: Final = 1.0  # from SIGTERM to SIGKILL
STOP_WITHIN_S: Final = 5.0  # the same, for what is served: it may have more to put in order
FOLLOWED_LIMIT: Final = 4 * 1024 * 1024  # bytes of output that are told of what is served; of the rest, the number
DRAIN_S: Final = 0.3  # for the end of the output, after the end of the program
END_WITHIN_S: Final = 3.0
READ_BYTES: Final = 64 * 1024
PIPE_LIMIT: Final = 1024 * 1024


def _decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")("backslashreplace")


@dataclass(slots=True)
class Stream:
    """The output of a call: what is kept, and how many bytes are not."""

    descriptor: int
    kept: bytearray = field(default_factory=bytearray)
    dropped: int = 0
    is_open: bool = True
    decoder: codecs.IncrementalDecoder = field(default_factory=_decoder)

    def take(self, data: bytes) -> str:
        """Keep what there is room for; its text, but for a character that came in pieces, which goes with its last."""
        room = OUTPUT_LIMIT - len(self.kept)
        self.kept += data[:room]
        self.dropped += max(0, len(data) - room)
        return self.decoder.decode(data[:room])

    @property
    def text(self) -> str:
        return self.kept.decode("utf-8", "backslashreplace")


@dataclass(slots=True, eq=False)
class Call:
    """One call, from its fork to its answer. `number` is that of its clock."""

    start: Start
    number: int
    clock: Clock
    pid: int
    stdout: Stream
    stderr: Stream  # of no descriptor where it goes where stdout goes
    arrived: bool = False
    timed_out: bool = False
    cancelled: bool = False
    escaped: int = 0
    ended: tuple[int, resource.struct_rusage, float] | None = None  # wait status, usage, CLOCK_MONOTONIC
    # Of what is followed:
    told_bytes: int = 0  # bytes of its output
    paused: bool = False  # by a SIGSTOP from here
    stopping: bool = False

    @property
    def streams(self) -> tuple[Stream, ...]:
        return tuple(stream for stream in (self.stdout, self.stderr) if stream.descriptor != -1)

    def answer(self) -> dict[str, object]:
        assert self.ended  # noqa: S101 (for mypy: only who has ended is told of)
        status, usage, now_s = self.ended
        code = os.waitstatus_to_exitcode(status)
        how: dict[str, object] = {
            "ended": self.start.name,
            "status": code if code >= 0 else None,
            "signal": _signal_name(-code) if code < 0 else None,
        }
        if self.start.followed:
            return how | {"dropped": self.stdout.dropped}
        return how | {
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "stdout": self.stdout.text,
            "stderr": self.stderr.text,
            "stdout_dropped": self.stdout.dropped,
            "stderr_dropped": self.stderr.dropped,
            "started": self.clock.began_s,
            "duration_s": self.clock.duration_s(now_s),
            "timed_out": self.timed_out,
            "cancelled": self.cancelled,
            "escaped": self.escaped,
        }


@dataclass(slots=True)
class Barrier:
    """A pipe whose closing releases all who read from it."""

    reading: int
    writing: int
    calls: list[Call] = field(default_factory=list)

    def close(self) -> None:
        os.close(self.writing)
        os.close(self.reading)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


class ForkServer:
    """`commands` and `answers` are descriptors of pipes; `signals` is readable when a signal has come."""

    def __init__(self, commands: int, answers: int, signals: socket.socket) -> None:
        self._commands, self._answers, self._signals = commands, answers, signals
        self._selector = selectors.DefaultSelector()
        self._unparsed = bytearray()
        self._overlong = False
        self._unwritten = bytearray()
        self._calls: dict[str, Call] = {}
        self._by_pid: dict[int, Call] = {}
        self._barriers: dict[str, Barrier] = {}
        self._clocks = clocks(CALLS_LIMIT)
        self._free = deque(range(CALLS_LIMIT))  # the longest unused first, so that a late arrival is nobody else's
        self._due: list[tuple[float, int, Call, Callable[[Call], None]]] = []
        self._serial = itertools.count()
        self._arrivals, self._arriving = os.pipe()
        self._stopping = False
        for descriptor, turn in (
            (commands, self._read_commands),
            (signals.fileno(), self._read_signals),
            (self._arrivals, self._read_arrivals),
        ):
            self._selector.register(descriptor, selectors.EVENT_READ, turn)

    def serve(self) -> None:
        """Until the end of the input, SIGTERM or SIGINT; then nothing that it started is left."""
        try:
            while not self._stopping:
                left_s = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
                for key, _ in self._selector.select(left_s):
                    if self._selector.get_map().get(key.fd) is key:  # an earlier one of this turn may have closed it
                        key.data()
                while self._due and self._due[0][0] <= time.monotonic():
                    _, _, call, act = heapq.heappop(self._due)
                    if self._calls.get(call.start.name) is call:
                        act(call)
        finally:
            self._end_all()

    # Answers

    def answer(self, said: Mapping[str, object]) -> None:
        if not self._unwritten:
            self._selector.register(self._answers, selectors.EVENT_WRITE, self._write)
        self._unwritten += json.dumps(said, separators=(",", ":")).encode("ascii") + b"\n"
        if len(self._unwritten) > UNREAD_LIMIT and self._commands in self._selector.get_map():
            self._selector.unregister(self._commands)

    def _write(self) -> None:
        try:
            # A pipe that is writable takes so many without waiting (pipe(7)), whoever else shares it.
            del self._unwritten[: os.write(self._answers, self._unwritten[: select.PIPE_BUF])]
        except BrokenPipeError:
            self._stopping = True
            return
        if not self._unwritten:
            self._selector.unregister(self._answers)
        if len(self._unwritten) <= UNREAD_LIMIT and self._commands not in self._selector.get_map():
            self._selector.register(self._commands, selectors.EVENT_READ, self._read_commands)

    # Commands

    def _read_commands(self) -> None:
        data = os.read(self._commands, READ_BYTES)
        if not data:
            self._stopping = True
            return
        *lines, rest = (self._unparsed + data).split(b"\n")
        for line in lines:
            if self._overlong or len(line) > LINE_LIMIT:
                self.answer({"error": f"the line is longer than {LINE_LIMIT} bytes"})
                self._overlong = False
            elif line.strip():
                self._obey(bytes(line))
        self._overlong = self._overlong or len(rest) > LINE_LIMIT
        self._unparsed = bytearray() if self._overlong else bytearray(rest)

    def _obey(self, line: bytes) -> None:
        try:
            match parse(line):
                case Start() as start:
                    self._start(start)
                case Cancel(name):
                    call = self._find_call(name, "cancel", followed=False)
                    call.cancelled = True
                    self._terminate(call)
                case Signal(name, number):
                    program = self._calls.get(name) or self._find_call(name, "signal", followed=True)
                    self._send(program, number)
                    said = {"signalled": _signal_name(number), "to": name}
                    self.answer(said if program.start.followed else {**said, "pid": program.pid})
                case Stop(name):
                    self._stop(self._find_call(name, "stop", followed=True))
                case Release(barrier):
                    self._release(barrier)
                case Warm(module):
                    self.answer({"warm": module, "missing": warm(module)})
        except CommandError as error:
            self.answer({"error": str(error), **error.about})

    def _find_call(self, name: str, verb: str, followed: bool) -> Call:
        call = self._calls.get(name)
        if call is None or call.start.followed != followed:
            raise CommandError(
                f"no {'running server is' if followed else 'running call is'} named {name!r}",
                {verb: name},
            )
        return call

    def _start(self, start: Start) -> None:
        about = {"serve" if start.followed else "call": start.name}
        if start.name in self._calls:
            raise CommandError(f"a call {start.name!r} runs already", about)
        if not self._free:
            raise CommandError(f"{CALLS_LIMIT} calls run already", about)
        opened: list[int] = []
        try:
            opened += os.pipe()
            opened += os.pipe() if not start.followed else ()
            if start.barrier is not None and start.barrier not in self._barriers:
                self._barriers[start.barrier] = Barrier(*os.pipe())
            call = self._fork(start, *opened)
        except OSError as error:  # EMFILE, EAGAIN, ENOMEM
            for descriptor in opened:
                os.close(descriptor)
            name = errno.errorcode.get(error.errno or 0, str(error))
            raise CommandError(f"{name} starting the call", about) from error
        for writing in opened[1::2]:
            os.close(writing)
        self._calls[start.name] = self._by_pid[call.pid] = call
        for stream in call.streams:
            self._selector.register(stream.descriptor, selectors.EVENT_READ, lambda s=stream: self._read(call, s))
        if start.followed:
            self.answer({"began": start.name, "pid": call.pid})
        elif start.barrier is not None:
            self._barriers[start.barrier].calls.append(call)
        else:
            self._schedule(start.timeout_s, call, self._time_out)

    def _fork(self, start: Start, out: int, out_writing: int, err: int = -1, err_writing: int = -1) -> Call:
        """Without a pipe of its own, stderr goes into that of stdout."""
        number = self._free[0]
        clock = self._clocks[number]
        clock.clear()
        gate = self._barriers[start.barrier].reading if start.barrier is not None else -1
        if err_writing == -1:
            err_writing = out_writing
        child = Program(start, number, clock, out_writing, err_writing, gate, self._arriving)
        # A signal that the child got before it left our handlers would be written to our own descriptor of signals.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (*STOPS, signal.SIGCHLD))
        try:
            pid = os.fork()
            if pid == 0:
                child.run(before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._free.popleft()
        with suppress(OSError):  # the child does it too: whoever is first
            os.setpgid(pid, pid)
        return Call(start, number, clock, pid, Stream(out), Stream(err, is_open=err != -1))

    def _release(self, name: str) -> None:
        barrier = self._barriers.pop(name, None)
        if barrier is None:
            raise CommandError(f"nobody is held at {name!r}", {"release": name})
        for call in barrier.calls:
            call.clock.release()
            self._schedule(call.start.timeout_s, call, self._time_out)
        barrier.close()

    # Ends

    def _schedule(self, seconds: float, call: Call, act: Callable[[Call], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._serial), call, act))

    def _time_out(self, call: Call) -> None:
        if not call.ended:
            call.timed_out = True
            self._terminate(call)

    def _terminate(self, call: Call) -> None:
        self._signal_group(call, signal.SIGTERM)
        self._schedule(KILL_AFTER_S, call, self._kill)

    def _kill(self, call: Call) -> None:
        self._signal_group(call, signal.SIGKILL)

    def _signal_group(self, call: Call, number: signal.Signals) -> None:
        if not call.ended:  # until it is waited for, its number is nobody else's
            with suppress(ProcessLookupError):
                os.killpg(call.pid, number)

    def _send(self, call: Call, number: signal.Signals) -> None:
        """To the process alone, as kill(1) does. One that has ended gets none."""
        if call.ended:
            return
        if number in (signal.SIGSTOP, signal.SIGCONT):
            call.paused = number == signal.SIGSTOP
        with suppress(ProcessLookupError):
            os.kill(call.pid, number)

    def _stop(self, call: Call) -> None:
        """End what is followed, and what is left of its group; one that is stopped (SIGSTOP) without waking it."""
        if call.stopping:
            return
        call.stopping = True
        if call.ended:
            leavings.kill_group(call.pid)
            self._schedule(DRAIN_S, call, self._end_escaped)
            self._tell_if_over(call)
        elif call.paused:
            self._kill(call)
        else:
            self._send(call, signal.SIGTERM)
            self._schedule(STOP_WITHIN_S, call, self._kill)

    def _read_signals(self) -> None:
        if set(self._signals.recv(4096)) & set(STOPS):
            self._stopping = True
        self._reap()

    def _reap(self) -> None:
        """Take note of every child that has ended, and end what is left of its group."""
        with suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                call = self._by_pid.pop(found.si_pid, None)
                goes_on = call and call.start.followed and not call.stopping  # a server's children may outlive it
                if not goes_on:
                    with suppress(ProcessLookupError):
                        os.killpg(found.si_pid, signal.SIGKILL)  # before it is waited for, and its number another's
                _, status, usage = os.wait4(found.si_pid, 0)
                if call:
                    if call.start.followed:
                        self._read_what_is_there(call)
                    call.ended = status, usage, time.monotonic()
                    if call.start.followed:
                        self.answer(call.answer())
                    if not goes_on:
                        self._schedule(DRAIN_S, call, self._end_escaped)
                        self._tell_if_over(call)

    def _read(self, call: Call, stream: Stream) -> None:
        if data := os.read(stream.descriptor, READ_BYTES):
            if call.start.followed:
                self._tell(call, data)
            elif (text := stream.take(data)) and call.start.told:
                on = "stdout" if stream is call.stdout else "stderr"
                self.answer({"printed": call.start.name, "on": on, "text": text})
        else:
            self._close(stream)
            self._tell_if_over(call)

    def _tell(self, call: Call, data: bytes) -> None:
        """What a program that is followed printed. A character that came in pieces is told with its last."""
        taken = data[: FOLLOWED_LIMIT - call.told_bytes]
        call.told_bytes += len(taken)
        call.stdout.dropped += len(data) - len(taken)
        if text := call.stdout.decoder.decode(taken):
            self.answer({"printed": call.start.name, "text": text})

    def _read_what_is_there(self, call: Call) -> None:
        """So that what a program printed is told before its end. A pipe may hold PIPE_LIMIT (pipe(7))."""
        waiting = select.poll()  # select(2) takes no descriptor above 1023
        waiting.register(call.stdout.descriptor, select.POLLIN)
        for _ in range(PIPE_LIMIT // READ_BYTES):
            if not call.stdout.is_open or not waiting.poll(0):
                break
            self._read(call, call.stdout)

    def _close(self, stream: Stream) -> None:
        if stream.is_open:
            stream.is_open = False
            self._selector.unregister(stream.descriptor)
            os.close(stream.descriptor)

    def _end_escaped(self, call: Call) -> None:
        """The program has ended, and somebody outside of its group still holds its output: that one is killed."""
        pipes = [os.fstat(stream.descriptor).st_ino for stream in call.streams if stream.is_open]
        call.escaped += leavings.kill_holders(pipes, self._by_pid)
        self._schedule(DRAIN_S, call, self._give_up)

    def _give_up(self, call: Call) -> None:
        for stream in call.streams:
            self._close(stream)
        self._tell_if_over(call)

    def _tell_if_over(self, call: Call) -> None:
        if not call.ended or any(stream.is_open for stream in call.streams):
            return
        if call.start.followed and not call.stopping:
            return
        del self._calls[call.start.name]
        self.answer({"stopped": call.start.name} if call.start.followed else call.answer())
        self._free.append(call.number)
        barrier = self._barriers.get(call.start.barrier or "")
        if barrier and call in barrier.calls:  # it ended before it was released
            barrier.calls.remove(call)
            self._tell_if_held(call.start.barrier or "", barrier)

    def _read_arrivals(self) -> None:
        data = os.read(self._arrivals, READ_BYTES - READ_BYTES % ARRIVED.size)
        arrived = {number for (number,) in ARRIVED.iter_unpack(data)}
        for name, barrier in self._barriers.items():
            if came := [call for call in barrier.calls if call.number in arrived]:
                for call in came:
                    call.arrived = True
                self._tell_if_held(name, barrier)

    def _tell_if_held(self, name: str, barrier: Barrier) -> None:
        if all(call.arrived for call in barrier.calls):
            self.answer({"held": name, "calls": [call.start.name for call in barrier.calls]})

    def _end_all(self) -> None:
        for pid in self._by_pid:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        deadline_s = time.monotonic() + END_WITHIN_S
        self._reap()
        while self._by_pid and time.monotonic() < deadline_s:
            select.select([self._signals], [], [], deadline_s - time.monotonic())
            self._signals.recv(4096)
            self._reap()
        leavings.kill_marked([os.getppid()])  # who waits for us (_in_a_fork)


def _in_a_fork() -> None:
    """Go on in a fork, for which this process waits, and ends as it does.

    Under emulation, what a fork first does is then translated, and each of its own forks inherits that too: measured,
    a call's 8 ms of processor and 6 MB became 4 ms and 3 MB. The thread is for the same: with a program's first, the
    emulator translates all of it anew.
    """
    first = threading.Thread(target=time.monotonic)
    first.start()
    first.join()
    pid = os.fork()
    if pid == 0:
        return
    os.close(0)
    os.close(1)  # the end of the answers is the end of the fork server
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, which sends it to both
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os._exit(code if code >= 0 else 128 - code)  # as a shell says it


def main() -> None:
    _in_a_fork()
    answers = os.dup(1)
    os.dup2(2, 1)  # what an import prints is no answer
    with stop_signal() as signals:
        signal.signal(signal.SIGCHLD, lambda *_: None)  # caught, so that it is written to `signals`
        try:
            fork_server = ForkServer(0, answers, signals)
        except PermissionError:  # of epoll_ctl(2): a file is always ready
            print("python -m services.forkserver: stdin must be a pipe", file=sys.stderr)
            sys.exit(os.EX_USAGE)
        missing = [name for module in sys.argv[1:] for name in warm(module)]
        watch_for_connect()
        rehearse()
        program.rehearse()
        ready = {"ready": sys.argv[1:], "missing": missing, "byteorder": sys.byteorder, "calls_limit": CALLS_LIMIT}
        fork_server.answer(ready)
        fork_server.serve()


if __name__ == "__main__":
    main()
