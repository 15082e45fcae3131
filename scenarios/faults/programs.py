"""Signals to programs: to the server's, which is a Running, and to those of calls. Each fault is an `Applied`.

A pause ends with the fault. A signal that is sent again and again is sent by a thread, which ends with it too.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence

from scenarios.calls.call import Pending
from scenarios.calls.forkserver import WarmRunning
from scenarios.faults.catch import Caught
from scenarios.lab.errors import DeadlinePassed, LabProblem
from scenarios.lab.guest import Guest
from scenarios.lab.lab import Lab
from scenarios.lab.process import Running
from scenarios.lab.topology import Host
from scenarios.lab.waiting import wait_for

ENDS_WITHIN_S = 2.0


def calls_that_run(fault: str, who: str, calls: Mapping[str, Sequence[Pending]]) -> Sequence[Pending]:
    """The calls of this name. Raises LabProblem where there are none."""
    if not calls.get(who):
        raise LabProblem(f"{fault}: the call {who} does not run any more")
    return calls[who]


class _OfProgram:
    """What is done to a program holds no packets."""

    _caught: Caught

    def count_held(self) -> int:
        return 0

    def read_hits(self) -> Caught:
        return self._caught

    def end(self, known: Caught | None = None) -> Caught:
        return known or self._caught


def _runs(program: Running) -> bool:
    """Whether there is a program that a signal can reach."""
    return not program.ended and (not isinstance(program, Guest) or program.is_running)


class Killed(_OfProgram):
    """A program that was ended by a signal. Of one that had ended before, there is nothing to hit."""

    def __init__(self, program: Running, signal: str) -> None:
        if not _runs(program):
            self._caught = Caught(0, details=("it had ended before",))
            return
        program.signal(signal)
        with contextlib.suppress(DeadlinePassed):
            wait_for(lambda: program.ended, "the program to end", ENDS_WITHIN_S, every_s=0.005)
        self._caught = Caught(int(program.ended), details=(f"SIG{signal}",))


class KilledCalls(_OfProgram):
    """Calls that were ended by a signal."""

    def __init__(self, calls: Sequence[Pending], signal: str) -> None:
        reached = [each for each in calls if each.signal(signal).sent]
        with contextlib.suppress(DeadlinePassed):
            wait_for(lambda: all(each.ended for each in reached), "the calls to end", ENDS_WITHIN_S, every_s=0.005)
        self._caught = Caught(sum(each.ended for each in reached), details=(f"SIG{signal}",))


def _state(lab: Lab, host: str, pid: int) -> str:
    """The state of a process, one letter (proc_pid_stat(5)); empty where there is none."""
    stat = lab.run(host, ["cat", f"/proc/{pid}/stat"], timeout_s=ENDS_WITHIN_S).stdout
    return "".join(stat.rpartition(")")[2].split()[:1])


def _comes_to_stop(lab: Lab, host: str, pid: int) -> str:
    """The state of a process that was sent SIGSTOP: to be stopped it must get the processor once more."""
    found = ""

    def is_stopped() -> bool:
        nonlocal found
        found = _state(lab, host, pid)
        return found == "T"

    with contextlib.suppress(DeadlinePassed):
        wait_for(is_stopped, "the program to be stopped", ENDS_WITHIN_S)
    return found


class Paused(_OfProgram):
    """A program that is stopped, and goes on at the end."""

    def __init__(self, lab: Lab, host: Host, program: WarmRunning | Guest) -> None:
        self._program, self._over = program, False
        program.signal("STOP")
        if isinstance(program, Guest):
            self._caught = Caught(int(program.is_paused), details=("paused by the engine",))
            return
        found = _comes_to_stop(lab, host.name, program.pid)
        self._caught = Caught(int(found == "T"), details=(f"SIGSTOP: state {found}",))

    def end(self, known: Caught | None = None) -> Caught:
        if not self._over:
            self._over = True
            self._program.signal("CONT")
        return known or self._caught


class PausedCalls(_OfProgram):
    """Calls whose programs are stopped, and go on at the end. `pids` are theirs, by host; None is a guest."""

    def __init__(self, lab: Lab, calls: Sequence[Pending]) -> None:
        self._calls, self._over = calls, False
        sent = [(each, each.signal("STOP")) for each in calls]
        self.pids: list[tuple[str, int | None]] = [(each.host, told.pid) for each, told in sent if told.sent]
        found = ["T" if pid is None else _comes_to_stop(lab, host, pid) for host, pid in self.pids]
        self._caught = Caught(found.count("T"), details=tuple(f"SIGSTOP: state {each}" for each in found))

    def end(self, known: Caught | None = None) -> Caught:
        if not self._over:
            self._over = True
            for each in self._calls:
                each.signal("CONT")
        return known or self._caught


class Signalled(_OfProgram):
    """Programs that get a signal, the first before this returns. One that has ended gets no more."""

    def __init__(
        self, programs: Sequence[Pending | WarmRunning | Guest], signal: str, times: int, every_s: float
    ) -> None:
        self._programs, self._signal = programs, signal
        self._caught = Caught(0)
        self._over, self._problem = threading.Event(), ""
        self._send()
        self._thread = threading.Thread(target=self._go_on, args=(times - 1, every_s), daemon=True)
        self._thread.start()

    def _send(self) -> None:
        sent = 0
        for each in self._programs:
            if isinstance(each, Pending):
                sent += each.signal(self._signal).sent
            elif _runs(each):
                each.signal(self._signal)
                sent += 1
        self._caught = Caught(self._caught.hits + sent, details=(f"SIG{self._signal}",))

    def _go_on(self, times: int, every_s: float) -> None:
        try:
            for _ in range(times):
                if self._over.wait(every_s):
                    return
                self._send()
        except LabProblem as problem:
            self._problem = str(problem)

    def read_hits(self) -> Caught:
        return Caught(self._caught.hits, self._problem, self._caught.details)

    def end(self, known: Caught | None = None) -> Caught:
        self._over.set()
        self._thread.join()
        return known or self.read_hits()
