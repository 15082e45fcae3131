"""The words of faults that a kernel makes, and which values they take.

The modules of faults/ make them. Nothing here knows how, so that a drill is read without a lab.
"""

from __future__ import annotations

from typing import Literal

Error = Literal["too-big", "unreachable", "time-exceeded", "parameter-problem"]

Route = Literal["unreachable", "throw", "prohibit", "blackhole"]

Otherwise = Literal["silence", "tcp-reset"]

Protocol = Literal["tcp", "udp"]

Kind = Literal[
    "any", "tcp", "udp", "icmp", "syn", "syn-ack", "established", "data", "fin", "rst", "fragment", "later-fragment"
]

# What has no ports that could be matched: only the first fragment has them, and all but the first have no flags.
IN_PIECES: tuple[Kind, ...] = ("fragment", "later-fragment")

NOT_TCP: tuple[Kind, ...] = ("udp", "icmp", "fragment", "later-fragment")
Refusal = Literal[
    "net-unreachable", "host-unreachable", "prot-unreachable", "port-unreachable", "admin-prohibited", "tcp-reset"
]


def check_selected_port(kind: Kind, port: int | None) -> None:
    """Raise ValueError, which begins with the key of a drill, for a port that packets of this kind cannot have."""
    if port is not None and kind in ("icmp", *IN_PIECES):
        raise ValueError(f"port: packets of the kind {kind} are not selected by port")
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"port: expected 1 to 65535, got {port}")


def check_refusal(by: Refusal, kind: Kind) -> None:
    """Raise ValueError, which begins with the key of a drill, where packets of this kind cannot be refused so."""
    if by == "tcp-reset" and kind in NOT_TCP:
        raise ValueError(f"by: a TCP reset answers TCP only, not packets of the kind {kind}")
    if kind in IN_PIECES:
        raise ValueError(f"of: packets of the kind {kind} can be dropped only, by a `silence`")


SHORTEST_S, LONGEST_S = 0.05, 86400.0


def check_idle_time(after_s: float) -> None:
    """Raise ValueError, which begins with the key of a drill, for a time that a set's elements cannot be given."""
    if not SHORTEST_S <= after_s <= LONGEST_S:
        raise ValueError(f"after: a connection is forgotten after {SHORTEST_S} to {LONGEST_S:g} s, not {after_s:g}")


MTUS = range(1280, 1501)  # of IPv6 at least (RFC 8200, 5), of Ethernet at most


def check_mtu(size: int) -> None:
    """Raise ValueError, which begins with the key of a drill, for an MTU that no leg can be given."""
    if size not in MTUS:
        raise ValueError(f"bytes: an MTU is {MTUS[0]} to {MTUS[-1]} bytes, not {size}")


FRAME = 1514  # the largest of Ethernet, without its checksum

BITS_PER_S = (1000, 100_000_000_000)
BUFFER_BYTES = 1 << 30  # what may wait in the firewall's memory


def check_rate(bits_per_s: int, burst_bytes: int, limit_bytes: int) -> None:
    """Raise ValueError, which begins with the key of a drill, for a rate that no leg can be given."""
    if not BITS_PER_S[0] <= bits_per_s <= BITS_PER_S[1]:
        raise ValueError(f"bits_per_s: expected {BITS_PER_S[0]} to {BITS_PER_S[1]}, got {bits_per_s}")
    for key, size in (("burst_bytes", burst_bytes), ("limit_bytes", limit_bytes)):
        if not FRAME <= size <= BUFFER_BYTES:
            raise ValueError(f"{key}: expected {FRAME}, a whole frame, to {BUFFER_BYTES} bytes, got {size}")
