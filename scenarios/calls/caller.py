"""Calls from the hosts of a lab, one or many at once, and how each ended: its outcome, its errno by name, its time.

And programs that run until they are stopped, servers, with the same quick start.

On each host from which something is called, a fork server stays (`python -m services.forkserver`) and forks for each
call: the start of an interpreter, a quarter of a second on an emulated host, is in no time that is measured here. The
outcome of a program of ours is read from its exit status alone, by the table of spec/outcome.py.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

from scenarios.calls.call import (
    Call,
    Ending,
    Gate,
    Heard,
    Hold,
    Pending,
    Reader,
    Signalled,
    whole_lines,
)
from scenarios.calls.forkserver import CLOSES_WITHIN_S, ForkServer, outcome
from scenarios.lab.box import Box
from scenarios.lab.errors import LabProblem
from scenarios.lab.guest import signal_guest
from scenarios.lab.in_container import InContainer
from scenarios.lab.lab import Lab
from scenarios.lab.process import BoundedOutput, Finished, Running
from scenarios.lab.waiting import Meanwhile, nothing
from scenarios.spec.outcome import Outcome, errno_from_stderr


class _HeardOfGuest(Heard):
    def __init__(self, *kept: BoundedOutput) -> None:
        self._output = kept

    @property
    def lines(self) -> list[str]:
        return whole_lines(each.text() for each in self._output)


def _as_ours(ran: Finished, *, hung: bool) -> Ending:
    """How a client that has our exit statuses ended, and the errno that it told."""
    return Ending(outcome(ran.status, timed_out=hung), errno_from_stderr(ran.stderr) if ran.status else None)


def _guest_call(host: str, ran: Finished, read: Reader) -> Call:
    outcome, told, conflict = read(ran, hung=ran.hung)
    return Call(
        host=host,
        argv=ran.argv,
        outcome=outcome,
        errno=told,
        status=ran.status,
        signal=None,
        stdout=ran.stdout,
        stderr=ran.stderr,
        dropped_bytes=ran.dropped_bytes,
        started_s=ran.started_s,
        duration_s=ran.duration_s,
        cpu_s=None,
        warm=False,
        guest=True,
        conflict=conflict,
        is_start_exact=ran.is_start_exact,
        is_own_status=ran.is_own_status,
        killed_s=ran.killed_s,
    )


class Caller:
    """Calls programs on the hosts of a lab, for the time of the `with` block. After it, none of them is left.

    `modules` are what every host should have warm when it is first used; others become warm at their first call.
    """

    def __init__(self, lab: Lab, modules: Sequence[str] = ()) -> None:
        self._lab, self._modules = lab, tuple(modules)
        self._fork_servers: dict[str, ForkServer] = {}
        self._guests: list[tuple[threading.Thread, Callable[[], None]]] = []  # each with what ends it

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.ExitStack() as closing:
            for fork_server in self._fork_servers.values():
                closing.callback(fork_server.close)
            for thread, cancel in self._guests:
                until_s = time.monotonic() + CLOSES_WITHIN_S
                while thread.is_alive() and time.monotonic() < until_s:
                    cancel()  # again, for one that had not begun
                    thread.join(CLOSES_WITHIN_S / 10)

    def open(self, *hosts: str) -> None:
        """Start the fork servers of these hosts. A call does it too, but that one then waits. Raises LabProblem."""
        for host in hosts:
            if host not in self._fork_servers:
                self._fork_servers[host] = ForkServer(self._lab, host, self._modules)
        for host in hosts:
            self._fork_servers[host].wait_until_ready()

    def call(self, host: str, argv: Sequence[str], *, timeout_s: float, box: Box | None = None) -> Call:
        """Call, and wait for the end. As `start`."""
        return self.start(host, argv, timeout_s=timeout_s, box=box).wait()

    def start(
        self,
        host: str,
        argv: Sequence[str],
        *,
        timeout_s: float,
        box: Box | None = None,
        read: Reader | None = None,
        gate: Gate | None = None,
        hold: Hold = "start",
        hear: bool = False,
        inside: str = "",
    ) -> Pending:
        """Start a call: `python -m MODULE …` in a warm interpreter, and any other program by its name.

        With a `box` it is a guest, and `read` says how it ended. With a `gate` it begins when
        that is released; `hold` says what it has done by then: nothing, or (a module, until its first connect() or
        sendto()) all that comes before the network. The time that it is held at connect() is in the client's own clock.
        `hear`: what it prints is in `Pending.heard` as it comes.
        `inside` is the container of a service of the user's composition, in which the program is run then.

        Raises LabProblem; `Pending.wait` does where the call itself cannot be made.
        """
        if inside:
            pending = self._start_inside(host, inside, argv, timeout_s, read or _as_ours, gate)
        elif box:
            pending = self._start_guest(host, box, argv, timeout_s, read or _as_ours, gate)
        else:
            self.open(host)
            pending = self._fork_servers[host].start(argv, timeout_s, gate, hold, hear=hear)
        if gate:
            gate.pending.append(pending)
        return pending

    @contextlib.contextmanager
    def running(
        self,
        host: str,
        argv: Sequence[str],
        box: Box | None = None,
    ) -> Iterator[Running]:
        """A program that runs on a host for the time of the `with` block, as `Lab.running` has it, and started quicker.

        `python -m MODULE …` begins in a warm interpreter; without a `box` what comes is a WarmRunning, whose process id
        is known. Raises LabProblem.
        """
        if box:
            with self._lab.running(host, argv, box) as guest:
                yield guest
            return
        self.open(host)
        program = self._fork_servers[host].run(argv)
        try:
            yield program
        finally:
            try:
                program.stop()
            except LabProblem:
                if not self._fork_servers[host].over:  # else what it ran is swept when this caller is left
                    raise

    def _start_guest(
        self,
        host: str,
        box: Box,
        argv: Sequence[str],
        timeout_s: float,
        read: Reader,
        gate: Gate | None,
    ) -> Pending:
        name = self._lab.guest_name(host)
        out, err = BoundedOutput(hide=box.hide), BoundedOutput(hide=box.hide)

        def run() -> Finished:
            return self._lab.run_guest(host, box, argv, timeout_s=timeout_s, name=name, printed=(out, err))

        def signal(signal_name: str) -> Signalled:
            return Signalled(sent=signal_guest(name, signal_name))

        end = lambda: self._lab.end_guest(name)  # noqa: E731
        return self._attend(host, argv, timeout_s, run, end, (out, err), read, gate, signal)

    def _start_inside(
        self, host: str, container: str, argv: Sequence[str], timeout_s: float, read: Reader, gate: Gate | None
    ) -> Pending:
        program = InContainer(container, argv, timeout_s)

        def signal(signal_name: str) -> Signalled:
            raise LabProblem(
                f"SIG{signal_name} cannot be sent to a client inside a composition: its process id is not known"
            )

        printed = program.out, program.err
        return self._attend(host, argv, timeout_s, program.run, program.end, printed, read, gate, signal)

    def _attend(
        self,
        host: str,
        argv: Sequence[str],
        timeout_s: float,
        program: Callable[[], Finished],
        end: Callable[[], None],
        printed: tuple[BoundedOutput, BoundedOutput],
        read: Reader,
        gate: Gate | None,
        signal: Callable[[str], Signalled],
    ) -> Pending:
        """Run a program that nobody here wrote to its end, in a thread of its own; `end` ends it before."""
        future: Future[Call] = Future()
        cancelled = threading.Event()

        def run() -> None:
            try:
                if gate:
                    gate.open.wait()
                if cancelled.is_set():
                    raise LabProblem(f"the call on {host} was cancelled before its program began")
                ran = program()
                made = _guest_call(host, ran, read)
                future.set_result(replace(made, outcome=Outcome.CANCELLED) if cancelled.is_set() else made)
            except BaseException as error:  # it is raised where the call is waited for
                future.set_exception(error)

        def cancel() -> None:
            cancelled.set()
            end()

        thread = threading.Thread(target=run, daemon=True, name=f"guest of {host}")
        self._guests = [(each, end) for each, end in self._guests if each.is_alive()] + [(thread, cancel)]
        thread.start()
        return Pending(host, argv, timeout_s, future, cancel, _HeardOfGuest(*printed), signal)

    @contextlib.contextmanager
    def together(self, meanwhile: Meanwhile = nothing) -> Iterator[Gate]:
        """A gate for `start`: all calls that are given it begin when the `with` block is left, on however many hosts.

        When the block is left by an error, or `meanwhile` raises one (lab/waiting.py), they are cancelled.
        """
        gate = Gate()
        try:
            yield gate
            gate.release(meanwhile)
        except BaseException:
            for pending in gate.pending:
                with contextlib.suppress(LabProblem):
                    pending.cancel()
            gate.open.set()  # for guests, which are cancelled now
            raise
