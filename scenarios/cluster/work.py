"""What a worker does when the head asks: make ready for a run, run a cell, end a run.

The head names these functions, and Dask calls them in the worker's process, in threads: as many cells at once as it has
labs. What they return is plain data. The workplaces stay open from cell to cell, as on one machine (run/workplace.py).
"""

from __future__ import annotations

import functools
import queue
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scenarios.cluster import evidence, plan
from scenarios.cluster.plan import Plan
from scenarios.evidence.run_folder import folder_of
from scenarios.lab.errors import CommandFailed, LabProblem, UsageError
from scenarios.lab.lab import Lab
from scenarios.run.prepare import make_ready, needed_profiles
from scenarios.run.session import Interrupted
from scenarios.run.workplace import OF_A_LAB, Workplace
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.service import Services, services

# The keys of what is returned, one of them each time:
EVIDENCE: Final = "evidence"  # the archive of a cell's folder
READY: Final = "ready"
CANNOT: Final = "cannot"  # why this worker runs no cell
WRONG: Final = "wrong"  # why nobody can: what was asked for is wrong
LOST: Final = "lost"  # the lab is gone from beneath the cell, as it is when its engine was killed
ENDED: Final = "ended"  # the run was ended, or this worker is about to end

RUNNING: Final = {"running", "healthy", "starting", "unhealthy", "paused"}  # of a machine, see Machines.states
ENDS_REMEMBERED: Final = 100  # runs


@dataclass(slots=True)
class Worker:
    """The labs of this process, and what it was told. `say` and `complain` are given a line each."""

    labs: Sequence[Lab]
    say: Callable[[str], None] = lambda _: None
    complain: Callable[[str], None] = lambda _: None
    stop: threading.Event = field(default_factory=threading.Event)
    _ended: list[str] = field(default_factory=list)  # runs
    _free: queue.SimpleQueue[Workplace] = field(default_factory=queue.SimpleQueue)
    _running: dict[int, str] = field(default_factory=dict)  # the run that each lab works for
    _preparing: threading.Lock = field(default_factory=threading.Lock)
    _services: Services | None = None

    def __post_init__(self) -> None:
        for lab in self.labs:
            is_interrupted = functools.partial(self._is_interrupted, lab.number)
            self._free.put(Workplace(lab, is_interrupted, self.say, self.complain))

    def _is_interrupted(self, lab: int) -> bool:
        return self.stop.is_set() or self._running.get(lab) in self._ended

    @property
    def services(self) -> Services:
        if self._services is None:
            self._services = services()
        return self._services

    def prepare(self, plans: Sequence[Plan], of_services: Mapping[str, str]) -> dict[str, Any]:
        """Have images, programs and one lab ready for these cells, if the services are those of the head."""
        own = plan.own_services(plans, self.services)
        if differ := [name for name, digest in of_services.items() if own.get(name) != digest]:
            missing = [name for name in differ if not own.get(name)]
            why = f"; the worker has no {', '.join(missing)}" if missing else ""
            return {CANNOT: f"other services than those of the head: {', '.join(differ)}{why}"}
        cells = [each.cell(self.services) for each in plans]
        needed = needed_profiles(cells)
        with self._preparing:
            places = [self._free.get()]
            try:
                if not {*needed} <= {*places[0].lab.profiles}:
                    places += [self._free.get() for _ in self.labs[1:]]  # those that are at work, when they are free
                    for place in places:
                        place.close()
                        place.lab.profiles = tuple(dict.fromkeys((*place.lab.profiles, *needed)))
                make_ready(places[0].lab, cells)
            except (UsageError, DeclarationError) as wrong:
                return {WRONG: str(wrong)}
            except (LabProblem, CommandFailed, OSError) as problem:
                return {CANNOT: f"the worker could not be made ready: {problem}"}
            finally:
                for place in places:
                    self._free.put(place)
        return {READY: len(cells)}

    def perform(self, run: str, name: str, wanted: Plan, *, beside: bool, tries: int) -> dict[str, Any]:
        """Run a cell of the run `run`, whose folder on the head has this name."""
        cell = wanted.cell(self.services)
        place = self._free.get()
        try:
            self._running[place.lab.number] = run
            if self._is_interrupted(place.lab.number):
                return {ENDED: True}
            with tempfile.TemporaryDirectory(prefix="faultwire-cell-") as temporary:
                folder = folder_of(Path(temporary) / name, cell)  # by the run's own name, for the pages say it
                result = place.run(cell, folder, beside=beside, tries=tries)
                if result.broke_off and (why := _why_gone(place.lab)):
                    return {LOST: why}
                return {EVIDENCE: evidence.pack(folder)}
        except Interrupted:
            place.close()
            return {ENDED: True}
        except (LabProblem, OSError) as problem:
            place.close()
            return {CANNOT: str(problem)}
        except BaseException:
            place.close()
            raise
        finally:
            self._running.pop(place.lab.number, None)
            self._free.put(place)

    def end(self, run: str) -> None:
        """Interrupt the cells of a run; no other of its cells is begun."""
        self._ended = [*self._ended, run][-ENDS_REMEMBERED:]

    def close(self) -> None:
        """Interrupt all cells, wait for what is undone then, and close every workplace."""
        self.stop.set()
        for _ in self.labs:
            self._free.get().close()


def _why_gone(lab: Lab) -> str:
    """Return why nothing is left of a lab, or that its engine cannot be asked; empty where a machine of it runs."""
    try:
        states = lab.states().values()
    except OF_A_LAB as problem:
        return str(problem)
    return "" if RUNNING & {*states} else f"no machine of lab {lab.number} runs any more"


_here: list[Worker] = []  # that of this process, when it is a worker


def serve(worker: Worker) -> None:
    """Have this process's functions work for a head with these labs."""
    _here[:] = [worker]


def prepare(plans: Sequence[Mapping[str, Any]], of_services: Mapping[str, str]) -> dict[str, Any]:
    """As Worker.prepare, of this process."""
    return _here[0].prepare([Plan(**each) for each in plans], of_services)


def perform(wanted: Mapping[str, Any], run: str, name: str, beside: bool, tries: int) -> dict[str, Any]:
    """As Worker.perform, of this process."""
    return _here[0].perform(run, name, Plan(**wanted), beside=beside, tries=tries)


def end(run: str) -> None:
    """As Worker.end, of this process."""
    _here[0].end(run)
