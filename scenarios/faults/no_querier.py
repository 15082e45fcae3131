"""A switch behind a leg that listens to IGMP and MLD, without anybody who asks for members (RFC 4541, 2.1.2).

Linux bridges forward a group to every port while there is no querier, so this one is a rule behind the firewall's leg:
what the switch would have had to forward. What is for a group of the link itself goes to every port, as the RFC says.
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.faults.kernel_fault import OF_DEVICES, Chain, Standing, leg_of
from scenarios.lab.lab import Lab

OF_THE_LINK = "{ ff01::/16, ff02::1, ff02::2, ff02::16, ff02::1:ff00:0/104 }"
RULES = (
    "ip daddr 224.0.0.0/4 ip daddr != 224.0.0.0/24 counter drop",
    f"ip6 daddr ff00::/8 ip6 daddr != {OF_THE_LINK} counter drop",
)


class NoQuerier(Standing):
    """Nothing that is for a group leaves by a leg. Hits are the packets that did not."""

    needs = "nf_tables with the `egress` hook (Linux 5.16, CONFIG_NETFILTER_EGRESS)"

    def __init__(self, lab: Lab, name: str, leg: str) -> None:
        super().__init__(lab, name)
        self._leg = leg_of(lab, name, leg)

    def _chains(self) -> Sequence[Chain]:
        return [Chain(self.name, f'egress device "<{self._leg.name}>" priority 0', RULES, table=OF_DEVICES)]
