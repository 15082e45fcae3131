"""A leg on which the firewall hears no neighbours: ARP and neighbour discovery (RFC 4861) are dropped.

They are dropped as they come in, behind where the leg is captured, so that the answers in vain are in the evidence.
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.faults.kernel_fault import OF_DEVICES, Chain, Standing, leg_of
from scenarios.lab.lab import Lab

# What the firewall knows is forgotten, and at the end what it has found out in vain: else it would wait on.
CHANGE = """
interface=$(cat "/run/legs/$1")
defer "ip neigh flush dev $interface"
ip neigh flush dev "$interface"
"""
RULES = ("ether type arp counter drop", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } counter drop")


class NoNeighbours(Standing):
    """The firewall hears nothing of its neighbours on a leg; hits are what it would have heard."""

    needs = "nf_tables with the `netdev` family (Linux 4.2, CONFIG_NF_TABLES_NETDEV)"

    def __init__(self, lab: Lab, name: str, leg: str) -> None:
        super().__init__(lab, name)
        self._leg = leg_of(lab, name, leg)

    def _chains(self) -> Sequence[Chain]:
        hook = f'ingress device "<{self._leg.name}>" priority 0'
        return [Chain(self.name, hook, RULES, table=OF_DEVICES)]

    def _change(self) -> Sequence[str]:
        return CHANGE, self._leg.name
