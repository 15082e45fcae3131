"""Which machines give more than their share of `unproven`: they are set aside, and a person is told.

A cell is unproven where the lab could not prove it: the machine stood still, its engine did not answer, a tool failed.
One machine that gives many of those is ill; all that do have a cause in common, and none is set aside.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

FEWEST: Final = 5  # unproven cells of a machine, before anything is made of them
TIMES: Final = 3  # as many as the others, of as many cells
OF_ALL: Final = 0.2  # and of its own cells at least this part


@dataclass(slots=True)
class Shares:
    """What the machines gave so far."""

    ran: Counter[str] = field(default_factory=Counter)
    unproven: Counter[str] = field(default_factory=Counter)

    def add(self, machine: str, *, is_unproven: bool) -> None:
        self.ran[machine] += 1
        self.unproven[machine] += is_unproven

    def too_many(self, machine: str) -> str:
        """Return in words that a machine gives too many, `6 of its 10 cells are unproven, 1 of 40 elsewhere`; or ""."""
        own, ran = self.unproven[machine], self.ran[machine]
        others, others_ran = self.unproven.total() - own, self.ran.total() - ran
        if own < FEWEST or not others_ran or own < OF_ALL * ran:
            return ""
        if own * others_ran <= TIMES * others * ran:
            return ""
        return f"{own} of its {ran} cells are unproven, {others} of {others_ran} elsewhere"
