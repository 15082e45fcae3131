"""A lab for cell after cell: its stage stays open between them, and is opened again after one that broke off.

One thread uses a workplace at a time. What becomes of a cell is the cell's verdict (run/cell.py); what keeps the lab
from being ready is raised here.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from docker.errors import DockerException

from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabInUse, LabProblem, NoEngine
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.run.cell import TRIES, run
from scenarios.run.session import Happened, Interrupted, Stage
from scenarios.spec.cell import Cell
from scenarios.verdict.result import Result

OPENS_TIMES = 3  # how often it is tried to have the lab ready
# What keeps a lab from being ready; OSError is of requests, by which the engine is asked. Anything else is a bug.
OF_A_LAB = (
    LabProblem,
    CommandFailed,
    NoEngine,
    DeadlinePassed,
    DockerException,
    OSError,
    subprocess.SubprocessError,
)


@dataclass(slots=True)
class Workplace:
    """`say` is given a line of what is done, `complain` one of what went wrong and is tried again.

    `interrupted` says whether to stop at the next step; `happened` is told of each event of a script. The caller closes
    it at the end, also after an exception.
    """

    lab: Lab
    interrupted: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = lambda _: None
    complain: Callable[[str], None] = lambda _: None
    happened: Callable[[Happened], None] = lambda _: None
    _stage: Stage | None = None

    def open(self) -> Stage:
        """Return its stage, open, on a lab that is up. Raise LabProblem when it cannot be had; Interrupted."""
        if self._stage is None:
            self._stage = self._opened()
        return self._stage

    def _opened(self) -> Stage:
        lab = self.lab
        for number in range(1, OPENS_TIMES + 1):
            try:
                if number == OPENS_TIMES:  # whatever is the matter with its machines, new ones have it not
                    self.say(f"lab {lab.number} is taken down and made again")
                    with lab.hold_alone():
                        lab.down()
                if not lab.is_up():
                    with under_way(f"lab {lab.number} comes up"):
                        took_s = lab.up(self._check_interrupted)
                    self.say(f"lab {lab.number} is up, {took_s:.1f} s")
                return Stage(lab, self.interrupted, self.happened).__enter__()
            except LabInUse:
                raise
            except OF_A_LAB as problem:
                if self.interrupted():
                    raise Interrupted from problem
                if number == OPENS_TIMES:
                    raise LabProblem(f"lab {lab.number} cannot be used: {problem}") from problem
                self.complain(f"lab {lab.number}: {problem}")
        raise AssertionError  # for mypy: the last try returns or raises

    def _check_interrupted(self) -> None:
        if self.interrupted():
            raise Interrupted

    def run(self, cell: Cell, folder: Path, *, beside: bool = False, tries: int = TRIES) -> Result:
        """Run a cell, as run/cell.py does; after one that broke off, which may have broken the stage, it is closed."""
        result = run(self.open(), cell, folder, beside=beside, tries=tries)
        if result.broke_off:
            self.close()
        return result

    def close(self) -> None:
        """Undo what is in force; where that does not succeed, say so: the next stage on this lab does it again."""
        stage, self._stage = self._stage, None
        if stage is None:
            return
        try:
            stage.__exit__(*sys.exc_info())
        except Exception as problem:
            self.complain(f"lab {self.lab.number}: not all was undone (the next run on it tries again): {problem}")
