"""A leg on which the firewall hears no neighbours: ARP and neighbour discovery (RFC 4861) are dropped.

They are dropped as they come in, behind where the leg is captured, so that the answers in vain are in the evidence.
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.faults.kernel_fault import OnDevice

# What the firewall knows is forgotten, and at the end what it has found out in vain: else it would wait on.
CHANGE = """
interface=$(cat "/run/legs/$1")
defer "ip neigh flush dev $interface"
ip neigh flush dev "$interface"
"""


class NoNeighbours(OnDevice):
    """The firewall hears nothing of its neighbours on a leg; hits are what it would have heard."""

    rules = ("ether type arp counter drop", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } counter drop")

    def _change(self) -> Sequence[str]:
        return CHANGE, self._leg.name
