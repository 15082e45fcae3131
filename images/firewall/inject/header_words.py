"""The words of what is done to a packet's headers: options taken away, fields changed, sequence numbers shifted.

Sources: RFC 9293, 3.1 and 3.2 (TCP and its options), RFC 7323 (window scale, timestamps), RFC 2018 (SACK), RFC 7413
(Fast Open), RFC 3168 (ECN), RFC 2474 (DSCP).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Option = Literal["mss", "window-scale", "sack-permitted", "sack", "timestamps", "fast-open"]
OPTION_KINDS: Mapping[Option, int] = {
    "mss": 2,
    "window-scale": 3,
    "sack-permitted": 4,
    "sack": 5,
    "timestamps": 8,
    "fast-open": 34,
}
Field = Literal["mss", "window-scale", "ecn", "dscp", "ttl", "urgent"]
FIELDS: Mapping[Field, tuple[int, int]] = {  # from which to which value
    "mss": (1, 65535),
    "window-scale": (0, 14),
    "ecn": (0, 3),
    "dscp": (0, 63),
    "ttl": (1, 255),
    "urgent": (0, 65535),
}
OF_TCP: tuple[Field, ...] = ("mss", "window-scale", "urgent")
SHIFT_LIMIT = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Strip:
    """The option becomes as many NOPs, as middleboxes do it: the header stays as long as it was."""

    option: Option


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A field becomes `to`. `mss` and `window-scale` are those of options that are there.

    `ecn` is 0 (not ECN-capable), 1 or 2 (ECT(1), ECT(0)) or 3 (congestion experienced). `ttl` is as the packet comes to
    the firewall, which counts it down. `urgent` is the urgent pointer, whose flag is set; of 0 it is cleared.
    """

    field: Field
    to: int

    def __post_init__(self) -> None:
        least, most = FIELDS[self.field]
        if not least <= self.to <= most:
            raise ValueError(f"to is {least} to {most} for {self.field}, not {self.to}")


@dataclass(frozen=True, slots=True)
class ClampMss:
    """The MSS of the option is `most` where it was more."""

    most: int

    def __post_init__(self) -> None:
        if not 1 <= self.most <= 65535:
            raise ValueError(f"most is 1 to 65535, not {self.most}")


@dataclass(frozen=True, slots=True)
class ShiftSequence:
    """The sequence numbers are `by` higher, modulo 2^32."""

    by: int

    def __post_init__(self) -> None:
        _check_shift(self.by)


@dataclass(frozen=True, slots=True)
class ShiftAcknowledgement:
    """The acknowledgement numbers are `by` lower, modulo 2^32; with `sack` those of SACK blocks too."""

    by: int
    sack: bool = True

    def __post_init__(self) -> None:
        _check_shift(self.by)


OfHeaders = Strip | Rewrite | ClampMss | ShiftSequence | ShiftAcknowledgement


def _check_shift(by: int) -> None:
    if not 1 <= by <= SHIFT_LIMIT:
        raise ValueError(f"by is 1 to {SHIFT_LIMIT}, not {by}")


def is_of_tcp(action: OfHeaders) -> bool:
    """Whether it changes the header of TCP, and so needs segments."""
    return not isinstance(action, Rewrite) or action.field in OF_TCP
