"""A lab made ready for drills: held alone, with what stays from drill to drill, and freed from what a dead run left.

A caller on each host, the injector, and who plays which role in a pair. It judges nothing, and knows no expectations.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from scenarios.caller import Caller
from scenarios.capture import Capturing
from scenarios.dissect import Dissector, Frame
from scenarios.drill import Pair
from scenarios.faults.leftovers import held_without_faults, remove_all
from scenarios.injector import Injector
from scenarios.lab import Lab
from scenarios.programs import LabProblem
from scenarios.script import Role
from scenarios.service import Family
from scenarios.topology import Host

# A connection that nobody answers is given up by Linux after tcp_orphan_retries, some 100 s (tcp(7)).
REMEMBERED_S = 130.0
CLIENT_NET, SERVER_NET = "client-net", "server-net"


class Interrupted(Exception):
    """The run was told to end; what was begun has been undone."""


class Flows:
    """The TCP connections of the captures so far: an end that nobody answers sends for minutes after its script."""

    def __init__(self) -> None:
        self._seen: dict[frozenset[object], float] = {}

    def without(self, frames: Sequence[Frame]) -> list[Frame]:
        """The frames, but those of connections that an earlier capture had and that do not begin anew in this one."""
        now_s = time.monotonic()
        begun = {_flow(frame) for frame in frames if "SYN" in frame.flags}
        old = {flow for flow, at_s in self._seen.items() if now_s - at_s < REMEMBERED_S} - begun
        return [frame for frame in frames if frame.transport != "tcp" or _flow(frame) not in old]

    def remember(self, frames: Sequence[Frame]) -> None:
        """These connections are earlier ones from now on."""
        now_s = time.monotonic()
        self._seen = {flow: at_s for flow, at_s in self._seen.items() if now_s - at_s < REMEMBERED_S}
        self._seen |= {_flow(frame): now_s for frame in frames if frame.transport == "tcp"}


def _flow(frame: Frame) -> frozenset[object]:
    return frozenset({(frame.source, frame.source_port), (frame.destination, frame.destination_port)})


class Stage:
    """A lab that is up, for the time of the `with` block. `interrupted` says whether to stop at the next step."""

    def __init__(self, lab: Lab, interrupted: Callable[[], bool] = lambda: False) -> None:
        self.lab = lab
        self.interrupted = interrupted
        self.earlier = Flows()
        self._asserted: dict[str, str] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(held_without_faults(self.lab))
            self.injector = stack.enter_context(Injector(self.lab))
            self.caller = stack.enter_context(Caller(self.lab))
            self.capturing = stack.enter_context(Capturing(self.lab))
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

    def byteorder(self, host: Host) -> str:
        """The byte order of a host, as the host itself says; asked once."""
        if host.name not in self._asserted:
            probe = ["python", "-c", "import sys; print(sys.byteorder)"]
            if host.name in self.lab.topology.standing:
                probe = ["sh", "-c", r"test $(printf '\1\0' | od -An -t u2) = 1 && echo little || echo big"]
            said = self.lab.run(host.name, probe, timeout_s=10)
            self._asserted[host.name] = said.stdout.strip() if said.status == 0 else f"unknown: {said.printed}"
        return self._asserted[host.name]


class Cast:
    """Who plays which role, of a lab, in a pair. `server` is given where a service runs on a machine of its own."""

    def __init__(self, lab: Lab, pair: Pair, family: Family, server: str | None = None) -> None:
        self._lab, self.family = lab, family
        orders = {"be": "big", "le": "little"}
        client, serving = (orders[end] for end in pair.split("-"))
        places = lab.topology.places
        self.client = self._host(CLIENT_NET, client, same=True)
        self.bystander = self._host(CLIENT_NET, client, same=False)
        self.server = places[server] if server else self._host(SERVER_NET, serving, same=True)
        self.other_server = self._host(SERVER_NET, serving, same=False)

    def _host(self, network: str, byteorder: str, *, same: bool) -> Host:
        hosts = [each for each in self._lab.topology.hosts.values() if each.network == network]
        found = next((each for each in hosts if (each.byteorder == byteorder) is same), None)
        if found is None:
            raise LabProblem(f"{network} has no host for this role")
        return found

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

    @property
    def client_side(self) -> frozenset[str]:
        """The addresses from which packets come from the client's side: of the hosts of its network, and the firewall's
        own on the server's leg, under which it says what it has to say there, and as a NAT all that those hosts say.
        """
        topology = self._lab.topology
        hosts = {(each.ipv4, each.ipv6) for each in topology.places.values() if each.network == CLIENT_NET}
        legs = {(each.ipv4, each.ipv6) for each in topology.legs.values() if each.network == SERVER_NET}
        return frozenset(address for addresses in hosts | legs for address in addresses)
