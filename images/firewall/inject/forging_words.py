"""The words of packets that nobody sent, and of packets that are only counted.

Sources: RFC 9293, 3.10.7.4 (which resets a receiver believes); RFC 5927, 6 (ICMP errors that nobody asked for).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Forged = Literal["rst", "net-unreachable", "host-unreachable", "protocol-unreachable", "port-unreachable"]
FORGED_ICMP: Mapping[Forged, int] = {  # the codes of "destination unreachable" (RFC 792)
    "net-unreachable": 0,
    "host-unreachable": 1,
    "protocol-unreachable": 2,
    "port-unreachable": 3,
}
OFF_LIMIT = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Watch:
    """The packet goes on as it came, and is counted."""


@dataclass(frozen=True, slots=True)
class Forge:
    """The packet goes on, and behind it come packets as if one end had sent them to the other.

    `rst` is the sequence number that the end which gets it expects next, and `off_by` more; `towards` is the end of the
    picked packet that gets it. An ICMP error goes to the sender, as if from the receiver; the sequence number in what
    it quotes is `off_by` more than that of the packet. ICMP is of IPv4 only.
    """

    what: Forged
    towards: Literal["sender", "receiver", "both"] = "sender"
    off_by: int = 0

    def __post_init__(self) -> None:
        if not -OFF_LIMIT <= self.off_by <= OFF_LIMIT:
            raise ValueError(f"off_by is {-OFF_LIMIT} to {OFF_LIMIT}, not {self.off_by}")
        if self.what != "rst" and self.towards != "sender":
            raise ValueError(f"towards is sender for an ICMP error, not {self.towards}: the sender is told")


OfForging = Watch | Forge
