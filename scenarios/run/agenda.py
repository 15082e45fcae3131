"""Which cell a lab runs next, of those that wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from typing import Protocol

from scenarios.spec.cell import Cell

UNKNOWN_S = 3.0  # of a cell of which nothing is known: half of all take less


class Agenda(Protocol):
    """Cells that wait. Labs may ask from threads of their own."""

    def __bool__(self) -> bool:
        """Whether any waits."""
        ...

    def next_of(self, lab: Hashable) -> Cell | None:
        """The next cell for a lab that has none; None where none waits."""
        ...


class InOrder:
    """The cells as they were given: for what is to be broken off after any of them."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._left = deque(cells)

    def __bool__(self) -> bool:
        return bool(self._left)

    def next_of(self, _: Hashable) -> Cell | None:
        """The first; popleft() is one step for all threads."""
        try:
            return self._left.popleft()
        except IndexError:
            return None


class Balanced:
    """Cells whose order is nobody's business but that of the time that all of them take.

    A short cell keeps a processor busy, a long one waits: the short ones together would be in each other's way, and
    the long ones leave the machine idle. So a lab that takes a new drill takes the one with the longest cells where the
    others begin as many cells a second as is the mean of all, and the one with the shortest where they begin fewer.
    It stays with that drill; where no drill is left that no lab has, it helps with the one that would take longest, and
    the long cells are over by then.

    `took_s` is what cells took before, by title. A drill of which none is known is taken to be an ordinary one.
    """

    def __init__(self, cells: Sequence[Cell], took_s: Mapping[str, float]) -> None:
        self._lock = threading.Lock()
        self._left: dict[str, deque[Cell]] = {}
        for cell in cells:
            self._left.setdefault(cell.drill.drill, deque()).append(cell)
        self._each_s = {drill: _mean_s(of_drill, took_s) for drill, of_drill in self._left.items()}
        self._drill_of: dict[Hashable, str] = {}

    def __bool__(self) -> bool:
        return bool(self._left)

    def next_of(self, lab: Hashable) -> Cell | None:
        with self._lock:
            drill = self._drill_of.pop(lab, None)
            if not self._left:
                return None
            if drill not in self._left:
                drill = self._other_drill()
            self._drill_of[lab] = drill
            cell = self._left[drill].popleft()
            if not self._left[drill]:
                del self._left[drill]
            return cell

    def _other_drill(self) -> str:
        """A drill that no lab has; where each has one, that with the most left."""
        free = self._left.keys() - self._drill_of.values()
        if not free:
            return max(self._left, key=self._left_s)
        # Of those with the same, the one that was found first.
        in_order = sorted((each for each in self._left if each in free), key=self._each_s.__getitem__, reverse=True)
        begun_a_second = sum(1 / self._each_s[drill] for drill in self._drill_of.values())
        left_s = sum(self._left_s(drill) for drill in self._left)
        mean = sum(map(len, self._left.values())) / left_s * len(self._drill_of)
        return in_order[0] if begun_a_second >= mean else in_order[-1]

    def _left_s(self, drill: str) -> float:
        return len(self._left[drill]) * self._each_s[drill]


def _mean_s(cells: Sequence[Cell], took_s: Mapping[str, float]) -> float:
    known = [took_s[cell.title] for cell in cells if cell.title in took_s]
    return max(0.01, sum(known) / len(known)) if known else UNKNOWN_S
