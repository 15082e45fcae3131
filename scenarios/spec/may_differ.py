"""Which bytes of a conversation may be others on another machine, as ranges that a person writes: `4-7`."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import quoted
from scenarios.spec.units import matched

_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


class ByteRange(NamedTuple):
    """Bytes of all that one end sends over a connection, counted from 0, both ends of the range included."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `4-7`, or `4`, which is one byte. Raises ValueError."""
        match = matched(_RANGE, text, "a range of bytes such as 4-7, counted from 0, or one byte")
        first = int(match[1])
        found = cls(first, int(match[2] or first))
        if found.last < first:
            raise ValueError(f"the range {quoted(text)} ends before it begins")
        return found

    def __str__(self) -> str:
        return f"{self.first}-{self.last}" if self.last > self.first else f"{self.first}"


@declaration
class MayDiffer:
    """Which bytes of the client (`request`) and of the server (`answer`) may be others on another machine.

    They are those that say the sender's byte order, or that follow it. An empty list: none may. A key that is left out
    says nothing: then nobody knows whether a byte that differs is meant to.
    """

    request: tuple[ByteRange, ...] | None = None
    answer: tuple[ByteRange, ...] | None = None

    def __post_init__(self) -> None:
        if self.request is None and self.answer is None:
            raise ValueError("expected `request` or `answer`, each a list of byte ranges: {request: [4-7], answer: []}")
