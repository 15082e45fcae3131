"""The words of what neighbours on a network do not hear of each other: ARP and neighbour discovery."""

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
