"""The faults of a script: put in force, healed, and what each caught."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from scenarios.calls.call import Pending
from scenarios.calls.forkserver import WarmRunning
from scenarios.evidence.pauses import Pause
from scenarios.faults.apply import Applied, applied
from scenarios.faults.catch import Caught
from scenarios.faults.clock import Clock
from scenarios.faults.no_route import ANSWER_EVERY_S, ANSWERS_AT_ONCE, NoRoute
from scenarios.faults.programs import PausedCalls
from scenarios.lab.earlier_connections import Connection
from scenarios.lab.errors import DeadlinePassed
from scenarios.lab.process import Running
from scenarios.lab.waiting import wait_for
from scenarios.run.script_run import ScriptRun
from scenarios.spec.fault import Fault
from scenarios.spec.program_faults import Replace
from scenarios.spec.roles import SERVER

HELD_WITHIN_S = 5.0  # for what a fault holds when the script ends, and will let go by itself


class ScriptFaults:
    """The faults of a script, by their names. Each that is applied puts its undo on `stack`."""

    def __init__(self, run: ScriptRun) -> None:
        self.run = run
        self.stack = contextlib.ExitStack()
        self._began_ns: dict[str, int] = {}  # when each came into force
        self.applied: dict[str, Applied] = {}
        self.caught: dict[str, Caught] = {}
        self.pauses: dict[str, list[Pause]] = {}  # that the script itself made
        self.spans: dict[str, list[tuple[int, int]]] = {}  # from when to when each was in force
        self.still_held: dict[str, int] = {}  # at the end of the script
        self.clocks: dict[str, Clock] = {}  # those that are wrong, by the call whose program begins with it
        # what stands in the place of a program, by the program's name; of several for one, the last
        from_the_start = run.drill.from_the_start
        self.replaced = {each.who: each for name, each in self.replacements().items() if name in from_the_start}

    @property
    def all_pauses(self) -> list[Pause]:
        """Those that the script itself made."""
        return [each for made in self.pauses.values() for each in made]

    def replacements(self) -> dict[str, Replace]:
        """The programs of this run that replace another, by the names of their faults."""
        return {each.name: each.replace for each in self.run.faults if each.replace}

    def apply(
        self,
        fault: Fault,
        server: Running | None,
        earlier: Collection[Connection],
        calls: Mapping[str, Sequence[Pending]],
    ) -> None:
        """Put a fault in force. It counts nothing of the `earlier` connections; `calls` are those that run."""
        run = self.run
        if fault.replace:
            self.replaced[fault.replace.who] = fault.replace  # it is there from the start, or from a restart on
            run.in_force.append(fault.name)
            run.tell(f"{fault.name} is in force")
            return
        if fault.pause and fault.pause.who == SERVER:
            pid = server.pid if isinstance(server, WarmRunning) else None
            self.pauses[fault.name] = [Pause(run.cast.server.name, pid, time.time_ns())]
        if fault.no_route:  # it would wait for this itself, and hear no interrupt
            what, within_s = "the firewall to answer five at once again", ANSWERS_AT_ONCE * ANSWER_EVERY_S + 1
            lab, look = run.stage.lab, run.stage.check_interrupted
            wait_for(lambda: not NoRoute.again_full_in_s(lab), what, within_s, meanwhile=look)
        began_ns = time.time_ns()
        made: Applied
        if fault.clock:
            host = run.cast.host(run.drill.calls[fault.clock.who].from_)
            made = self.clocks[fault.clock.who] = Clock(run.stage.lab, fault.name, host, fault.clock.faketime)
        else:
            made = applied(
                fault, run.stage.lab, run.stage.injector, run.cast, run.cell.seed, server, self.applied, earlier, calls
            )
        self.applied[fault.name] = made
        if isinstance(made, PausedCalls):
            self.pauses[fault.name] = [Pause(host, pid, began_ns) for host, pid in made.pids]
        self.stack.callback(self.applied[fault.name].end)
        self._began_ns[fault.name] = time.time_ns()
        run.in_force.append(fault.name)
        run.note(f"{fault.name} is in force")

    def heal(self, name: str) -> None:
        """End a fault; what it caught is kept. A fault whose program replaced another is not healed."""
        self._end_span(name)
        if name in self.applied:
            made = self.applied.pop(name)
            self.caught[name] = made.end()
            for who in [who for who, clock in self.clocks.items() if clock is made]:
                del self.clocks[who]
            self._note_end(name)
        if name in self.pauses:
            self.pauses[name] = [replace(each, ended_ns=time.time_ns()) for each in self.pauses[name]]

    def _note_end(self, name: str) -> None:
        self.run.in_force = [each for each in self.run.in_force if each != name]
        self.run.tell(f"{name} is undone")

    def _end_span(self, name: str) -> None:
        if name in self._began_ns:
            self.spans.setdefault(name, []).append((self._began_ns.pop(name), time.time_ns()))

    def let_go(self) -> None:
        """Wait for what the faults hold and will let go by themselves: it belongs into the captures."""

        def nothing_held() -> bool:
            self.run.stage.check_interrupted()
            held = {name: made.count_held() for name, made in self.applied.items()}
            self.still_held = {name: count for name, count in held.items() if count}
            return not self.still_held

        with contextlib.suppress(DeadlinePassed):  # the verdict says what it was
            wait_for(nothing_held, "the faults to let go what they hold", HELD_WITHIN_S, every_s=0.02)

    def count(self) -> None:
        """Note what each fault in force has caught, and that the script is over for it."""
        for name in list(self._began_ns):
            self._end_span(name)
        self.caught |= {name: made.read_hits() for name, made in self.applied.items()}

    def rescue(self) -> None:
        """Note what each fault in force has caught, as far as it can still tell."""
        for name, made in self.applied.items():
            with contextlib.suppress(Exception):
                self.caught.setdefault(name, made.read_hits())

    def end(self) -> None:
        """Undo those in force, of which `count` has noted what they caught."""
        for name, made in self.applied.items():
            made.end(self.caught[name])
            self._note_end(name)

    def count_proofs(self, logs: Mapping[str, Sequence[str]]) -> None:
        """Count, for each program that replaced another, the lines that prove it."""
        for name, replacement in self.replacements().items():
            lines = [line for line in logs.get(replacement.who, ()) if re.search(replacement.proof, line)]
            self.caught[name] = Caught(len(lines), details=tuple(lines))
