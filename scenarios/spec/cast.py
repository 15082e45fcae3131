"""Who plays which role of a drill: the hosts of a lab's topology, in a pair. No lab need run."""

from __future__ import annotations

from typing import get_args

from scenarios.lab.errors import LabProblem
from scenarios.lab.topology import BACKEND_NET, Family, Host, Topology
from scenarios.spec.pairs import Pair
from scenarios.spec.roles import Role

CLIENT_NET, SERVER_NET = "client-net", "server-net"


class Cast:
    """Who plays which role, of a lab's topology, in a pair. `server` and `client` are given where a program runs on a
    machine of its own."""

    def __init__(
        self,
        topology: Topology,
        pair: Pair,
        family: Family,
        server: str | None = None,
        client: str | None = None,
        backend: str | None = None,
    ) -> None:
        self._topology, self.family = topology, family
        calling, serving = pair.split("-")
        places = topology.places
        self.client = places[client] if client else self._host(CLIENT_NET, calling)
        self.bystander = self._opposite(self.client)
        of_pair = self._host(SERVER_NET, serving)
        self.server = places[server] if server else of_pair
        self.other_server = self._opposite(of_pair)
        self.backend = places[backend] if backend else None

    def _hosts(self, network: str) -> list[Host]:
        return [each for each in self._topology.hosts.values() if each.network == network]

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
            **({"backend": self.backend} if self.backend else {}),
        }
        if role in hosts:
            return hosts[role]
        if role not in self._topology.places:
            raise LabProblem(f"the role {role} has no host")
        return self._topology.places[role]

    def addresses(self, role: Role) -> tuple[str, ...]:
        """All addresses of a role, of both families, and that of its link; the firewall has two a leg.

        Nobody has one of each family, which no machine has.
        """
        if role == "firewall":
            return tuple(each for leg in self._topology.legs.values() for each in (leg.ipv4, leg.ipv6))
        if role == "nobody":
            return self._topology.nobody
        if role == "backend" and self.backend is None:
            return ()
        return self.host(role).addresses

    def address(self, role: Role, family: Family | None = None) -> str:
        """The address of a host, of the family of the drill or of another."""
        if role == "nobody":
            return self._topology.nobody[("ipv4", "ipv6").index(family or self.family)]
        return self.host(role).address(family or self.family)

    def gateway(self, role: Role) -> str:
        """The firewall's address on the network of a role's host, of the family of the drill."""
        leg = next(each for each in self._topology.legs.values() if each.network == self.host(role).network)
        return leg.ipv4 if self.family == "ipv4" else leg.ipv6

    def translated(self, role: Role, family: Family | None = None) -> str | None:
        """The firewall's address that a NAT has in the place of the role's; None for who is not behind one."""
        if role in ("firewall", "nobody") or self.host(role).network != CLIENT_NET:
            return None
        leg = next(each for each in self._topology.legs.values() if each.network == SERVER_NET)
        return leg.ipv4 if (family or self.family) == "ipv4" else leg.ipv6

    def virtual(self, role: Role, family: Family | None = None) -> str | None:
        """The virtual address behind which the role's host may be; None for who is behind none."""
        if role in ("firewall", "nobody") or self.host(role).network != SERVER_NET:
            return None
        return self.address("nobody", family)

    def translations(self, role: Role) -> list[str]:
        """All of a NAT's addresses that stand in the place of the role's, of both families."""
        return [found for family in get_args(Family) if (found := self.translated(role, family))]

    @property
    def legs(self) -> list[str]:
        """The legs of the firewall that packets between these roles cross: that to a backend where there is one."""
        return [each.name for each in self._topology.legs.values() if self.backend or each.network != BACKEND_NET]

    @property
    def backend_side(self) -> frozenset[str]:
        """The addresses from which packets come from behind a program in the middle; none where there is no backend."""
        return self._behind_middle if self.backend else frozenset()

    @property
    def backends_of_others(self) -> frozenset[str]:
        """The same of a composition that is up and not under drill."""
        return frozenset() if self.backend else self._behind_middle

    @property
    def _behind_middle(self) -> frozenset[str]:
        hosts = self._topology.places.values()
        return frozenset(ip for each in hosts if each.network == BACKEND_NET for ip in each.addresses)

    @property
    def client_side(self) -> frozenset[str]:
        """The addresses from which packets come from the client's side: of the hosts of its network, and the firewall's
        own on the server's leg, under which it says what it has to say there, and as a NAT all that those hosts say.
        """
        topology = self._topology
        hosts = {each.addresses for each in topology.places.values() if each.network == CLIENT_NET}
        legs = {(each.ipv4, each.ipv6) for each in topology.legs.values() if each.network == SERVER_NET}
        return frozenset(address for addresses in (*hosts, *legs) for address in addresses)
