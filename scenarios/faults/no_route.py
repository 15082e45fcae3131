"""A host to which the firewall has no route: the routing table says which error a sender gets (ip-route(8))."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import ClassVar, Self

from scenarios.faults.conntrack import leaving
from scenarios.faults.kernel_fault import Chain, Standing
from scenarios.lab.earlier_connections import Connection
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Host
from scenarios.spec.kernel_faults import Route

# For each sender; no setting reaches it (ip_rt_error_burst and ip_rt_error_cost of Linux, net/ipv4/route.c).
ANSWERS_AT_ONCE = 5
ANSWER_EVERY_S = 1.0

CHANGE = """
kind=$1 ipv4=$2 ipv6=$3
defer "ip -4 route flush type $kind exact $ipv4"
ip -4 route add "$kind" "$ipv4"
defer "ip -6 route flush type $kind exact $ipv6"
ip -6 route add "$kind" "$ipv6"
"""


class NoRoute(Standing):
    """The firewall's route to a host is `unreachable`, `throw` (as if there were none), `prohibit` or `blackhole`.

    Hits are the packets for that host which came in and for which the routing table had no way out. Linux answers one
    sender of IPv4 five times at once, and then once a second; the packets are lost all the same. Those of connections
    that are `left` of earlier scripts are lost too, without an answer, which would be one of the five, and not counted.
    What an earlier one of this lab was answered is no part of the five: this one waits until there are five again.
    """

    needs = "routing table lookups in nf_tables (CONFIG_NFT_FIB_INET)"
    _again_full_s: ClassVar[dict[int, float]] = {}  # by lab: when five at once are answered again, by the own clock

    def __init__(
        self, lab: Lab, name: str, host: Host, kind: Route = "unreachable", left: Collection[Connection] = ()
    ) -> None:
        super().__init__(lab, name)
        self._left = left
        self._host = host
        self._kind: Route = kind

    @classmethod
    def again_full_in_s(cls, lab: Lab) -> float:
        """In how many seconds five at once are answered again; 0 where they are now."""
        return max(0.0, cls._again_full_s.get(lab.number, 0.0) - time.monotonic())

    def _chains(self) -> Sequence[Chain]:
        to = (f"ip daddr {self._host.ipv4}", f"ip6 daddr {self._host.ipv6}")
        # `fib daddr type` would name the kind of route, but says `unicast` of all of these in IPv4
        rules = [f"{each} fib daddr oif missing counter" for each in to]
        passing, sets = leaving(self.name, self._left, "drop")
        return [Chain(self.name, "prerouting priority 0", [*passing, *rules], sets)]

    def __enter__(self) -> Self:
        time.sleep(self.again_full_in_s(self._lab))
        return super().__enter__()

    def _undone(self, _: str) -> None:
        now_s = time.monotonic()
        full_s = max(now_s, self._again_full_s.get(self._lab.number, 0.0)) + (self.final or 0) * ANSWER_EVERY_S
        self._again_full_s[self._lab.number] = min(full_s, now_s + ANSWERS_AT_ONCE * ANSWER_EVERY_S)

    def _change(self) -> Sequence[str]:
        return CHANGE, self._kind, self._host.ipv4, self._host.ipv6
