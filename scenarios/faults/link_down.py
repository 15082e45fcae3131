"""A leg of the firewall whose link goes down, as when a cable is pulled, and comes up again as it was."""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.faults.kernel_fault import Standing, leg_of
from scenarios.lab.lab import Lab

# What Linux forgets of an interface that goes down is written down first: the IPv6 addresses, and all routes by it
# (IPv4 addresses stay). Addresses come back without duplicate address detection, the link-local one too: while it is
# tentative the firewall cannot ask for neighbours (RFC 4861, 7.2.2), and so cannot forward. `ip` lists the newest
# first. The kernel itself makes the routes to link-local addresses, which `replace` would take from another leg.
CHANGE = """
leg=$1
interface=$(cat "/run/legs/$leg")
claim "the-link-of-$leg"
for family in -4 -6; do
    ip $family route show dev "$interface" | { grep -v ^fe80: || true; } | while read -r route; do
        defer "ip $family route replace $route dev $interface"
    done
done
mode=$(ip -d link show dev "$interface" | sed -n 's/.* addrgenmode \\([a-z0-9_]*\\).*/\\1/p')
defer "ip link set dev $interface addrgenmode $mode"
ip -o -6 address show dev "$interface" | while read -r _ _ _ address _ scope _; do
    defer "ip -6 address replace $address dev $interface scope $scope nodad"
done
defer "ip link set dev $interface addrgenmode none up"
cat "/sys/class/net/$interface/carrier_down_count"
ip link set dev "$interface" down
"""
COUNT = 'cat "/sys/class/net/$(cat "/run/legs/$1")/carrier_down_count"'


class LinkDown(Standing):
    """A leg's link is down. Hits are how often it lost its carrier since then, as the kernel counts: once, by this.

    What comes from that leg's network does not reach the firewall, which counts none of it. What goes there has no
    route, and its sender is told "network unreachable".
    """

    def __init__(self, lab: Lab, name: str, leg: str) -> None:
        super().__init__(lab, name)
        self._leg = leg_of(lab, name, leg)
        self._before: int | None = None

    def _change(self) -> Sequence[str]:
        return CHANGE, self._leg.name

    def _applied(self, printed: str) -> None:
        self._before = int(printed)

    def _undone(self, printed: str) -> None:  # noqa: ARG002
        self._before = None

    def hits(self) -> int:
        if self._before is None:
            raise self._not_in_force(f"{self._leg.name} was not taken down, or is up again")
        return int(self._ask("sh", "-c", COUNT, "sh", self._leg.name)) - self._before
