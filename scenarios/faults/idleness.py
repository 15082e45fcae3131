"""A firewall that forgets a connection on which nothing was sent for a while, as those of homes and clouds do.

The memory is a dynamic set of nftables whose elements time out (nft(8), "Set statement"), one for each connection, new
at its SYN and renewed by every segment of either direction. `ct timeout` would be the other way: it counts in whole
seconds, and a kernel may be without it (CONFIG_NF_CONNTRACK_TIMEOUT), while sets belong to nf_tables itself. So a
Forget, which is about connection tracking, does nothing to this memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.faults.standing import Chain, Standing
from scenarios.faults.tracking import IP, IS_SYN, Otherwise, ending, noting, way
from scenarios.lab import Lab

IS_TCP = "meta l4proto tcp"
SHORTEST_S, LONGEST_S = 0.05, 86400.0


def check_idle_time(after_s: float) -> None:
    """Raise ValueError, which begins with the key of a drill, for a time that a set's elements cannot be given."""
    if not SHORTEST_S <= after_s <= LONGEST_S:
        raise ValueError(f"after: a connection is forgotten after {SHORTEST_S} to {LONGEST_S:g} s, not {after_s:g}")


class IdleTimeout(Standing):
    """A TCP connection without a segment for `after_s` seconds is forgotten by the firewall.

    From then on its segments are dropped, or refused by a TCP reset, and so are those of connections that began before
    the fault; a SYN begins a new one. Hits are these segments, but only of connections that began after the fault.
    """

    needs = "dynamic sets with timeouts in nf_tables (Linux 4.3)"

    def __init__(self, lab: Lab, name: str, after_s: float, otherwise: Otherwise = "silence") -> None:
        super().__init__(lab, name)
        check_idle_time(after_s)
        self._after_ms = round(after_s * 1000)
        self._otherwise = otherwise

    def _chains(self) -> Sequence[Chain]:
        rules, sets = noting(self.name)
        for ip in IP:
            there, back, live = way(ip), way(ip, back=True), f"{self.name}_{ip}_live"
            sets.append((live, f"typeof {there}; size 65535; flags dynamic, timeout;"))
            renew = f"update @{live} {{ %s timeout {self._after_ms}ms }}"
            rules.append(f"{IS_SYN} {renew % there} accept")
            rules += [f"{of} @{live} {renew % of} accept" for of in (there, back)]
        return [Chain(self.name, "forward priority 10", [*rules, *ending(self.name, IS_TCP, self._otherwise)], sets)]
