"""A firewall that takes one host for another: its neighbour table has a wrong Ethernet address (ip-neighbour(8)).

The entry is permanent, so that it is not found out meanwhile: a usual one is probed after some seconds, and the forger
would have to answer, or to lie again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from scenarios.faults.conntrack import leaving
from scenarios.faults.kernel_fault import Chain, Standing
from scenarios.lab.earlier_connections import Connection
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Host

# Whose address it is to be must be known first: a host that is there answers a ping, or is not there.
CHANGE = """
interface=$(cat "/run/legs/$1")
shift
while [ $# -gt 0 ]; do
    address=$1 other=$2
    shift 2
    claim "the-neighbour-$(echo "$address" | tr -c 'a-z0-9\\n' -)"
    ping -n -c 1 -W 2 "$other" >/dev/null || { echo "$other does not answer" >&2; exit 1; }
    at=$(ip neigh show to "$other" dev "$interface" | sed -n 's/.*lladdr \\([0-9a-f:]*\\).*/\\1/p')
    [ -n "$at" ] || { echo "nobody knows where $other is" >&2; exit 1; }
    defer "ip neigh del $address dev $interface"
    ip neigh replace "$address" lladdr "$at" nud permanent dev "$interface"
done
"""


class ForgedNeighbour(Standing):
    """What is for `of` goes to `taken_for`, a host of the same network. Hits are the packets that went there.

    Those of connections that are `left` of earlier scripts go there too, and are not counted.
    """

    def __init__(self, lab: Lab, name: str, of: Host, taken_for: Host, left: Collection[Connection] = ()) -> None:
        super().__init__(lab, name)
        self._left = left
        self._pairs = (of.ipv4, taken_for.ipv4), (of.ipv6, taken_for.ipv6)
        self._leg = next(each for each in lab.topology.legs.values() if each.network == of.network)

    def _chains(self) -> Sequence[Chain]:
        rules = [f"{ip} daddr {of} counter" for ip, (of, _) in zip(("ip", "ip6"), self._pairs, strict=True)]
        passing, sets = leaving(self.name, self._left)
        return [Chain(self.name, "postrouting priority 200", [*passing, *rules], sets)]

    def _change(self) -> Sequence[str]:
        return CHANGE, self._leg.name, *(address for pair in self._pairs for address in pair)
