"""Amounts as a person writes them in a drill: `200ms`, `1.5s`, `0.9s to 1.5s`; `str` gives them back."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from scenarios.spec.declaration_error import quoted


def matched(pattern: re.Pattern[str], text: str, expected: str) -> re.Match[str]:
    """Match the whole of what a person wrote. Raises ValueError, which says what was expected."""
    if match := pattern.fullmatch(text.strip()):
        return match
    raise ValueError(f"expected {expected}, got {quoted(text)}")


UNITS_S = {"ms": 0.001, "s": 1.0, "min": 60.0}
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|min)")
LONGEST_S = 600.0


class Seconds(float):
    """A length of time. `str` gives it as it would be written: 0.2 is `200ms`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `200ms`, `1.5s` or `2min`. Raises ValueError, also for more than LONGEST_S."""
        match = matched(_AMOUNT, text, "a length of time such as 200ms, 1.5s or 2min")
        found = cls(float(match[1]) * UNITS_S[match[2]])
        if found > LONGEST_S:
            raise ValueError(f"{quoted(text)} is more than {LONGEST_S:g}s, the longest time in a drill")
        return found

    def __str__(self) -> str:
        return f"{float(self) * 1000:.4g}ms" if self < 1 else f"{float(self):.4g}s"


class Band(NamedTuple):
    """From a shortest to a longest time, both included."""

    least: Seconds
    most: Seconds

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `0.9s to 1.5s`. Raises ValueError."""
        least, separator, most = text.partition(" to ")
        if not separator:
            raise ValueError(f"expected a band such as `0.9s to 1.5s`, got {quoted(text)}")
        found = cls(Seconds.parse(least), Seconds.parse(most))
        if found.least > found.most:
            raise ValueError(f"the band {quoted(text)} ends before it begins")
        return found

    def holds(self, seconds: float) -> bool:
        return self.least <= seconds <= self.most

    def __str__(self) -> str:
        return f"{self.least} to {self.most}"


def so_many(count: int, noun: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{count} {noun}" + ("" if count == 1 else "s")
