"""What connections of earlier scripts still send to an address that nobody has: dropped, for the time of a script.

A virtual address goes with its fault, and a client's end goes on sending to it for minutes (tcp(7),
tcp_orphan_retries). Each time the firewall asks who has the address, and answers by ICMP. Such a question says nothing
of which connection made it, so a drill that counts them cannot leave them out. And while the firewall still asks, a
packet of the script waits with the others, and is given up with them, sooner than its own time.
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.faults.kernel_fault import Chain, Standing

FORGET = 'for address; do ip neigh flush to "$address"; done\n'
SEGMENT = "tcp flags & syn == 0"  # of a connection that somebody took: of this script there is none


class EarlierSegments(Standing):
    """Segments to nobody's address that begin no connection are dropped before the firewall looks for a neighbour, and
    what it found, or still looks for, is forgotten.
    """

    def _chains(self) -> Sequence[Chain]:
        ipv4, ipv6 = self._lab.topology.nobody
        rules = [
            f"{family} daddr {address} {SEGMENT} counter drop" for family, address in (("ip", ipv4), ("ip6", ipv6))
        ]
        return (Chain(self.name, "prerouting priority raw", rules),)

    def _change(self) -> Sequence[str]:
        return FORGET, *self._lab.topology.nobody
