"""The words of what neighbours on a network do not hear of each other, or hear wrong: ARP and neighbour discovery."""

from __future__ import annotations

from typing import get_args

from scenarios.spec.declaration import declaration
from scenarios.spec.roles import CallerRole, HostRole, LegName, check_between, leg_of, role_label


@declaration
class NoNeighbours:
    """The firewall hears neither ARP nor neighbour discovery on a leg, and forgets what it knew of that network.

    So it finds nobody there, and nobody who asks anew finds it. Hits are what it would have heard.
    """

    at: LegName

    @property
    def says(self) -> str:
        return f"the firewall hears neither ARP nor neighbour discovery on the {self.at}"


@declaration
class ForgedNeighbour:
    """The firewall believes that the address of a host is at the Ethernet address of another of its network.

    It is what a forged answer to ARP, or a forged neighbour advertisement, leaves behind; it stays until the end. Hits
    are the packets that the firewall sent to the wrong host.
    """

    of: HostRole
    taken_for: HostRole

    def __post_init__(self) -> None:
        if self.of == self.taken_for:
            raise ValueError(f"taken_for: expected another host than {self.of}")
        if leg_of(self.of) != leg_of(self.taken_for):
            side = [each for each in get_args(HostRole) if leg_of(each) == leg_of(self.of)]
            there = ", ".join(each for each in side if each != self.of) or "none, for it is alone there"
            raise ValueError(
                f"taken_for: {self.taken_for} is on another network than {self.of}; expected one of: {there}"
            )

    @property
    def says(self) -> str:
        return f"the firewall takes {role_label(self.taken_for)} for {role_label(self.of)}, by a forged ARP answer"


@declaration
class RogueRouter:
    """A router that is not there advertises itself to the hosts behind a leg, with a high preference (RFC 4191).

    They send what leaves their network over IPv6 to it, beside the route that they have. Hits are these packets, which
    a switch that does not know where it is floods to all. At the end it says that it is a router no more.
    """

    at: LegName

    @property
    def says(self) -> str:
        return f"a router that is not there advertises itself to the hosts behind the {self.at}"


@declaration
class OneNetwork:
    """Two hosts are neighbours: the firewall is a bridge between them, and a router for all others.

    Each finds the other by ARP and neighbour discovery, hears its broadcasts and its multicast, and has a link-local
    address of its own for it (`call: {link_local: with-scope}`). Their packets cross the firewall's legs, where they
    are captured, and where rules and the injector take hold of them, with their TTL as it was. Hits are the frames that
    the first sent to the other.
    """

    between: tuple[CallerRole, ...] = ("client", "server")

    def __post_init__(self) -> None:
        check_between(self.between)

    @property
    def says(self) -> str:
        one, other = map(role_label, self.between)
        return f"{one} and {other} are on one network, with the firewall as a bridge in it"


@declaration
class NoQuerier:
    """The switch behind a leg listens to IGMP and MLD (RFC 4541), and nobody asks for members: it has forgotten them.

    It forwards what is for a group to nobody, but for the groups to which it has to: 224.0.0.0/24 and, over IPv6, those
    of the link itself (all nodes, all routers, solicited nodes, reports). It says nothing. Hits are what it has lost.
    """

    at: LegName

    @property
    def says(self) -> str:
        return f"the switch behind the {self.at} has forgotten the members of every group, for nobody asks for them"
