"""ICMP errors over IPv4 that nftables does not make, by type and code (RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

IcmpError = Literal[
    "source-route-failed",
    "net-unknown",
    "host-unknown",
    "source-host-isolated",
    "net-unreachable-for-tos",
    "host-unreachable-for-tos",
    "host-precedence-violation",
    "precedence-cutoff",
    "source-quench",
    "reassembly-time-exceeded",
    "parameter-problem",
]
ICMP_ERRORS: Mapping[IcmpError, tuple[int, int]] = {
    "source-route-failed": (3, 5),
    "net-unknown": (3, 6),
    "host-unknown": (3, 7),
    "source-host-isolated": (3, 8),
    "net-unreachable-for-tos": (3, 11),
    "host-unreachable-for-tos": (3, 12),
    "host-precedence-violation": (3, 14),
    "precedence-cutoff": (3, 15),
    "source-quench": (4, 0),
    "reassembly-time-exceeded": (11, 1),
    "parameter-problem": (12, 0),
}
