"""Perform a drill's script in a lab, once, with its faults or without; the result is evidence, not yet judged.

This is the order of things. The parts that do them share a `ScriptRun`: servers, client calls, faults, recording,
settling. Whatever the script changes is undone on every way out: each step puts its undo on a stack as it is done.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping
from typing import get_args

from scenarios.evidence.record import Beside, Patience, Seen, Socket
from scenarios.evidence.stalls import Stalls
from scenarios.evidence.starts import starts_s
from scenarios.faults import Unsupported
from scenarios.lab.errors import DeadlinePassed, LabProblem
from scenarios.lab.waiting import wait_for
from scenarios.run.client_calls import ClientCalls
from scenarios.run.counting import Counting
from scenarios.run.other_clients import Others
from scenarios.run.recording import Recording
from scenarios.run.script_faults import ScriptFaults
from scenarios.run.script_run import ScriptRun
from scenarios.run.servers import Servers
from scenarios.run.session import Interrupted, Stage
from scenarios.run.settling import Settling
from scenarios.spec import roles as spec_roles
from scenarios.spec import steps
from scenarios.spec.cell import Cell
from scenarios.spec.program_ends import Side, cpu_of
from scenarios.spec.units import Seconds

ENDS: tuple[spec_roles.Role, ...] = ("client", "server")
LOOKS_EVERY_S = 0.05  # for what a step waits until: each look is a command on a machine


class BrokeOff(Exception):
    """A script did not come to its end, because of `problem`; `seen` is what had been seen by then, for a person."""

    def __init__(self, problem: Exception, seen: Seen) -> None:
        super().__init__(str(problem))
        self.problem, self.seen = problem, seen


def perform(stage: Stage, cell: Cell, *, armed: bool, control: Seen | None = None) -> Seen:
    """Run the script, and read its captures. Raise BrokeOff when it does not come to its end; Unsupported.

    Each call has its time from its first packet on, as far as the start of its program in the `control` tells.
    """
    return Performance(stage, cell, armed, control).perform()


def perform_beside(stage: Stage, cell: Cell, control: Seen) -> Beside:
    """Run the script with its faults, uncaptured, while another client calls. Raise LabProblem as `perform`.

    The other client has the patience that the control shows it needs.
    """
    return Performance(stage, cell, armed=True).perform_beside(Patience.shown_by(control))


class Performance:
    """One run of a script: which part does what, and when."""

    def __init__(self, stage: Stage, cell: Cell, armed: bool, control: Seen | None = None) -> None:
        self.run = ScriptRun(stage, cell, armed=armed)
        self.stage, self.script = stage, cell.drill.script
        self.faults = ScriptFaults(self.run)
        self.servers = Servers(self.run, self.faults.replaced)
        starts = starts_s(control, cell.drill) if control else {}
        self.calls = ClientCalls(self.run, self.faults.replaced, self.faults.clocks, starts)
        self.recording = Recording(self.run)
        self.settling = Settling(self.run)
        self.counting = Counting(self.run)
        self.looks: dict[str, tuple[Socket, ...]] = {}
        self.looked: dict[str, tuple[int, int]] = {}  # from when to when each look was

    def perform(self) -> Seen:
        """Run the script. Raise BrokeOff, with what had been seen by then, when it does not come to its end."""
        try:
            self._perform_captured()
        except (Interrupted, Unsupported):
            raise
        except Exception as problem:
            self.run.note(f"broke off: {problem}")
            self._gather()
            raise BrokeOff(problem, self._collect_evidence()) from problem
        return self._collect_evidence()

    def _perform_captured(self) -> None:
        timed = self.run.timed
        with contextlib.ExitStack() as stack:
            stack.callback(self.servers.close)
            with timed("settling"):
                self.settling.set_earlier_aside()
                self.settling.keep_from_nobody(stack)
            with timed("looks"):
                self.settling.remember_connections()
            with timed("servers"):
                self.servers.start()
            with timed("looks"):
                self.counting.begin()
            self.recording.begin(stack)
            stack.callback(self.calls.give_up)
            stack.enter_context(self.faults.stack)
            self.stage.disturbed |= self.run.armed
            try:
                self.play()
                with timed("settling"):
                    self.settling.settle(self.servers.current)
                    self.faults.let_go()
                with timed("looks"):
                    self.counting.end()
                # The captures end before the faults do: what comes through afterwards is not what the script was about.
                with timed("faults"):
                    self.faults.count()
                self.recording.end(self.faults.all_pauses)
                self.stage.lab.check_machines()
            except Exception:
                self._rescue()
                raise
            with timed("faults"):
                self.faults.end()
        self.servers.collect_logs()
        self.recording.decode()
        self.faults.count_proofs(self._logs)

    def _rescue(self) -> None:
        """Keep what the faults and the captures hold, as far as they can still tell: the script is breaking off."""
        if self.stage.interrupted():
            return  # nothing of it is kept
        self.faults.rescue()
        try:
            self.recording.end(self.faults.all_pauses)
        except Exception as problem:
            self.run.note(f"the captures are lost: {problem}")

    def _gather(self) -> None:
        """After a script that broke off, collect what else there is: what programs printed, and the packets."""
        self.calls.collect_given_up()
        self.servers.collect_logs()
        self.servers.collect_unheard()
        try:
            self.recording.decode()
        except Exception as problem:
            self.run.note(f"the captures could not be decoded: {problem}")

    @property
    def _logs(self) -> dict[str, list[str]]:
        """What each program has printed, by the name of a call or the role of a server."""
        return {**self.servers.logs, **self.calls.logs}

    def _conditions(self) -> dict[spec_roles.Role, Mapping[str, str]]:
        """What each end's kernel is set to; without those that cannot be asked any more."""
        found: dict[spec_roles.Role, Mapping[str, str]] = {}
        for role in ENDS:
            try:
                found[role] = self.stage.settings(self.run.cast.host(role))
            except LabProblem as problem:
                self.run.note(f"the settings of the {role} could not be read: {problem}")
        return found

    def _collect_evidence(self) -> Seen:
        roles: tuple[spec_roles.Role, ...] = get_args(spec_roles.Role)
        cast, recording = self.run.cast, self.recording
        hosts = self.stage.lab.topology.places.values()
        return Seen(
            armed=self.run.armed,
            port=self.run.cell.chosen.port,
            addresses={role: found for role in roles if (found := cast.addresses(role))},
            byteorders=cast.byteorders,
            cpus={side: cpu_of(self.run.cell.end(side)) for side in get_args(Side)},
            may_differ=self.run.cell.chosen.service.may_differ,
            service=self.run.cell.chosen.name,
            connects_again=self.run.cell.chosen.client.connects == "again",
            client_side=cast.client_side,
            backend_side=cast.backend_side,
            calls=self.calls.ended,
            caught=self.faults.caught,
            looks=self.looks,
            logs=self._logs,
            captures=recording.captures,
            frames=recording.frames,
            made_under=self._conditions(),
            held=self.faults.still_held,
            events=self.run.events,
            timings_s=self.run.timings_s,
            stalls=recording.stalls
            or Stalls(unseen=("the stalls: the script broke off before its captures were ended",)),
            machines={address: each.name for each in hosts for address in each.addresses},
            look_times_ns=self.looked,
            captured_until_ns=recording.captured_until_ns,
            waiting=self.calls.waiting,
            spans={**self.faults.spans, **self.calls.spans},
            counters=self.counting.risen,
        )

    def perform_beside(self, patience: Patience) -> Beside:
        """The script with its faults, uncaptured, while another client calls; when all is undone, one more call."""
        chosen = self.run.cell.chosen
        plain = chosen.client_name if chosen.client_is_explicit else chosen.service.callers(chosen.server_name)[0]
        within = Seconds(patience.within_s)
        another = steps.Call(name="another", from_="bystander", client=plain, within=within)
        again = steps.Call(name="again", client=plain, within=within)
        if chosen.image is None:
            self.stage.caller.open(*(self.run.cast.host(each.from_).name for each in (another, again)))
        others = self.calls.others = Others(lambda: self.calls.begin(another))
        with contextlib.ExitStack() as stack:
            stack.callback(self.servers.close)
            self.servers.start()
            self.recording.meter(stack)
            stack.callback(self.calls.give_up)
            self.stage.disturbed = True
            with self.faults.stack:
                self.play()
                others.wind_up()
                self.calls.wait_until(lambda: others.is_over, patience.within_s + 20)
            last = self.calls.begin(again)
            self.calls.pending[again.name] = [last]  # so that it is given up where the run is interrupted
            self.calls.wait_until(lambda: last.ended, last.timeout_s + 20)
            afterwards = last.wait()
            return Beside(others.calls, afterwards, patience, self.recording.stop_metering(self.faults.all_pauses))

    def play(self) -> None:
        """Each step of the script, and then the end of what it started."""
        for step in self.script:
            self.stage.check_interrupted()
            if self._is_left_out(step):
                continue
            self.run.note(step.says)
            self.do(step)
        self.calls.finish_all()

    def _is_left_out(self, step: steps.Step) -> bool:
        """What speaks of a fault is not done in the control."""
        if self.run.armed:
            return False
        conditions = {fault.name for fault in self.run.drill.givens}
        of_fault = step.heal or (step.until and step.until.fault)
        return step.fault is not None or (of_fault is not None and of_fault not in conditions)

    def do(self, step: steps.Step) -> None:
        """Do one step of the script."""
        timed = self.run.timed
        if fault := step.fault or step.given:
            with timed("faults"):
                self.faults.apply(fault, self.servers.current, self.settling.earlier, self.calls.pending)
        elif step.heal:
            with timed("faults"):
                self.faults.heal(step.heal)
        elif step.call:
            with timed("calls"):
                self.calls.start(step.call)
                self.calls.finish(step.call.name)
        elif step.start:
            self.calls.start(step.start)
        elif step.await_:
            with timed("calls"):
                self.calls.finish(step.await_)
        elif step.wait is not None:
            with timed("waits"):
                self.calls.wait(float(step.wait))
        elif step.until:
            with timed("waits"):
                self._wait_until(step.until)
        elif step.look:
            began_ns = time.time_ns()
            with timed("looks"):
                self.looks[step.look.name] = self.settling.look(step.look.on)
            self.looked[step.look.name] = began_ns, time.time_ns()
        elif step.restart:
            with timed("servers"):
                self.servers.restart()

    def _wait_until(self, until: steps.Until) -> None:
        """Wait for a condition of the script; that it does not come is noted, and is no error."""

        def come() -> bool:
            self.stage.check_interrupted()
            self.calls.tick()
            if until.fault:
                return self.faults.applied[until.fault].read_hits().hits >= until.hits
            if until.log:
                return any(re.search(until.line, line) for line in self._printed(until.log))
            looked = self.settling.look(until.on or "server")
            found = [each for each in looked if each.has_port(self.run.cell.chosen.port) and each.state == until.state]
            return len(found) >= until.sockets

        try:
            wait_for(come, until.says, float(until.within), LOOKS_EVERY_S)
        except DeadlinePassed as late:
            self.run.note(f"gave up waiting: {late}")

    def _printed(self, who: str) -> list[str]:
        """What a program has printed so far: a server since it was last started, a call each time that it was made."""
        by_server = self.servers.printed(who)
        return self.calls.printed(who) if by_server is None else by_server
