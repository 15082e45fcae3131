"""The pauses that a drill itself makes: they are no stalls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scenarios.evidence.stalls import Stall
from scenarios.lab.valueclass import valueclass


@valueclass
class Pause:
    """A pause that the drill itself made: of a program, or (pid None) of the container of a guest."""

    machine: str
    pid: int | None
    began_ns: int
    ended_ns: int | None = None  # None: at the end of the script

    def is_cause_of(self, stall: Stall) -> bool:
        """Whether the stall is this pause."""
        if stall.machine != self.machine or stall.why == "starved":
            return False
        of_it = stall.pid == self.pid if self.pid is not None else stall.why in ("held", "frozen")
        return of_it and stall.ended_ns >= self.began_ns and (self.ended_ns is None or stall.began_ns <= self.ended_ns)


def without(found: Iterable[Stall], pauses: Sequence[Pause]) -> list[Stall]:
    """The stalls that no pause of the drill made."""
    return [each for each in found if not any(pause.is_cause_of(each) for pause in pauses)]
