"""A lab made ready for drills: held alone, with what stays from drill to drill, and freed from what a dead run left.

A caller on each host, the injector, and who plays which role in a pair. It judges nothing, and knows no expectations.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Self

from scenarios.caller import Caller
from scenarios.dissect import Dissector
from scenarios.drill import Pair
from scenarios.faults.leftovers import remove_all
from scenarios.injector import Injector
from scenarios.lab import Lab
from scenarios.programs import LabProblem
from scenarios.script import Role
from scenarios.service import Family
from scenarios.topology import Host

CLIENT_NET, SERVER_NET = "client-net", "server-net"


class Interrupted(Exception):
    """The run was told to end; what was begun has been undone."""


class Stage:
    """A lab that is up, for the time of the `with` block. `interrupted` says whether to stop at the next step."""

    def __init__(self, lab: Lab, interrupted: Callable[[], bool] = lambda: False) -> None:
        self.lab = lab
        self.interrupted = interrupted
        self._asserted: dict[str, str] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.lab.held())
            remove_all(self.lab)
            self.injector = stack.enter_context(Injector(self.lab))
            self.caller = stack.enter_context(Caller(self.lab))
            self.dissector = stack.enter_context(Dissector(self.lab))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
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
        """The host of a role; the firewall is none."""
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
        """All addresses of a role, of both families; the firewall has two of each."""
        if role == "firewall":
            return tuple(each for leg in self._lab.topology.legs.values() for each in (leg.ipv4, leg.ipv6))
        host = self.host(role)
        return host.ipv4, host.ipv6

    def address(self, role: Role, family: Family | None = None) -> str:
        """The address of a host, of the family of the drill or of another."""
        return self.host(role).address(family or self.family)

    @property
    def client_side(self) -> frozenset[str]:
        """The addresses of every host on the client's network."""
        hosts = [each for each in self._lab.topology.places.values() if each.network == CLIENT_NET]
        return frozenset(address for each in hosts for address in (each.ipv4, each.ipv6))
