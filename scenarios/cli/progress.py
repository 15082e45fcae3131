"""What a person sees while many cells run: on a terminal each lab with its cell, how many are done, the time that is
left and the last verdicts; elsewhere a line for each verdict.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scenarios.lab.heartbeat import minutes, pulse
from scenarios.lab.markup import escape
from scenarios.report.console import STYLES, console, marked
from scenarios.run.session import Happened
from scenarios.spec.cell import Cell
from scenarios.verdict.check import MARKS, Verdict
from scenarios.verdict.result import Result

LAST = 8  # verdicts that stay in sight
SHOWN = 16  # labs with their cells: many machines have more than a terminal has lines
USUAL_S = 3.0  # of a cell of which nothing is known


class Alone:
    """The only cell of a run. A composition comes up before its control, and says so itself."""

    def __init__(self, cell: Cell) -> None:
        self._title = cell.title
        self.part = "" if cell.chosen.service.compose else "the control first, then the fault"

    def follow(self, event: Happened) -> None:
        """Note which of its two scripts is under way. Called in a worker's thread."""
        self.part = "with the fault" if event.armed else "the control, without the fault"

    def display(self) -> contextlib.AbstractContextManager[object]:
        """Keep it in sight for the time of the `with` block."""
        return pulse.under_way(self._title, lambda: self.part)


class Progress:
    """`began` and `told` are called from the labs' threads. `expected_s` is how long cells took before, by title."""

    def __init__(self, total: int, labs: int, expected_s: Mapping[str, float], cells: Sequence[Cell]) -> None:
        self._total, self._labs = total, labs
        self._expected_s = dict(expected_s)
        self._left_s = sum(self.expected_s(cell) for cell in cells)
        self._whole_s = self._left_s or 1.0
        self._began_s = time.monotonic()
        self._pace = 1.0  # what a cell takes, as a part of what was expected
        self._spent_s = self._spent_expected_s = 0.0
        self.verdicts: Counter[Verdict] = Counter()
        self._running: dict[str, tuple[Cell, float]] = {}
        self._last: deque[RenderableType] = deque(maxlen=LAST)
        self._lock = threading.Lock()

    def expected_s(self, cell: Cell) -> float:
        """How long a cell will take, as far as one knows."""
        return self._expected_s.get(cell.title, USUAL_S)

    def display(self) -> contextlib.AbstractContextManager[None]:
        """Keep it in sight for the time of the `with` block."""
        return pulse.display(self, at_once=True)

    def begin_cell(self, lab: str, cell: Cell) -> None:
        """A lab has begun with a cell."""
        with self._lock:
            self._running[lab] = cell, time.monotonic()

    def report(self, result: Result, *, in_words: bool = True) -> None:
        """A cell has been run. `in_words`: its verdict is a line, where it is not drawn."""
        with self._lock:
            self.verdicts[result.verdict] += 1
            expected_s = self.expected_s(result.cell)
            self._left_s -= expected_s
            self._spent_s += result.duration_s
            self._spent_expected_s += expected_s
            if self._spent_expected_s:  # cells that took no time at all the last time say nothing of this one
                self._pace = self._spent_s / self._spent_expected_s
            self._running = {lab: each for lab, each in self._running.items() if each[0] is not result.cell}
            line = self._line(result)
            self._last.append(Text.from_markup(line, overflow="ellipsis"))
        if in_words and not pulse.draws:
            console.print(line)

    @property
    def count_done(self) -> int:
        return self.verdicts.total()

    @property
    def left_s(self) -> float:
        """How long it will still take, as far as one knows."""
        return max(0.0, self._left_s * self._pace / max(1, self._labs))

    def _line(self, result: Result) -> str:
        number = f"[dim]{self.count_done:>{len(str(self._total))}}/{self._total}[/]"
        word = f" [dim]{escape(result.survival.word)}[/]" if result.survival else ""
        otherwise = otherwise_than_promised(result) if result.verdict is Verdict.PASS else ""
        mark = Verdict.FAIL if otherwise else result.verdict
        line = f"{number} {marked(mark, result.cell.title)}{word} [dim]{result.duration_s:.1f} s[/]"
        if otherwise:
            line += f"\n      [{STYLES[mark]}]otherwise than promised[/]: {escape(otherwise)}"
        elif result.verdict is not Verdict.PASS:
            line += f"\n      [{STYLES[result.verdict]}]{result.verdict.value}[/]: {escape(result.sentence)}"
        return line

    def _labs_shown(self) -> list[tuple[str, Cell, float]]:
        """The labs by name, `lab 4` before `lab 10`, each with its cell and since when: as many as one can look at."""
        running = sorted(self._running.items(), key=lambda each: (len(each[0]), each[0]))
        return [(lab, cell, began_s) for lab, (cell, began_s) in running[:SHOWN]]

    def lines(self) -> Sequence[str]:
        """What is to be said where no terminal is: how far it is, and where each lab is."""
        with self._lock:
            now_s = time.monotonic()
            labs = [f"{lab}: {cell.title} ({minutes(now_s - began_s)})" for lab, cell, began_s in self._labs_shown()]
            left = f", {minutes(self.left_s)} left" if self.count_done else ""
            took = minutes(now_s - self._began_s)
            return ["; ".join([f"{self.count_done} of {self._total} done in {took}{left}", *labs])]

    def picture(self) -> RenderableType:
        """All that is to be seen now."""
        with self._lock:
            now_s = time.monotonic()
            labs = Table.grid(padding=(0, 2))
            for lab, cell, began_s in self._labs_shown():
                labs.add_row(f"[cyan]{escape(lab)}[/]", escape(cell.title), f"[dim]{now_s - began_s:.0f} s[/]")
            counts = "  ".join(f"[{STYLES[each]}]{MARKS[each]} {self.verdicts[each]}[/]" for each in Verdict)
            bar = Table.grid(padding=(0, 2))
            left = f"{minutes(self.left_s)} left" if self.count_done else ""
            bar.add_row(
                ProgressBar(total=self._whole_s, completed=self._whole_s - self._left_s, width=40),
                f"{self.count_done} of {self._total}",
                counts,
                left,
            )
            return Group(*self._last, Text(), labs, bar)


def otherwise_than_promised(result: Result) -> str:
    """What of a cell is not as promised, and why; empty where all is, or nothing is known."""
    if result.survival is None or result.survival.is_as_promised is not False:
        return ""
    claim = f"{result.survival.word}: {result.sentence}" if result.verdict is Verdict.FAIL else ""
    return "; ".join(each for each in (claim, result.survival.otherwise) if each)
