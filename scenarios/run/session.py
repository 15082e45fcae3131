"""A lab made ready for drills: held alone, with what stays from drill to drill, and freed from what a dead run left.

A caller on each host, the injector, and who plays which role in a pair. It judges nothing, and knows no expectations.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from scenarios.calls.caller import Caller
from scenarios.evidence.capture import Capturing
from scenarios.evidence.meter import Metering
from scenarios.evidence.tshark import Dissector, Frame
from scenarios.faults.injector import Injector
from scenarios.faults.recovery import held_without_faults, remove_all
from scenarios.lab.architecture import said, settings
from scenarios.lab.lab import Lab
from scenarios.lab.process import LabProblem
from scenarios.lab.topology import Host
from scenarios.spec.drill import Pair
from scenarios.spec.service import Family
from scenarios.spec.steps import Role

# A connection that nobody answers is given up by Linux after tcp_orphan_retries, some 100 s (tcp(7)).
REMEMBERED_S = 130.0
CLIENT_NET, SERVER_NET = "client-net", "server-net"


class Interrupted(Exception):
    """The run was told to end; what was begun has been undone."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of a script, as it happens. `in_force`: the faults that are, by name; `armed`: not the control."""

    cell: str
    armed: bool
    at_ns: int  # since the epoch, by the captures' clock
    what: str
    in_force: tuple[str, ...]


class Flows:
    """Which TCP connections are of a script: an end that nobody answers sends for minutes after its own.

    A connection is of the script in whose captures it begins. Only behind a NAT can one go on without having begun,
    from another port; that is of this script if no earlier capture had it. `translated` are the firewall's addresses.
    """

    def __init__(self, translated: Collection[str]) -> None:
        self._translated = frozenset(translated)
        self._seen: dict[frozenset[object], float] = {}

    def of_script(self, captures: Mapping[str, Sequence[Frame]]) -> dict[str, list[Frame]]:
        """Of the frames of both legs those that are of the script, and all that is no TCP."""
        now_s = time.monotonic()
        segments = [frame for frames in captures.values() for frame in frames if frame.transport == "tcp"]
        begun = {_flow(frame) for frame in segments if "SYN" in frame.flags}
        goes_on = {_flow(frame) for frame in segments if self._translated & {frame.source, frame.destination}}
        old = {flow for flow, at_s in self._seen.items() if now_s - at_s < REMEMBERED_S}
        kept = begun | (goes_on - old)
        self._seen = {flow: self._seen[flow] for flow in old} | dict.fromkeys(goes_on, now_s)
        return {
            leg: [frame for frame in frames if frame.transport != "tcp" or _flow(frame) in kept]
            for leg, frames in captures.items()
        }


def _flow(frame: Frame) -> frozenset[object]:
    return frozenset({(frame.source, frame.source_port), (frame.destination, frame.destination_port)})


class Stage:
    """A lab that is up, for the time of the `with` block. `interrupted` says whether to stop at the next step.

    `happened` is told of each event of a script.
    """

    def __init__(
        self,
        lab: Lab,
        interrupted: Callable[[], bool] = lambda: False,
        happened: Callable[[Happened], None] = lambda _: None,
    ) -> None:
        self.lab = lab
        self.interrupted = interrupted
        self.happened = happened
        self.flows = Flows([each for leg in lab.topology.legs.values() for each in (leg.ipv4, leg.ipv6)])
        self.disturbed = True  # connections may be left whose ends still send: of a script with a fault, of another run
        self._said: dict[str, str] = {}
        self._settings: dict[str, Mapping[str, str]] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(held_without_faults(self.lab))
            self.injector = stack.enter_context(Injector(self.lab))
            self.caller = stack.enter_context(Caller(self.lab))
            self.capturing = stack.enter_context(Capturing(self.lab))
            self.metering = stack.enter_context(Metering(self.lab))
            self.dissector = stack.enter_context(Dissector(self.lab))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:  # an interrupt may have come while a fault was being put in force
            self._stack.callback(remove_all, self.lab)
        self._stack.close()

    def check_interrupted(self) -> None:
        """Raise Interrupted if the run was told to end."""
        if self.interrupted():
            raise Interrupted

    def machine(self, host: Host) -> str:
        """What a host is, as the host itself says; asked once."""
        if host.name not in self._said:
            self._said[host.name] = said(self.lab, host)
        return self._said[host.name]

    def settings(self, host: Host) -> Mapping[str, str]:
        """The kernel of a host, and what its TCP goes by; asked once."""
        if host.name not in self._settings:
            self._settings[host.name] = settings(self.lab, host)
        return self._settings[host.name]


class Cast:
    """Who plays which role, of a lab, in a pair. `server` is given where a service runs on a machine of its own."""

    def __init__(self, lab: Lab, pair: Pair, family: Family, server: str | None = None) -> None:
        self._lab, self.family = lab, family
        client, serving = pair.split("-")
        places = lab.topology.places
        self.client = self._host(CLIENT_NET, client)
        self.bystander = self._opposite(self.client)
        of_pair = self._host(SERVER_NET, serving)
        self.server = places[server] if server else of_pair
        self.other_server = self._opposite(of_pair)

    def _hosts(self, network: str) -> list[Host]:
        return [each for each in self._lab.topology.hosts.values() if each.network == network]

    def _host(self, network: str, end: str) -> Host:
        found = next((each for each in self._hosts(network) if each.end == end), None)
        if found is None:
            raise LabProblem(f"{network} has no machine {end!r}")
        return found

    def _opposite(self, host: Host) -> Host:
        """The first host of the same network with the other byte order: one that every lab has stands before others."""
        found = next((each for each in self._hosts(host.network) if each.byteorder != host.byteorder), None)
        if found is None:
            raise LabProblem(f"{host.network} has no host of the other byte order than {host.name}")
        return found

    @property
    def byteorders(self) -> dict[Role, str]:
        """The byte order of each host that plays a role of a pair."""
        roles: tuple[Role, ...] = ("client", "bystander", "server", "other-server")
        return {role: self.host(role).byteorder for role in roles}

    def host(self, role: Role) -> Host:
        """The host of a role; the firewall is none, and nobody has none."""
        hosts = {
            "client": self.client,
            "server": self.server,
            "bystander": self.bystander,
            "other-server": self.other_server,
        }
        if role in hosts:
            return hosts[role]
        if role not in self._lab.topology.places:
            raise LabProblem(f"{role} is no host")
        return self._lab.topology.places[role]

    def addresses(self, role: Role) -> tuple[str, ...]:
        """All addresses of a role, of both families; the firewall has two of each, nobody one that no machine has."""
        if role == "firewall":
            return tuple(each for leg in self._lab.topology.legs.values() for each in (leg.ipv4, leg.ipv6))
        if role == "nobody":
            return self._lab.topology.nobody
        host = self.host(role)
        return host.ipv4, host.ipv6

    def address(self, role: Role, family: Family | None = None) -> str:
        """The address of a host, of the family of the drill or of another."""
        if role == "nobody":
            return self._lab.topology.nobody[("ipv4", "ipv6").index(family or self.family)]
        return self.host(role).address(family or self.family)

    def translated(self, role: Role, family: Family | None = None) -> str | None:
        """The firewall's address that a NAT has in the place of the role's; None for who is not behind one."""
        if role in ("firewall", "nobody") or self.host(role).network != CLIENT_NET:
            return None
        leg = next(each for each in self._lab.topology.legs.values() if each.network == SERVER_NET)
        return leg.ipv4 if (family or self.family) == "ipv4" else leg.ipv6

    @property
    def client_side(self) -> frozenset[str]:
        """The addresses from which packets come from the client's side: of the hosts of its network, and the firewall's
        own on the server's leg, under which it says what it has to say there, and as a NAT all that those hosts say.
        """
        topology = self._lab.topology
        hosts = {(each.ipv4, each.ipv6) for each in topology.places.values() if each.network == CLIENT_NET}
        legs = {(each.ipv4, each.ipv6) for each in topology.legs.values() if each.network == SERVER_NET}
        return frozenset(address for addresses in hosts | legs for address in addresses)
