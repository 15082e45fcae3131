"""The clients that a script calls: what each is started with, when it is waited for, and how its calls ended."""

from __future__ import annotations

import contextlib
import functools
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from scenarios.calls import boxes, contract, on_cpus
from scenarios.calls.call import Call, Gate, Pending, Reader
from scenarios.evidence.record import Waiting
from scenarios.evidence.sockets import waiting_sockets
from scenarios.faults import Unsupported
from scenarios.faults.clock import Clock
from scenarios.lab.box import Box
from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabProblem
from scenarios.lab.process import CUT, was_cut
from scenarios.lab.topology import INTERFACE
from scenarios.lab.waiting import wait_for
from scenarios.run.other_clients import Others
from scenarios.run.script_run import ScriptRun
from scenarios.spec import program_ends, roles, steps
from scenarios.spec.program_faults import Replace

CANCELLED_WITHIN_S = 2.0
START_AT_MOST_S = 30.0  # a longer one is no start: a program that waits for something first
LOOKS_BEFORE_S = 0.8  # before the time of a call is over: for an `ss` on a busy machine
LOOKS_EVERY_S = 0.1  # from then on: a program may give up between a look and its end
Look = tuple[float, Sequence[Waiting]]  # the Unix time when it was over, and what it showed


def before_it_was_ended(looks: Sequence[Look], ended: Call) -> Look | None:
    """The last look that was over before the lab did anything to end a call; the first, where that moment is not known.

    The kernel closes the sockets of a program that was ended: a look from then on shows the same as one that gave up.
    """
    if ended.killed_s is None:
        return looks[0] if looks else None
    return next((each for each in reversed(looks) if each[0] < ended.killed_s), None)


class ClientCalls:
    """The calls of a script, by their names. `replaced`: what stands in the place of a program, by its name; `clocks`:
    those that are wrong, by the call whose program begins with it; `starts_s`: how long the program of a call took to
    start in the control, which is no part of its time.
    """

    def __init__(
        self,
        run: ScriptRun,
        replaced: Mapping[str, Replace],
        clocks: Mapping[str, Clock],
        starts_s: Mapping[str, float],
    ) -> None:
        self.run, self.replaced, self.clocks, self.starts_s = run, replaced, clocks, starts_s
        self.ended: dict[str, list[Call]] = {}
        self.pending: dict[str, list[Pending]] = {}
        self.logs: dict[str, list[str]] = {}
        self.waiting: dict[str, Sequence[Waiting]] = {}  # on what a call waits that will not end by itself, it seems
        self.others: Others | None = None  # only where another client calls beside the script
        self.heard = {step.until.log for step in run.drill.script if step.until and step.until.log}

    def argv(self, call: steps.Call) -> list[str]:
        """The command line of a call."""
        chosen = self.run.cell.chosen
        command = chosen.service.clients[call.client].run if call.client else call.run or chosen.client.run
        instead = self.replaced.get(call.name)
        host = self.host_called(call)
        cut = boxes.client_words(instead.run if instead else command, host, chosen.port)
        return cut + shlex.split(call.args if not instead else "")

    def host_called(self, call: steps.Call) -> str:
        """What a call is given as its host: an address, or a name."""
        cast = self.run.cast
        if call.named is not None:
            return cast.host(call.named).name if roles.is_host(call.named) else call.named
        if call.link_local is not None:
            address = cast.host(call.to).link_local
            return f"{address}%{INTERFACE}" if call.link_local == "with-scope" else address
        return cast.address(call.to) if call.to != "firewall" else cast.gateway(call.from_)

    def guest(self, call: steps.Call) -> tuple[Box | None, Reader | None]:
        """What the program of a call is given, and how its end is read; of one of ours, nothing."""
        chosen = self.run.cell.chosen
        name = call.client or chosen.client_name
        if call.run is not None or call.name in self.replaced:
            return None, None
        box = boxes.of_client(chosen.service, name, self.host_called(call), chosen.port, float(call.within))
        cpu = program_ends.cpu_of(self.run.cell.end("client"))
        is_strangers = box or chosen.service.clients[name].in_
        return box, functools.partial(contract.ended, chosen.service.clients[name], cpu=cpu) if is_strangers else None

    def inside(self, call: steps.Call) -> str | None:
        """The service of the composition inside which the program of a call is run; None for any other program."""
        chosen = self.run.cell.chosen
        if call.run is not None or call.name in self.replaced:
            return None
        return chosen.service.clients[call.client or chosen.client_name].in_

    def begin(self, call: steps.Call, gate: Gate | None = None) -> Pending:
        """Have a client called once, and do not wait; with a `gate` it is held there before its connect()."""
        box, read = self.guest(call)
        argv = self.argv(call)
        if box:
            cell = self.run.cell
            chosen = replace(cell.chosen, client_name=call.client or cell.chosen.client_name)
            box, argv = on_cpus.placed(chosen, "client", cell.end("client"), box, argv)
        inside, composition = self.inside(call), self.run.stage.composition
        if clock := self.clocks.get(call.name):
            if box or inside:
                raise Unsupported(
                    f"the clock of {call.name} cannot be changed: its program runs in an image of its own"
                )
            argv = clock.argv_of(argv)
        return self.run.stage.caller.start(
            self.run.cast.host(call.from_).name,
            argv,
            timeout_s=float(call.within) + min(self.starts_s.get(call.name, 0.0), START_AT_MOST_S),
            box=box,
            read=read,
            gate=gate,
            hold="connect" if gate else "start",
            hear=call.name in self.heard,
            inside=composition.container(inside) if inside and composition else "",
        )

    def start(self, call: steps.Call) -> None:
        """Do a step's calls: all at once where they are `together`, else each but the last to its end."""
        if self.others:
            self.others.begin()
        if call.together:
            with self.run.stage.caller.together(self.run.stage.check_interrupted) as gate:
                self.pending[call.name] = [self.begin(call, gate) for _ in range(call.times)]
            return
        for number in range(call.times):
            self.pending[call.name] = [self.begin(call)]
            if number + 1 < call.times:
                self.finish(call.name)

    def finish(self, name: str) -> None:
        """Wait until the calls of this name have ended. Until then they are among those that can be given up."""
        waited_for = self.pending.get(name, [])
        while waited_for:
            pending = waited_for[0]
            looks = self._wait_for(name, pending)
            ended = pending.wait()
            del waited_for[0]
            if last := before_it_was_ended(looks, ended):
                self.waiting[name] = last[1]
            self.keep(name, ended)
            self.run.note(f"{name} ended: {ended.outcome.value}" + (f" ({ended.errno})" if ended.errno else ""))
            if ended.conflict:
                self.run.note(f"{name}: {ended.conflict}")
        self.pending.pop(name, None)

    def _wait_for(self, name: str, pending: Pending) -> list[Look]:
        """Wait for the end of a call. Of one whose time is all but over, look at the sockets of its host until then."""
        step, looks = self.run.drill.calls.get(name), list[Look]()
        looks_at_s = pending.began_s + pending.timeout_s - min(LOOKS_BEFORE_S, pending.timeout_s / 2)
        if self.run.armed and step is not None and not self.others:
            self._wait_for_end(pending, looks_at_s)
            until_s = pending.began_s + pending.timeout_s + 20
            try:
                while not pending.ended and time.monotonic() < until_s:
                    found = waiting_sockets(self.run.stage.lab, self.run.cast.host(step.from_).name)
                    looks.append((time.time(), found))
                    self._wait_for_end(pending, time.monotonic() + LOOKS_EVERY_S)
            except (LabProblem, DeadlinePassed, CommandFailed) as problem:  # then nobody knows what it waits for
                self.run.note(f"the sockets on which {name} waits could not be read: {problem}")
        self.wait_until(lambda: pending.ended, pending.timeout_s + 20)
        return looks

    def _wait_for_end(self, pending: Pending, until_s: float) -> None:
        """Wait until a call has ended, or until this moment of CLOCK_MONOTONIC."""
        soon_s = max(0.0, until_s - time.monotonic())
        self.wait_until(lambda: pending.ended or time.monotonic() >= until_s, soon_s + 1)

    def finish_all(self) -> None:
        """Wait until all calls have ended."""
        for name in list(self.pending):
            self.finish(name)

    def keep(self, name: str, ended: Call) -> None:
        """Keep how a call ended, and what it printed."""
        self.ended.setdefault(name, []).append(ended)
        log = self.logs.setdefault(name, [])
        log.extend((ended.stdout + ended.stderr).splitlines())
        if ended.dropped_bytes and not was_cut(log):
            log.append(f"[{CUT}: {ended.dropped_bytes:,} bytes are missing]")

    def give_up(self) -> None:
        """Cancel the calls that have not ended."""
        if self.others:
            self.others.give_up()
        for calls in self.pending.values():
            for pending in calls:
                with contextlib.suppress(LabProblem):
                    pending.cancel()

    def collect_given_up(self) -> None:
        """Keep what the cancelled calls printed."""
        unfinished = [each for pending in self.pending.values() for each in pending]
        with contextlib.suppress(DeadlinePassed):
            wait_for(lambda: all(each.ended for each in unfinished), "the end of the calls", CANCELLED_WITHIN_S)
        for name, pending in self.pending.items():
            for each in pending:
                if each.ended:
                    with contextlib.suppress(Exception):
                        self.keep(name, each.wait())

    @property
    def spans(self) -> dict[str, list[tuple[int, int]]]:
        """From when to when each of them ran, by their names: nanoseconds since the epoch."""
        found: dict[str, list[tuple[int, int]]] = {}
        for name, made in self.ended.items():
            for call in made:
                if call.started_s is not None and call.duration_s is not None:
                    began_ns = round(call.started_s * 1e9)
                    found.setdefault(name, []).append((began_ns, began_ns + round(call.duration_s * 1e9)))
        return found

    def printed(self, who: str) -> list[str]:
        """What the calls of this name have printed so far."""
        running = [line for pending in self.pending.get(who, ()) for line in pending.heard.lines]
        return [*self.logs.get(who, ()), *running]

    def wait(self, seconds: float) -> None:
        """Wait for so long, or until the run is interrupted."""
        until_s = time.monotonic() + seconds
        self.wait_until(lambda: time.monotonic() >= until_s, seconds + 1)

    def wait_until(self, over: Callable[[], bool], within_s: float) -> None:
        """Wait for it, or until the run is interrupted; the other client goes on calling meanwhile."""

        def is_over() -> bool:
            self.tick()
            return self.run.stage.interrupted() or over()

        wait_for(is_over, "the end of the step", within_s, every_s=0.005)
        self.run.stage.check_interrupted()

    def tick(self) -> None:
        """Let the other client begin its next call, if it is time."""
        if self.others:
            self.others.tick()
