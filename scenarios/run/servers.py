"""The programs of the server's side of a script: started, restarted, and what they printed."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Mapping

from scenarios.calls import boxes, contract, on_cpus, port_holders
from scenarios.calls.serving import OutOfReach, check_reachable, listens, wait_until_it_listens
from scenarios.evidence import sockets
from scenarios.lab.composition import Composition
from scenarios.lab.errors import DeadlinePassed, LabProblem
from scenarios.lab.process import Running
from scenarios.lab.topology import Family
from scenarios.lab.waiting import wait_for
from scenarios.run.script_run import ScriptRun
from scenarios.run.settling import left_connections
from scenarios.spec import roles
from scenarios.spec.program_faults import Replace
from scenarios.spec.validate import SERVICE_PLACE

ENDED = ("TIME-WAIT", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "LAST-ACK")  # whose program has closed, or is gone
IN_USE = re.compile("address already in use|EADDRINUSE", re.IGNORECASE)
TIME_WAIT_SLACK_S = 5.0  # the kernel ends them by a wheel of timers, somewhat later than it says
TIME_WAIT_LOOKS_S = 0.5  # each look is a command on a machine


class Servers:
    """The server of a script, and those beside it. `replaced`: what stands in the place of a program, by its name."""

    def __init__(self, run: ScriptRun, replaced: Mapping[str, Replace]) -> None:
        self.run, self.replaced = run, replaced
        self.current: Running | None = None  # on the server's role; others may run beside it
        self.beside: dict[roles.Role, Running] = {}
        self.started: dict[roles.Role, Running] = {}  # listening or not
        self.logs: dict[str, list[str]] = {roles.SERVER: []}
        self._stack = contextlib.ExitStack()

    @property
    def _family(self) -> Family | None:
        """What the server must be reached over; None for a drill of IPv6, which may be about its absence."""
        return "ipv4" if self.run.drill.family == "ipv4" else None

    def close(self) -> None:
        """Stop all of them."""
        self._stack.close()

    def start(self) -> None:
        """Start a server on each role that has one. Raises LabProblem where one does not come to listen."""
        chosen, lab = self.run.cell.chosen, self.run.stage.lab
        if chosen.service.compose:
            self._have_well()
        if chosen.server.in_:
            self.current = self._in_composition(chosen.server.in_)
            return
        if chosen.server.run is None:
            return  # it always runs
        for role in self.run.drill.server.on:
            host = self.run.cast.host(role).name
            if chosen.server.ready is None:
                port_holders.check_free(lab, host, chosen)  # else that one would be taken for ours
            try:
                program = self._start_on_free_port(role)
            except LabProblem as problem:
                if role in self.started:
                    self.started[role].stop()  # so that it is not found itself
                raise port_holders.explained(lab, host, chosen, problem) from problem
            if role == roles.SERVER:
                self.current = program
            else:
                self.beside[role] = program

    def _have_well(self) -> None:
        """Have the services of the composition well, and the server listening. Raises LabProblem."""
        chosen, stage = self.run.cell.chosen, self.run.stage
        assert stage.composition  # noqa: S101 (the cell has brought it up)
        restarted = stage.composition.recover()
        restarted += self._without_earlier_connections(stage.composition)
        if service := chosen.server.in_:
            host, within_s = self.run.cast.server, float(chosen.server.starts_within)
            if not restarted and not listens(stage.lab, chosen, host):
                restarted = stage.composition.recover(listens=service)
            ports = " and ".join(map(str, chosen.service.ports_of(chosen.server_name)))
            composition = stage.composition

            def there() -> bool:
                composition.check_running(service, "it listened")
                return listens(stage.lab, chosen, host)

            with stage.interruptible(f"until {service} listens on port {ports}") as meanwhile:
                try:
                    wait_for(there, f"{service} listens on port {ports}", within_s, meanwhile=meanwhile)
                except DeadlinePassed as late:
                    raise LabProblem(f"{late}; it printed: {composition.last_lines(service)}") from late
                check_reachable(stage.lab, chosen, host, self._family, meanwhile)
        for what in restarted:
            self.run.note(what)

    def _without_earlier_connections(self, composition: Composition) -> list[str]:
        """Have a server in the middle begin without connections to its backend: what it kept is of no script now."""
        cast, server = self.run.cast, self.run.cell.chosen.server
        if cast.backend is None or server.in_ is None:
            return []
        backend = {cast.backend.ipv4, cast.backend.ipv6}
        if not any(each.peer[0] in backend for each in left_connections(self.run.stage, {cast.server.name})):
            return []
        composition.restart(server.in_)
        return [f"{server.in_} was restarted: it had kept connections to {server.backend} from an earlier script"]

    def _in_composition(self, service: str) -> Running:
        assert self.run.stage.composition  # noqa: S101 (the cell has brought it up)
        return self._stack.enter_context(self.run.stage.composition.running(service))

    def _start_on_free_port(self, role: roles.Role) -> Running:
        """Start a server; once more where connections of an earlier script may have kept its port. Raises LabProblem.

        A program that does not set SO_REUSEADDR cannot have a port of which a connection is in TIME-WAIT (socket(7)).
        A script that kills it leaves one, and would make the next script on that port prove nothing.
        """
        try:
            return self._start(role)
        except OutOfReach:
            raise
        except LabProblem as problem:
            left_s = self._time_wait_left_s(role)
            if not left_s and not IN_USE.search(str(problem)):  # it may have ended since
                raise
        chosen = self.run.cell.chosen
        self.run.note(
            f"{chosen.name} did not begin to listen: port {chosen.port} has connections of an earlier script in "
            f"TIME-WAIT; the lab starts it again when they are over, in {left_s:.0f} s"
        )
        self.started.pop(role).stop()
        over = f"the TIME-WAIT of earlier connections of port {chosen.port} to be over"
        within_s = left_s + TIME_WAIT_SLACK_S
        with (
            contextlib.suppress(DeadlinePassed),  # then the program says itself what it lacks
            self.run.stage.interruptible(f"for {over}; at most {within_s:.0f} s") as meanwhile,
        ):
            wait_for(lambda: not self._time_wait_left_s(role), over, within_s, TIME_WAIT_LOOKS_S, meanwhile)
        return self._start(role)

    def _time_wait_left_s(self, role: roles.Role) -> float:
        """How long the port of a role's server is kept by connections that have ended; 0 where it is not."""
        found = sockets.of_machine(self.run.stage.lab, self.run.cast.host(role).name)
        port = f":{self.run.cell.chosen.port}"
        kept = [each.timer_s for each in found if each.state in ENDED and each.local.endswith(port)]
        return max((each or TIME_WAIT_SLACK_S for each in kept), default=0.0)

    def _start(self, role: roles.Role) -> Running:
        chosen, host, stage = self.run.cell.chosen, self.run.cast.host(role), self.run.stage
        instead = self.replaced.get(roles.SERVER) if role == roles.SERVER else None
        assert chosen.server.run is not None  # noqa: S101 (start asks)
        is_own = instead is None or SERVICE_PLACE in instead.run
        address = contract.all_interfaces(chosen) if is_own else ""
        if self.run.drill.server.bind == "address":
            address = self.run.cast.address(role)
        command = instead.run.replace(SERVICE_PLACE, chosen.server.run) if instead else chosen.server.run
        argv = boxes.server_words(chosen, command, host, address)
        if not instead:
            argv += shlex.split(self.run.drill.server.args)
        box = boxes.of_server(chosen, host, address) if is_own else None
        if box:
            box, argv = on_cpus.placed(chosen, "server", self.run.cell.end("server"), box, argv)
        program = self._stack.enter_context(stage.caller.running(host.name, argv, box))
        self.started[role] = program
        whose = f"`{instead.run}`" if instead else chosen.name
        with stage.interruptible(f"until {whose} listens on port {chosen.port} of {host.name}") as meanwhile:
            if instead:
                program.wait_for_line(instead.ready, meanwhile=meanwhile)
            else:
                wait_until_it_listens(stage.lab, chosen, host, program, self._family, meanwhile)
        return program

    def restart(self) -> None:
        """Stop the server, and start it again; that it does not come to listen is no error, but is seen."""
        if self.current is None:
            raise LabProblem("the server of this service cannot be restarted: it always runs, as a part of the lab")
        self.current.stop()
        self._collect_log()
        inside, composition = self.run.cell.chosen.server.in_, self.run.stage.composition
        try:
            if inside and composition:
                composition.restart(inside)
                self._have_well()
            self.current = self._in_composition(inside) if inside else self._start("server")
        except LabProblem as problem:
            self.run.note(str(problem))
            self.logs[roles.SERVER] += str(problem).splitlines()
            self.current = None

    def _collect_log(self) -> None:
        if self.current is not None:
            self.logs[roles.SERVER] += self.current.lines
        self.current = None

    def collect_logs(self) -> None:
        """Keep what all of them have printed; the script is over."""
        self._collect_log()
        for role, program in self.beside.items():
            self.logs[role] = list(program.lines)

    def collect_unheard(self) -> None:
        """Keep what those printed that did not come to listen."""
        for role, program in self.started.items():
            if not self.logs.get(role):
                self.logs[role] = list(program.lines)

    def printed(self, who: str) -> list[str] | None:
        """What a server has printed since it was last started; None where `who` is none of them."""
        if who == roles.SERVER:
            return list(self.current.lines) if self.current else []
        return next((list(program.lines) for role, program in self.beside.items() if role == who), None)
