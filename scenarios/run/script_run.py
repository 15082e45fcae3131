"""One run of a drill's script, with its faults or without, as all parts of the performance know it.

Where it runs, who plays which role, and its log: each event with its time, and how long each phase took.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from scenarios.evidence.record import Event
from scenarios.run.session import Happened, Stage
from scenarios.spec.cast import Cast
from scenarios.spec.cell import Cell
from scenarios.spec.fault import Fault


class ScriptRun:
    """A run of the script of `cell` on `stage`; `armed`: with the drill's faults, so not the control."""

    def __init__(self, stage: Stage, cell: Cell, *, armed: bool) -> None:
        self.stage, self.cell, self.drill, self.armed = stage, cell, cell.drill, armed
        self.cast = Cast(stage.lab.topology, cell.host_pair, cell.drill.family, *cell.machines)
        self.events: list[Event] = []
        self.timings_s: dict[str, float] = {}
        self.in_force: list[str] = []  # the faults' names, with those of programs that stand in another's place

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that this run puts in force; the control has the conditions only."""
        return tuple(self.drill.faults if self.armed else self.drill.givens)

    @contextlib.contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time of the `with` block to that of a phase."""
        began_s = time.monotonic()
        try:
            yield
        finally:
            self.timings_s[phase] = self.timings_s.get(phase, 0.0) + time.monotonic() - began_s

    def note(self, what: str) -> None:
        """Log an event, which is evidence, and tell whoever follows the run."""
        self.events.append(Event(time.time_ns(), what))
        self.tell(what)

    def tell(self, what: str) -> None:
        """Tell whoever follows the run; it is no evidence."""
        self.stage.happened(Happened(self.cell.title, self.armed, time.time_ns(), what, tuple(self.in_force)))
