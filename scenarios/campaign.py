"""Many cells, on one lab or on several side by side: a worker a lab, each with a stage of its own.

Ctrl-C reaches the main thread only: it tells the workers, which undo what they have begun, and waits for them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from scenarios import engine, runs
from scenarios.drill import Cell
from scenarios.heartbeat import under_way
from scenarios.lab import Lab
from scenarios.lending import give_back
from scenarios.programs import LabProblem
from scenarios.running import Result, run
from scenarios.stage import Interrupted, Stage

OPENS_TIMES = 3  # how often a worker may open a stage anew without one cell that was run to its end


def folder_of(run_folder: Path, cell: Cell) -> Path:
    """The folder of a cell, made."""
    pair = cell.pair if cell.repeat == 1 else f"{cell.pair}-{cell.repeat}"
    return runs.cell(run_folder, cell.drill.drill, cell.chosen.name.replace("/", "-"), pair)


@dataclass(slots=True)
class Campaign:
    """Cells to be run on labs. `tell` is given each result as it comes, `say` a line of what else happens.

    `began` is told of each cell that a lab begins with.
    """

    run_folder: Path
    labs: Sequence[Lab]
    tell: Callable[[Result], None]
    say: Callable[[str], None] = lambda _: None
    began: Callable[[Lab, Cell], None] = lambda _, __: None
    beside: bool = False  # also ask what becomes of other clients
    keep: bool = False  # leave the borrowed labs up
    results: list[Result] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _problems: list[BaseException] = field(default_factory=list)
    _told: threading.Lock = field(default_factory=threading.Lock)

    def run(self, cells: Sequence[Cell], until: Callable[[], bool] = lambda: False) -> list[Result]:
        """Run them all, or until told; the results in the order in which they came.

        Raises KeyboardInterrupt when interrupted, with every fault undone; `results` has what was run by then. Raises
        LabProblem when no lab could be had for what is left.
        """
        waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
        for cell in cells:
            waiting.put(cell)
        on = self.labs[: max(1, len(cells))]
        with ThreadPoolExecutor(len(on), thread_name_prefix="lab") as pool:
            workers = [pool.submit(self._work, lab, waiting, until) for lab in on]
            try:
                wait(workers)
            except KeyboardInterrupt:
                # Not by Thread.join(): one that is interrupted takes its thread for ended, up to Python 3.12.
                self._stop.set()
                wait(workers)
                raise
        if self._problems and (not waiting.empty() or not isinstance(self._problems[0], LabProblem)):
            raise self._problems[0]
        return self.results

    def _work(self, lab: Lab, waiting: queue.SimpleQueue[Cell], until: Callable[[], bool]) -> None:
        in_vain = 0
        try:
            while in_vain < OPENS_TIMES and not waiting.empty() and not self._stop.is_set() and not until():
                in_vain += 1
                try:
                    if not lab.is_up():
                        with under_way(f"lab {lab.number} comes up"):
                            took_s = lab.up()
                        self.say(f"lab {lab.number} is up, {took_s:.1f} s")
                    with Stage(lab, self._stop.is_set) as stage:
                        in_vain = self._run_on(stage, waiting, until, in_vain)
                except (LabProblem, engine.CommandFailed) as problem:
                    self.say(f"lab {lab.number}: {problem}")
                    if in_vain == OPENS_TIMES:
                        raise
        except Interrupted:
            pass
        except BaseException as problem:  # it is raised where the campaign is waited for
            self._problems.append(problem)
        finally:
            if not self.keep:
                give_back([lab])

    def _run_on(self, stage: Stage, waiting: queue.SimpleQueue[Cell], until: Callable[[], bool], in_vain: int) -> int:
        """Run cells on a stage until none is left, or one broke it."""
        while not until():
            stage.check_interrupted()
            try:
                cell = waiting.get_nowait()
            except queue.Empty:
                return 0
            self.began(stage.lab, cell)
            result = run(stage, cell, folder_of(self.run_folder, cell), beside=self.beside)
            with self._told:
                self.results.append(result)
                self.tell(result)
            if result.broke_off:
                return in_vain
            in_vain = 0
        return 0
