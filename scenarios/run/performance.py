"""Performing a drill's script in a lab, once, with its faults or without; what came of it is evidence, unjudged.

Whatever the script changes is undone on every way out: each step puts its undo on a stack as it is done.
"""

from __future__ import annotations

import contextlib
import functools
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import get_args

from scenarios.calls import contract, port_holders
from scenarios.calls.call import Call, Gate, Pending, Reader
from scenarios.calls.resident import WarmRunning
from scenarios.calls.serving import wait_for_socket
from scenarios.evidence import sockets
from scenarios.evidence.capture import Capture
from scenarios.evidence.frame import Frame
from scenarios.evidence.nat_frames import with_true_ends
from scenarios.evidence.record import SERVED_WITHIN_S, Beside, Event, LegCapture, Seen, Socket
from scenarios.evidence.stalls import Pause, Stalls
from scenarios.evidence.tshark_fields import KEPT
from scenarios.faults import Unsupported
from scenarios.faults.apply import Applied, applied, make_ready
from scenarios.faults.caught import Caught
from scenarios.lab.earlier_connections import TABLES, Connection, connections
from scenarios.lab.errors import DeadlinePassed, LabProblem
from scenarios.lab.process import CUT, Running, was_cut
from scenarios.lab.topology import Family
from scenarios.lab.waiting import wait_for
from scenarios.run.other_clients import Others
from scenarios.run.session import Happened, Interrupted, Stage
from scenarios.spec import roles as spec_roles
from scenarios.spec import steps
from scenarios.spec.cast import Cast
from scenarios.spec.cell import Cell
from scenarios.spec.fault import Fault
from scenarios.spec.outcome import Outcome
from scenarios.spec.program_faults import Replace
from scenarios.spec.service_programs import words
from scenarios.spec.units import Seconds
from scenarios.spec.validate import SERVICE_PLACE

SETTLES_WITHIN_S = 0.5
CANCELLED_WITHIN_S = 2.0
HELD_WITHIN_S = 5.0  # for what a fault holds when the script ends, and will let go by itself
ENDS: tuple[spec_roles.Role, ...] = ("client", "server")
HOSTS: tuple[spec_roles.Role, ...] = ("client", "bystander", "server", "other-server", "names", "web")
CLOSE_WAIT = "08"  # as /proc/net/tcp has it: the peer's FIN has come, and the program has not closed


class BrokeOff(Exception):
    """A script did not come to its end, because of `problem`; `seen` is what had been seen by then, for a person."""

    def __init__(self, problem: Exception, seen: Seen) -> None:
        super().__init__(str(problem))
        self.problem, self.seen = problem, seen


def perform(stage: Stage, cell: Cell, *, armed: bool) -> Seen:
    """Run the script, and read its captures. Raise BrokeOff when it does not come to its end; Unsupported."""
    performance = _Performance(stage, cell, armed)
    return performance.run()


def perform_beside(stage: Stage, cell: Cell) -> Beside:
    """Run the script with its faults, uncaptured, while another client calls. Raises LabProblem as `perform`."""
    return _Performance(stage, cell, armed=True).run_beside()


class _Performance:
    def __init__(self, stage: Stage, cell: Cell, armed: bool) -> None:
        self.stage, self.cell, self.drill, self.armed = stage, cell, cell.drill, armed
        self.cast = Cast(stage.lab.topology, cell.pair, cell.drill.family, cell.chosen.server.runs_on)
        self.calls: dict[str, list[Call]] = {}
        self.pending: dict[str, list[Pending]] = {}
        self.faults: dict[str, Applied] = {}
        self.in_force: list[str] = []  # by name, with those that stand in a program's place
        self.caught: dict[str, Caught] = {}
        self.looks: dict[str, tuple[Socket, ...]] = {}
        self.logs: dict[str, list[str]] = {spec_roles.SERVER: []}
        self.events: list[Event] = []
        self.timings_s: dict[str, float] = {}
        self.captures: Mapping[str, LegCapture] = {}
        self.frames: Mapping[str, list[Frame]] = {}
        self.started: dict[spec_roles.Role, Running] = {}  # the programs of the server's side, listening or not
        self.servers: contextlib.ExitStack = contextlib.ExitStack()
        self.server: Running | None = None  # on the server's role; others may run beside it
        self.beside: dict[spec_roles.Role, Running] = {}
        self.others: Others | None = None  # only in run_beside
        self.pauses: dict[str, Pause] = {}  # that the script itself made, by the names of their faults
        self.looked: dict[str, tuple[int, int]] = {}  # from when to when each look was
        self.stalls: Stalls | None = None  # those of the script, from when the metering has ended
        self.captured_until_ns = 0
        self.before: dict[
            spec_roles.Role, set[tuple[str, str]]
        ] = {}  # the connections that earlier scripts left behind
        self.left: set[Connection] = set()  # the same, as the kernels of all roles have them: no fault counts theirs
        self.heard = {step.until.log for step in cell.drill.script if step.until and step.until.log}
        self.still_held: dict[str, int] = {}  # by the name of a fault, at the end of the script
        # what stands in the place of a program, by the program's name; of several for one, the last
        from_the_start = cell.drill.from_the_start
        self.replaced = {each.who: each for name, each in self.replacements().items() if name in from_the_start}

    def replacements(self) -> dict[str, Replace]:
        """Those of this run, by the names of their faults."""
        in_force = self.drill.faults if self.armed else self.drill.givens
        return {each.name: each.replace for each in in_force if each.replace}

    @contextlib.contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        began_s = time.monotonic()
        try:
            yield
        finally:
            self.timings_s[phase] = self.timings_s.get(phase, 0.0) + time.monotonic() - began_s

    def note(self, what: str) -> None:
        self.events.append(Event(time.time_ns(), what))
        self.tell(what)

    def tell(self, what: str) -> None:
        """Tell whoever follows the run, which is no evidence."""
        self.stage.happened(Happened(self.cell.title, self.armed, time.time_ns(), what, tuple(self.in_force)))

    def run(self) -> Seen:
        """Run the script. Raise BrokeOff, with what had been seen by then, when it does not come to its end."""
        try:
            self.run_captured()
        except (Interrupted, Unsupported):
            raise
        except Exception as problem:
            self.note(f"broke off: {problem}")
            self.gather()
            raise BrokeOff(problem, self.seen()) from problem
        return self.seen()

    def run_captured(self) -> None:
        marks = self.drill.filters
        self.stage.dissector.prepare(KEPT, marks)
        with contextlib.ExitStack() as stack:
            stack.callback(self.servers.close)
            with self.timed("settling"):
                self.set_earlier_aside()
            with self.timed("looks"):
                self.remember_connections()
            with self.timed("servers"):
                self.start_servers()
            self.stage.metering.begin(with_guests=self.with_guests)
            stack.callback(self.stage.metering.give_up)
            with self.timed("capture"):
                capture = stack.enter_context(self.stage.capturing.capture())
            with self.timed("metering"):
                self.stage.metering.wait()
            stack.callback(self.give_up_calls)
            self.stack = stack.enter_context(contextlib.ExitStack())
            self.stage.disturbed |= self.armed
            try:
                self.play()
                with self.timed("settling"):
                    self.settle()
                    self.let_go()
                # The captures end before the faults do: what comes through afterwards is not what the script was about.
                with self.timed("faults"):
                    self.caught |= {name: made.caught() for name, made in self.faults.items()}
                self.end_captures(capture)
                self.stage.lab.check_machines()
            except Exception:
                self.rescue(capture)
                raise
            with self.timed("faults"):
                for name, made in self.faults.items():
                    made.end(self.caught[name])
                    self.is_over(name)
        self.collect_logs()
        self.decode()
        for name, replacement in self.replacements().items():
            self.count_proof(name, replacement)

    @property
    def with_guests(self) -> bool:
        """Whether programs of other images may run."""
        return self.cell.chosen.service.image is not None

    def end_captures(self, capture: Capture) -> None:
        """End the captures, and what notes the stalls beside them."""
        if self.stalls is not None:  # both were ended, and the script breaks off after it
            return
        self.captured_until_ns = time.time_ns()
        self.stage.metering.stop(with_guests=self.with_guests)
        try:
            with self.timed("capture"):
                self.captures = capture.stop()
        finally:
            with self.timed("metering"):
                self.stalls = self.stage.metering.end([*self.pauses.values()], self.in_play())

    def rescue(self, capture: Capture) -> None:
        """Keep what the faults and the captures hold, as far as they can still tell: the script is breaking off."""
        if self.stage.interrupted():
            return  # nothing of it is kept
        for name, made in self.faults.items():
            with contextlib.suppress(Exception):
                self.caught.setdefault(name, made.caught())
        try:
            self.end_captures(capture)
        except Exception as problem:
            self.note(f"the captures are lost: {problem}")

    def gather(self) -> None:
        """After a script that broke off, collect what else there is: what programs printed, and the packets."""
        with contextlib.suppress(DeadlinePassed):  # they have been cancelled, and tell what they printed
            wait_for(lambda: all(each.ended for each in self.left_calls()), "the end of the calls", CANCELLED_WITHIN_S)
        for name, pending in self.pending.items():
            for each in pending:
                if each.ended:
                    with contextlib.suppress(Exception):
                        self.keep(name, each.wait())
        self.collect_logs()
        for role, program in self.started.items():
            if not self.logs.get(role):  # it had not come to listen
                self.logs[role] = list(program.lines)
        try:
            self.decode()
        except Exception as problem:
            self.note(f"the captures could not be decoded: {problem}")

    def left_calls(self) -> list[Pending]:
        return [each for pending in self.pending.values() for each in pending]

    def collect_logs(self) -> None:
        self.collect_server_log()
        for role, program in self.beside.items():
            self.logs[role] = list(program.lines)

    def decode(self) -> None:
        with self.timed("decode"), ThreadPoolExecutor() as pool:
            read = pool.map(
                lambda leg: self.stage.dissector.frames(leg.pcapng, KEPT, self.drill.filters), self.captures.values()
            )
            self.frames = self.of_this_run(self.behind_nat(dict(zip(self.captures, read, strict=True))))

    def conditions(self) -> dict[spec_roles.Role, Mapping[str, str]]:
        """What each end's kernel is set to; without those that cannot be asked any more."""
        found: dict[spec_roles.Role, Mapping[str, str]] = {}
        for role in ENDS:
            try:
                found[role] = self.stage.settings(self.cast.host(role))
            except LabProblem as problem:
                self.note(f"the settings of the {role} are not known: {problem}")
        return found

    def seen(self) -> Seen:
        roles: tuple[spec_roles.Role, ...] = get_args(spec_roles.Role)
        hosts = self.stage.lab.topology.places.values()
        return Seen(
            armed=self.armed,
            port=self.cell.chosen.port,
            addresses={role: self.cast.addresses(role) for role in roles},
            byteorders=self.cast.byteorders,
            client_side=self.cast.client_side,
            calls=self.calls,
            caught=self.caught,
            looks=self.looks,
            logs=self.logs,
            captures=self.captures,
            frames=self.frames,
            made_under=self.conditions(),
            held=self.still_held,
            events=self.events,
            timings_s=self.timings_s,
            stalls=self.stalls or Stalls(unseen=("the stalls: the script broke off before its captures were ended",)),
            machines={address: each.name for each in hosts for address in (each.ipv4, each.ipv6)},
            look_times_ns=self.looked,
            captured_until_ns=self.captured_until_ns,
        )

    def in_play(self) -> set[str]:
        """The machines on which the script rests."""
        calls = [step.call or step.start for step in self.drill.script if step.call or step.start]
        roles: set[spec_roles.Role] = {"client", "server", "names", *self.drill.server.on}
        roles |= {each.from_ for each in calls if each}
        roles |= {each.to for each in calls if each and spec_roles.is_host(each.to)}
        return {"firewall", *(self.cast.host(role).name for role in roles)}

    def play(self) -> None:
        """Each step of the script, and then the end of what it started."""
        for step in self.drill.script:
            self.stage.check_interrupted()
            if self.is_left_out(step):
                continue
            self.note(step.says)
            self.do(step)
        for name in list(self.pending):
            self.finish(name)

    def run_beside(self) -> Beside:
        """The script with its faults, uncaptured, while another client calls; when all is undone, one more call."""
        service = self.cell.chosen.service
        plain = service.callers(self.cell.chosen.server_name)[0]
        within = Seconds(SERVED_WITHIN_S)
        another = steps.Call(name="another", from_="bystander", client=plain, within=within)
        again = steps.Call(name="again", client=plain, within=within)
        if self.cell.chosen.image is None:
            self.stage.caller.open(*(self.cast.host(each.from_).name for each in (another, again)))
        others = self.others = Others(lambda: self.begin(another))
        with contextlib.ExitStack() as stack:
            stack.callback(self.servers.close)
            self.start_servers()
            stack.callback(self.give_up_calls)
            self.stage.disturbed = True
            with contextlib.ExitStack() as self.stack:
                self.play()
                others.wind_up()
                self.wait_until(lambda: others.is_over, SERVED_WITHIN_S + 20)
            return Beside(others.calls, self.begin(again).wait())

    def behind_nat(self, frames: dict[str, list[Frame]]) -> dict[str, list[Frame]]:
        """The frames, with who is behind the firewall's own address where it stands for somebody else."""
        if not any(fault.nat for fault in self.drill.faults):
            return frames
        nat = [each for each in (self.cast.translated("client", family) for family in get_args(Family)) if each]
        return {**frames, "server-leg": with_true_ends(frames["client-leg"], frames["server-leg"], nat)}

    def of_this_run(self, frames: Mapping[str, list[Frame]]) -> dict[str, list[Frame]]:
        """The frames without what the connections of earlier scripts still send."""
        kept = self.stage.flows.of_script(frames)
        for leg, of_leg in frames.items():
            if left_out := len(of_leg) - len(kept[leg]):
                self.note(f"left out: {left_out} frames of earlier connections on the {leg}")
        return kept

    def set_earlier_aside(self) -> None:
        """Note which connections there are before the script begins: what they still send is no hit of its faults.

        An end that no program has any more sends for minutes what nobody acknowledges (tcp(7), tcp_orphan_retries).
        """
        faults = self.drill.faults if self.armed else self.drill.givens
        make_ready(self.stage.lab, faults)
        if not self.stage.disturbed or not faults:
            return
        roles = {"client", "server", *(role for fault in faults for role in fault.roles)} & {*HOSTS}
        hosts = {self.cast.host(role).name for role in roles}
        topology, reading = self.stage.lab.topology, ["cat", *TABLES]
        asked = [self.stage.caller.start(host, reading, timeout_s=5) for host in hosts if host in topology.hosts]
        answered = [each.wait() for each in asked]
        if wrong := [each for each in answered if each.outcome is not Outcome.ANSWERED]:
            raise LabProblem(f"the earlier connections could not be read: {wrong[0].outcome.value}: {wrong[0].stderr}")
        printed = [each.stdout for each in answered]
        for host in hosts & {*topology.standing}:  # which serve by themselves, and have no resident
            printed.append(self.stage.lab.run(host, reading, timeout_s=5).stdout)
        self.left = {each for tables in printed for each in connections(tables)}
        self.stage.disturbed = bool(self.left)
        if self.left:
            self.note(f"set aside: {len(self.left)} connections that were there before")

    def let_go(self) -> None:
        """Wait for what the faults hold and will let go by themselves: it belongs into the captures."""

        def nothing_held() -> bool:
            self.stage.check_interrupted()
            held = {name: made.held() for name, made in self.faults.items()}
            self.still_held = {name: count for name, count in held.items() if count}
            return not self.still_held

        with contextlib.suppress(DeadlinePassed):  # the verdict says what it was
            wait_for(nothing_held, "the faults to let go what they hold", HELD_WITHIN_S, every_s=0.02)

    def tcp_table(self, host: str) -> str:
        """/proc/net/tcp of a host, read by its resident: ss(8) would take an exec of its own, ten times as long."""
        return self.stage.caller.call(host, ["cat", "/proc/net/tcp", "/proc/net/tcp6"], timeout_s=5).stdout

    # The program of the server's side

    def start_servers(self) -> None:
        if self.cell.chosen.server.run is None:
            return  # it always runs
        for role in self.drill.server.on:
            host = self.cast.host(role).name
            if self.cell.chosen.server.ready is None:
                port_holders.check_free(self.stage.lab, host, self.cell.chosen)  # else that one would be taken for ours
            try:
                program = self.start_server(role)
            except LabProblem as problem:
                if role in self.started:
                    self.started[role].stop()  # so that it is not found itself
                raise port_holders.explained(self.stage.lab, host, self.cell.chosen, problem) from problem
            if role == spec_roles.SERVER:
                self.server = program
            else:
                self.beside[role] = program

    def start_server(self, role: spec_roles.Role) -> Running:
        chosen, host = self.cell.chosen, self.cast.host(role)
        instead = self.replaced.get(spec_roles.SERVER) if role == spec_roles.SERVER else None
        assert chosen.server.run is not None  # noqa: S101 (start_servers asks)
        image = chosen.service.image if instead is None or SERVICE_PLACE in instead.run else None
        address = contract.all_interfaces(chosen.service) if image else ""
        if self.drill.server.bind == "address":
            address = self.cast.address(role)
        command = instead.run.replace(SERVICE_PLACE, chosen.server.run) if instead else chosen.server.run
        argv = words(command, bind=address, host=address, port=chosen.port)
        if not instead:
            argv += shlex.split(self.drill.server.args)
        told = contract.environment("server", address, chosen.port)
        program = self.servers.enter_context(self.stage.caller.running(host.name, argv, image, environment=told))
        self.started[role] = program
        ready = instead.ready if instead else chosen.server.ready
        if ready is None:
            wait_for_socket(self.stage.lab, chosen, host, program)
        else:
            program.wait_for_line(ready)
        return program

    def restart_server(self) -> None:
        """Stop the server, and start it again; that it does not come to listen is no error, but is seen."""
        if self.server is None:
            raise LabProblem("the server of this service always runs; it cannot be restarted")
        self.server.stop()
        self.collect_server_log()
        try:
            self.server = self.start_server("server")
        except LabProblem as problem:
            self.note(str(problem))
            self.logs[spec_roles.SERVER] += str(problem).splitlines()
            self.server = None

    def collect_server_log(self) -> None:
        if self.server is not None:
            self.logs[spec_roles.SERVER] += self.server.lines
        self.server = None

    # Steps

    def is_left_out(self, step: steps.Step) -> bool:
        """What speaks of a fault is not done in the control."""
        if self.armed:
            return False
        conditions = {fault.name for fault in self.drill.givens}
        of_fault = step.heal or (step.until and step.until.fault)
        return step.fault is not None or (of_fault is not None and of_fault not in conditions)

    def do(self, step: steps.Step) -> None:
        if fault := step.fault or step.given:
            with self.timed("faults"):
                self.apply(fault)
        elif step.heal:
            with self.timed("faults"):
                self.heal(step.heal)
        elif step.call:
            with self.timed("calls"):
                self.start(step.call)
                self.finish(step.call.name)
        elif step.start:
            self.start(step.start)
        elif step.await_:
            with self.timed("calls"):
                self.finish(step.await_)
        elif step.wait is not None:
            with self.timed("waits"):
                self.wait(float(step.wait))
        elif step.until:
            with self.timed("waits"):
                self.until(step.until)
        elif step.look:
            began_ns = time.time_ns()
            with self.timed("looks"):
                self.looks[step.look.name] = self.look(step.look.on)
            self.looked[step.look.name] = began_ns, time.time_ns()
        elif step.restart:
            with self.timed("servers"):
                self.restart_server()

    def apply(self, fault: Fault) -> None:
        if fault.replace:
            self.replaced[fault.replace.who] = fault.replace  # it is there from the start, or from a restart on
            self.in_force.append(fault.name)
            self.tell(f"{fault.name} is in force")
            return
        if fault.pause:
            pid = self.server.pid if isinstance(self.server, WarmRunning) else None
            self.pauses[fault.name] = Pause(self.cast.server.name, pid, time.time_ns())
        self.faults[fault.name] = applied(
            fault, self.stage.lab, self.stage.injector, self.cast, self.cell.seed, self.server, self.faults, self.left
        )
        self.stack.callback(self.faults[fault.name].end)
        self.in_force.append(fault.name)
        self.note(f"{fault.name} is in force")

    def heal(self, name: str) -> None:
        """End a fault; what it caught is kept. A fault whose program replaced another is not healed."""
        if name in self.faults:
            self.caught[name] = self.faults.pop(name).end()
            self.is_over(name)
        if name in self.pauses:
            self.pauses[name] = replace(self.pauses[name], ended_ns=time.time_ns())

    def is_over(self, name: str) -> None:
        self.in_force = [each for each in self.in_force if each != name]
        self.tell(f"{name} is undone")

    def count_proof(self, name: str, replacement: Replace) -> None:
        lines = [line for line in self.logs.get(replacement.who, ()) if re.search(replacement.proof, line)]
        self.caught[name] = Caught(len(lines), details=tuple(lines))

    def argv(self, call: steps.Call) -> list[str]:
        chosen = self.cell.chosen
        command = chosen.service.clients[call.client].run if call.client else call.run or chosen.client.run
        instead = self.replaced.get(call.name)
        host = self.host_called(call)
        cut = words(instead.run if instead else command, host=host, bind=host, port=chosen.port)
        return cut + shlex.split(call.args if not instead else "")

    def host_called(self, call: steps.Call) -> str:
        """What a call is given as its host: an address, or a name."""
        if call.named is not None:
            return self.cast.host(call.named).name if spec_roles.is_host(call.named) else call.named
        return self.cast.address(call.to) if call.to != "firewall" else self.cast.addresses("firewall")[0]

    def guest(self, call: steps.Call) -> tuple[str | None, Mapping[str, str], Reader | None]:
        """The image of a call, what its program is told, and how its end is read; of one of ours, nothing."""
        chosen = self.cell.chosen
        name = call.client or chosen.client_name
        image = chosen.service.image_of(name)
        if image is None or call.run is not None or call.name in self.replaced:
            return None, {}, None
        told = contract.environment("client", self.host_called(call), chosen.port, float(call.within))
        return image, told, functools.partial(contract.ended, chosen.service.clients[name])

    def begin(self, call: steps.Call, gate: Gate | None = None) -> Pending:
        """Have a client called once, and do not wait; with a `gate` it is held there before its connect()."""
        image, told, read = self.guest(call)
        return self.stage.caller.start(
            self.cast.host(call.from_).name,
            self.argv(call),
            timeout_s=float(call.within),
            image=image,
            environment=told,
            read=read,
            gate=gate,
            hold="connect" if gate else "start",
            hear=call.name in self.heard,
        )

    def start(self, call: steps.Call) -> None:
        if self.others:
            self.others.begin()
        if call.together:
            with self.stage.caller.together() as gate:
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
            self.wait_until(lambda: pending.ended, pending.timeout_s + 20)  # noqa: B023 (it is waited for here)
            ended = pending.wait()
            del waited_for[0]
            self.keep(name, ended)
            self.note(f"{name} ended: {ended.outcome.value}" + (f" ({ended.errno})" if ended.errno else ""))
        self.pending.pop(name, None)

    def keep(self, name: str, ended: Call) -> None:
        self.calls.setdefault(name, []).append(ended)
        log = self.logs.setdefault(name, [])
        log.extend((ended.stdout + ended.stderr).splitlines())
        if ended.dropped_bytes and not was_cut(log):
            log.append(f"[{CUT}: {ended.dropped_bytes:,} bytes are missing]")

    def settle(self) -> None:
        """Wait a little for the server to close what its clients have closed: its FIN belongs into the captures."""
        host = self.cast.host("server").name
        if self.server is None or host not in self.stage.lab.topology.hosts:
            return
        closing = re.compile(rf":{self.cell.chosen.port:04X} \S+ {CLOSE_WAIT} ")

        def all_closed() -> bool:
            return not closing.search(self.tcp_table(host))

        with contextlib.suppress(DeadlinePassed):  # one that is paused, say, closes nothing: the script wants it so
            wait_for(all_closed, "the server to close", SETTLES_WITHIN_S)

    def give_up_calls(self) -> None:
        if self.others:
            self.others.give_up()
        for calls in self.pending.values():
            for pending in calls:
                with contextlib.suppress(LabProblem):
                    pending.cancel()

    def wait(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        self.wait_until(lambda: time.monotonic() >= until_s, seconds + 1)

    def wait_until(self, over: Callable[[], bool], within_s: float) -> None:
        """Wait for it, or until the run is interrupted."""

        def is_over() -> bool:
            if self.others:
                self.others.tick()
            return self.stage.interrupted() or over()

        wait_for(is_over, "the end of a step", within_s, every_s=0.002)
        self.stage.check_interrupted()

    def until(self, until: steps.Until) -> None:
        def come() -> bool:
            self.stage.check_interrupted()
            if self.others:
                self.others.tick()
            if until.fault:
                return self.faults[until.fault].caught().hits >= until.hits
            if until.log:
                return any(re.search(until.line, line) for line in self.lines(until.log))
            looked = self.look(until.on or "server")
            found = [each for each in looked if each.has_port(self.cell.chosen.port) and each.state == until.state]
            return len(found) >= until.sockets

        try:
            wait_for(come, until.says, float(until.within))
        except DeadlinePassed as late:
            self.note(f"in vain: {late}")

    def lines(self, who: str) -> list[str]:
        """What a program has printed so far: a server since it was last started, a call each time that it was made."""
        if who == spec_roles.SERVER:
            return list(self.server.lines) if self.server else []
        beside = {str(role): program for role, program in self.beside.items()}
        if who in beside:
            return list(beside[who].lines)
        running = [line for pending in self.pending.get(who, ()) for line in pending.heard.lines]
        return [*self.logs.get(who, ()), *running]

    def look(self, role: spec_roles.Role) -> tuple[Socket, ...]:
        """The sockets of a role, without the connections that earlier scripts left (TIME-WAIT lasts a minute)."""
        found = sockets.of_machine(self.stage.lab, self.cast.host(role).name)
        return tuple(each for each in found if (each.local, each.peer) not in self.before.get(role, ()))

    def remember_connections(self) -> None:
        """What is left of earlier scripts, on the roles that this one will look at."""
        looked_at = {step.look.on for step in self.drill.script if step.look}
        looked_at |= {step.until.on for step in self.drill.script if step.until and step.until.on}
        for role in looked_at:
            found = sockets.of_machine(self.stage.lab, self.cast.host(role).name)
            connections = {each for each in found if each.transport == "tcp" and each.state != "LISTEN"}
            self.before[role] = {(each.local, each.peer) for each in connections}
