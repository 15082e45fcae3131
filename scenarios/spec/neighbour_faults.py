"""The words of what neighbours on a network do not hear of each other, or hear wrong: ARP and neighbour discovery."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.spec.roles import LegName


@dataclass(frozen=True, slots=True, kw_only=True)
class NoNeighbours:
    """The firewall hears neither ARP nor neighbour discovery on a leg, and forgets what it knew of that network.

    So it finds nobody there, and nobody who asks anew finds it. Hits are what it would have heard.
    """

    at: LegName

    @property
    def says(self) -> str:
        return f"the firewall hears neither ARP nor neighbour discovery on the {self.at}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RogueRouter:
    """A router that is not there advertises itself to the hosts behind a leg, with a high preference (RFC 4191).

    They send what leaves their network over IPv6 to it, beside the route that they have. Hits are these packets, which
    a switch that does not know where it is floods to all. At the end it says that it is a router no more.
    """

    at: LegName

    @property
    def says(self) -> str:
        return f"a router that is not there advertises itself to the hosts behind the {self.at}"
