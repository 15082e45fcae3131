"""Many cells, on one lab or on several side by side: a worker a lab, each with a stage of its own.

Ctrl-C reaches the main thread only: it tells the workers, which undo what they have begun, and waits for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from scenarios.evidence import run_folder as runs
from scenarios.evidence.run_folder import StorageProblem, folder_of
from scenarios.lab import signals
from scenarios.lab.errors import LabProblem
from scenarios.lab.futures import is_any_left
from scenarios.lab.lab import Lab
from scenarios.lab.pool import give_back
from scenarios.run.agenda import Agenda, Balanced, InOrder
from scenarios.run.cell import TRIES
from scenarios.run.session import Happened, Interrupted
from scenarios.run.workplace import Workplace
from scenarios.spec.cell import Cell
from scenarios.verdict.result import Result


@dataclass(slots=True)
class Campaign:
    """Cells to be run on labs. `tell` is given each result as it comes, with its evidence: it alone may keep that.

    `say` is given a line of what else is done, `complain` one of what went wrong and is tried again; `began` is told of
    each cell that is begun and its lab (`lab 3`), `happened` of each event of its scripts; both in a worker's thread.
    """

    run_folder: Path
    labs: Sequence[Lab]
    tell: Callable[[Result], None]
    say: Callable[[str], None] = lambda _: None
    complain: Callable[[str], None] = lambda _: None
    on_begin: Callable[[str, Cell], None] = lambda _, __: None
    beside: bool = False  # also ask what becomes of other clients
    keep: bool = False  # leave the borrowed labs up
    results: list[Result] = field(default_factory=list)
    happened: Callable[[Happened], None] = lambda _: None
    tries: int = TRIES  # of a cell, where something stood still
    took_s: Mapping[str, float] | None = None  # what cells took before, by title; None: they are run in their order
    _stop: threading.Event = field(default_factory=threading.Event)
    _problems: list[BaseException] = field(default_factory=list)
    _reporting: threading.Lock = field(default_factory=threading.Lock)

    def run(self, cells: Sequence[Cell], until: Callable[[], bool] = lambda: False) -> list[Result]:
        """Run them all, or until told; return the results in the order in which they came, without their evidence.

        Raise KeyboardInterrupt when interrupted, with every fault undone; LabProblem when no lab could be had for what
        is left; StorageProblem when the disk is full; and what is a bug. `results` has what was run by then.
        """
        waiting: Agenda = InOrder(cells) if self.took_s is None else Balanced(cells, self.took_s)
        already = len(self.results)
        workers: list[Future[None]] = []
        with ThreadPoolExecutor(max(1, len(self.labs)), thread_name_prefix="lab") as pool:
            try:
                for lab in self.labs[: max(1, len(cells))]:
                    workers.append(pool.submit(self._work, lab, waiting, until))
                while is_any_left(workers):
                    pass
            except BaseException as why:
                self._stop.set()
                try:
                    if isinstance(why, KeyboardInterrupt):
                        self.complain(signals.acknowledgement())
                finally:
                    # Not by Thread.join(): one that is interrupted takes its thread for ended, up to Python 3.12.
                    wait(workers)
                raise
        is_left = len(self.results) - already < len(cells)
        for problem in self._problems:
            if is_left or not isinstance(problem, LabProblem | StorageProblem):
                raise problem
            self.complain(str(problem))  # the other labs did its part
        return self.results

    def _work(self, lab: Lab, waiting: Agenda, until: Callable[[], bool]) -> None:
        place = Workplace(lab, self._stop.is_set, self.say, self.complain, self.happened)
        try:
            self._run_on(place, waiting, until)
        except Interrupted:
            pass
        except BaseException as problem:  # it is raised where the campaign is waited for
            self._problems.append(problem)
        finally:
            if not self.keep:
                give_back([lab], self.complain)

    def _run_on(self, place: Workplace, waiting: Agenda, until: Callable[[], bool]) -> None:
        """Run cells at a workplace until none is left, or it is told to stop."""
        try:
            while waiting and not self._stop.is_set() and not until():
                stage = place.open()  # before a cell is taken: where it cannot be had, another lab does its part
                stage.check_interrupted()
                runs.check_room(self.run_folder)
                cell = waiting.next_of(place.lab.number)
                if cell is None:
                    return
                self.on_begin(f"lab {place.lab.number}", cell)
                folder = folder_of(self.run_folder, cell)
                result = place.run(cell, folder, beside=self.beside, tries=self.tries)
                with self._reporting:
                    self.results.append(replace(result, seen={}))  # which holds every frame
                    self.tell(result)
        finally:
            place.close()
