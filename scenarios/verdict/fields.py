"""A field that differs between two messages of the same program on different machines: where it is, and a guess at why.

No I/O. The reasons that a guess chooses from are in reasons.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final, Literal

from scenarios.lab.valueclass import valueclass

ByteOrder = Literal["little", "big"]
Kind = Literal[
    "not converted",
    "converted twice",
    "other order",
    "padding",
    "long",
    "time_t",
    "bit-fields",
    "text in words",
    "float in native order",
    "errno",
    "two bytes read as four",
    "words in native order",
]
# What an explanation costs: the fewer fields, and the more usual, the better.
FIELD, UNALIGNED, UNUSUAL = 100, 5, 20
TIMES: Final = range(1_000_000_000, 2**31)  # Unix times that a program of today has: 2001 to 2038
ONE_RUN_S: Final = 86_400  # two runs of a comparison are not further apart


@valueclass
class Sender:
    """What of a machine may show in the bytes that its programs send. `bits`: of a long; `aligned`: the most bytes that
    a number is aligned to in a struct; `errnos`: the names, by number.
    """

    cpu: str
    byteorder: ByteOrder
    bits: int
    aligned: int = 8
    errnos: Mapping[int, str] = field(default_factory=dict, repr=False)


@valueclass
class Guess:
    """A kind of fault, and why, in a sentence."""

    kind: Kind
    why: str


@valueclass
class Field:
    """A field that differs: where it is, and how many bytes it takes, in both messages."""

    at: int
    taken: int
    at_there: int
    taken_there: int
    guess: Guess
    cost: int = FIELD


@valueclass
class Place:
    """One place in both messages, and the machines that sent them."""

    mine: bytes
    theirs: bytes
    at: int
    at_there: int
    here: Sender
    there: Sender

    def field(self, taken: int, taken_there: int, guess: Guess, cost: int = FIELD) -> Field:
        return Field(self.at, taken, self.at_there, taken_there, guess, cost)

    def cut(self, taken: int, taken_there: int) -> tuple[bytes, bytes] | None:
        """So many bytes of each; None where there are fewer."""
        mine, theirs = self.mine[self.at :][:taken], self.theirs[self.at_there :][:taken_there]
        return (mine, theirs) if (len(mine), len(theirs)) == (taken, taken_there) else None

    @property
    def orders_differ(self) -> bool:
        return self.here.byteorder != self.there.byteorder

    @property
    def is_behind_a_zero(self) -> bool:
        """Whether zeros are before it in both messages: padding, or a number's own."""
        return self.at > 0 and self.at_there > 0 and self.mine[self.at - 1] == self.theirs[self.at_there - 1] == 0

    def is_adrift(self, width: int) -> bool:
        """Whether nobody knows that a number of so many bytes begins here: zeros are before it, of which one message
        has more, and a compiler would not put it here.
        """
        return bool(self.at % width) and self.is_behind_a_zero and len(self.mine) != len(self.theirs)
