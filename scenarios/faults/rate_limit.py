"""A slow wire: so many bits a second out of one leg of the firewall (tc-tbf(8))."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from scenarios.faults.kernel_fault import Standing, leg_of
from scenarios.lab.lab import Lab
from scenarios.spec.kernel_faults import FRAME, check_rate

LIMIT_BYTES = 64 * FRAME

# A device that had no queue is given the length of one with its first discipline, and keeps it.
CHANGE = """
leg=$1
interface=$(cat "/run/legs/$leg")
claim "the-rate-of-$leg"
defer "ip link set dev $interface txqueuelen $(cat "/sys/class/net/$interface/tx_queue_len")"
defer "if tc qdisc show dev $interface root | grep -q '^qdisc tbf'; then tc qdisc delete dev $interface root; fi"
tc qdisc add dev "$interface" root tbf rate "${2}bit" burst "$3" limit "$4"
"""


class Rate(Standing):
    """What the firewall sends out of a leg comes at no more than `bits_per_s`, headers of Ethernet and up counted.

    `burst_bytes` may go at once after a pause; `limit_bytes` may wait, and what comes then is dropped. Hits are how
    often the packet that is next had to wait, and how many were dropped. What waits when it is undone is lost.
    """

    needs = "the token bucket filter (CONFIG_NET_SCH_TBF)"

    def __init__(
        self,
        lab: Lab,
        name: str,
        leg: str,
        bits_per_s: int,
        *,
        burst_bytes: int = 2 * FRAME,
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        super().__init__(lab, name)
        check_rate(bits_per_s, burst_bytes, limit_bytes)
        self._leg = leg_of(lab, name, leg)
        self._numbers = str(bits_per_s), str(burst_bytes), str(limit_bytes)

    def _change(self) -> Sequence[str]:
        return CHANGE, self._leg.name, *self._numbers

    def hits(self) -> int:
        qdisc = self._qdisc()
        return int(qdisc["overlimits"]) + int(qdisc["drops"])

    def waiting(self) -> int:
        """How many packets wait now. Raises LabProblem once it is undone."""
        return int(self._qdisc()["qlen"])

    def _qdisc(self) -> dict[str, Any]:
        show = 'tc -s -j qdisc show dev "$(cat "/run/legs/$1")" root'
        (qdisc,) = json.loads(self._ask("sh", "-c", show, "sh", self._leg.name)) or [{}]
        if qdisc.get("kind") != "tbf":
            raise self._not_in_force(f"nothing limits {self._leg.name}")
        found: dict[str, Any] = qdisc
        return found
