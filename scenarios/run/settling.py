"""Set aside, before a script, the connections that earlier scripts left; wait, after it, for its own to end."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from scenarios.evidence import sockets
from scenarios.evidence.record import Socket
from scenarios.faults.apply import make_ready
from scenarios.faults.earlier_segments import EarlierSegments
from scenarios.lab.earlier_connections import TABLES, Connection, connections
from scenarios.lab.errors import DeadlinePassed, LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.process import Running
from scenarios.lab.waiting import wait_for
from scenarios.run.script_run import ScriptRun
from scenarios.run.session import Stage
from scenarios.spec import roles
from scenarios.spec.units import so_many

READ = ("cat", *TABLES)
TCP_TABLES = ("cat", "/proc/net/tcp", "/proc/net/tcp6")
SETTLES_WITHIN_S = 0.5
HOSTS: tuple[roles.Role, ...] = ("client", "bystander", "server", "other-server", "names", "web", "backend")
NOBODY: roles.Role = "nobody"
CLOSE_WAIT = "08"  # as /proc/net/tcp has it: the peer's FIN has come, and the program has not closed


def left_connections(stage: Stage, hosts: Collection[str], *, ending: bool = False) -> set[Connection]:
    """The connections that the kernels of these hosts have now; `ending`: only those that an end has closed.

    Raises LabProblem where a host cannot be asked.
    """
    return {each for found in _left_by_host(stage, hosts, ending=ending).values() for each in found}


def _left_by_host(stage: Stage, hosts: Collection[str], *, ending: bool = False) -> dict[str, set[Connection]]:
    asked = [host for host in hosts if host in stage.lab.topology.places]
    with ThreadPoolExecutor(max_workers=len(asked) or 1) as pool:
        read = dict(zip(asked, pool.map(lambda host: stage.lab.run(host, READ, timeout_s=5), asked), strict=True))
    if wrong := [f"{host}: status {each.status}: {each.printed}" for host, each in read.items() if each.status != 0]:
        raise LabProblem(f"the connections of earlier scripts could not be read on {'; '.join(wrong)}")
    printed = {host: each.stdout for host, each in read.items()}
    return {host: connections(tables, ending=ending) for host, tables in printed.items()}


class Settling:
    """The connections of earlier scripts, and the sockets without them."""

    def __init__(self, run: ScriptRun) -> None:
        self.run = run
        self.earlier: set[Connection] = set()  # as the kernels of all roles have them: no fault counts theirs
        self._remembered: dict[roles.Role, set[tuple[str, str]]] = {}  # the same, as ss(8) has them

    def set_earlier_aside(self) -> None:
        """Note which connections there are before the script begins: what they still send is no hit of its faults.

        An end that no program has any more sends for minutes what nobody acknowledges (tcp(7), tcp_orphan_retries).
        It may be on a host that has no part in this script.
        """
        stage, faults = self.run.stage, self.run.faults
        make_ready(stage.lab, faults)
        if not stage.disturbed or not faults:
            return
        calling = {call.from_ for call in self.run.drill.calls.values()}
        concerned = {"client", "server", *calling, *(role for fault in faults for role in fault.roles)} & {*HOSTS}
        hosts = {self.run.cast.host(role).name for role in concerned}
        if stage.left_on is None:
            running = stage.lab.states().items()
            stage.left_on = {name for name, state in running if state == "running" and name in stage.lab.topology.hosts}
        found = _left_by_host(stage, hosts | stage.left_on)
        self.earlier = {each for left in found.values() for each in left}
        stage.left_on = {host for host, left in found.items() if left} | hosts
        stage.disturbed = bool(self.earlier)
        if self.earlier:
            self.run.note(f"set aside: {so_many(len(self.earlier), 'connection')} of earlier scripts")

    def keep_from_nobody(self, undo: contextlib.ExitStack) -> None:
        """Where the script counts what is asked and told of an address that nobody has: no earlier connection makes it.

        `undo` ends that. Not where the script gives the address to somebody.
        """
        drill = self.run.drill
        packets = [each.packets for each in (*drill.expect, *drill.control) if each.packets]
        counted = any(NOBODY in (each.from_, each.to) for each in packets)
        if counted and not any(fault.vip or fault.second_address for fault in drill.faults):
            undo.enter_context(EarlierSegments(self.run.stage.lab, "earlier-segments"))

    def remember_connections(self) -> None:
        """Note what is left of earlier scripts on the roles that this one will look at."""
        script = self.run.drill.script
        looked_at = {step.look.on for step in script if step.look}
        looked_at |= {step.until.on for step in script if step.until and step.until.on}
        for role in looked_at:
            found = sockets.of_machine(self.run.stage.lab, self.run.cast.host(role).name)
            left = {each for each in found if each.transport == "tcp" and each.state != "LISTEN"}
            self._remembered[role] = {(each.local, each.peer) for each in left}

    def look(self, role: roles.Role) -> tuple[Socket, ...]:
        """The sockets of a role, without the connections that earlier scripts left (TIME-WAIT lasts a minute)."""
        found = sockets.of_machine(self.run.stage.lab, self.run.cast.host(role).name)
        return tuple(each for each in found if (each.local, each.peer) not in self._remembered.get(role, ()))

    def settle(self, server: Running | None) -> None:
        """Wait a little for the server to close what its clients have closed: its FIN belongs into the captures."""
        host = self.run.cast.host("server").name
        if server is not None and host in self.run.stage.lab.topology.hosts:
            wait_until_closed(self.run.stage.lab, host, self.run.cell.chosen.port)


def wait_until_closed(lab: Lab, host: str, port: int) -> None:
    """Wait a little for whoever serves a port to close what its clients have closed. Raise LabProblem."""
    unclosed = re.compile(rf":{port:04X} \S+ {CLOSE_WAIT} ")

    def closed() -> bool:
        return not unclosed.search(lab.run(host, TCP_TABLES, timeout_s=5).stdout)

    with contextlib.suppress(DeadlinePassed):  # one that is paused, say, closes nothing: the script wants it so
        wait_for(closed, "the server to close", SETTLES_WITHIN_S)
