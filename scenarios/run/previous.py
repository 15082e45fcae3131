"""Results of earlier runs, read again from their folders: for a run that goes on where one was interrupted, and for one
that leaves out what has not changed.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scenarios.evidence import run_folder as runs
from scenarios.evidence.run_folder import folder_of
from scenarios.lab.valueclass import valueclass
from scenarios.report import read_run
from scenarios.run.fingerprint import inputs
from scenarios.spec.cell import Cell, cell_title
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.result import Result
from scenarios.verdict.survival import Survival

LOOKS_BACK = 30  # runs


@valueclass
class KeepRuns:
    """Which runs are kept: so many of the newest, or those of so many days."""

    newest: int | None = None
    days: int | None = None

    @classmethod
    def parse(cls, text: str) -> KeepRuns:
        """Read `20` or `14d`. Raise ValueError."""
        match = re.fullmatch(r"([1-9]\d{0,5})(d?)", text)
        if not match:
            raise ValueError(f"expected a number of runs such as 20, or of days such as 14d, got {text!r}")
        return cls(days=int(match[1])) if match[2] else cls(newest=int(match[1]))

    def __str__(self) -> str:
        return f"{self.days}d" if self.newest is None else str(self.newest)

    def removes(self, number: int, age: timedelta) -> bool:
        """Whether a run is too old: the `number`th, where 0 is the newest, of this age."""
        if self.newest is not None:
            return number >= self.newest
        return age > timedelta(days=self.days or 0)


def remove_runs(kept: KeepRuns | None, warn: Callable[[str], None]) -> list[Path]:
    """Remove the folders of the runs that are not kept; return them. None: all are kept.

    A run that goes on is kept, and so are the one to which runs/latest points, and a folder that a person gave another
    name. `warn` is told of what cannot be removed.
    """
    removed: list[Path] = []
    if kept is None:
        return removed
    now = datetime.now(UTC)
    found = [(run, began) for run in _folders() if (began := runs.start_time_of(run))]
    for number, (run, began) in enumerate(found):
        if kept.removes(number, now - began) and not runs.is_latest(run) and not runs.is_taken(run):
            try:
                shutil.rmtree(run)
                removed.append(run)
            except OSError as error:
                warn(f"{runs.display_path(run)} could not be removed: {error.strerror} ({error.filename})")
    return removed


def _folders() -> list[Path]:
    """The folders in runs/, the newest first; none where that cannot be read."""
    try:
        return sorted((each for each in runs.RUNS.iterdir() if each.is_dir() and not each.is_symlink()), reverse=True)
    except OSError:
        return []


def earlier() -> Iterator[Path]:
    """The folders of the runs that there are, the newest first."""
    yield from _folders()[:LOOKS_BACK]


def _of_cell(run_folder: Path, cell: Cell) -> Path:
    return runs.cell_path(run_folder, cell.drill.drill, cell.chosen.folder_name, cell.pair)


def read(run_folder: Path, cell: Cell, *, beside: bool = True) -> Result | None:
    """What an earlier run came to in this cell, without its packets; None where it has nothing that can be used.

    It can be where the result is whole, rests on the same inputs, and is a verdict: what is unproven is tried again.
    `beside`: and where other clients were asked too.
    """
    folder = _of_cell(run_folder, cell)
    try:
        stored = read_run.result(folder)
        if stored["schema"] != runs.RESULT_SCHEMA or stored.get("inputs") != inputs(cell):
            return None
        result = _result(cell, folder, stored)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there, or of another form: it is run again
        return None
    return result if (result.survival or not beside) and result.verdict is not Verdict.UNPROVEN else None


def _result(cell: Cell, folder: Path, stored: Mapping[str, Any]) -> Result:
    def checks(key: str) -> list[Check]:
        return [Check(**{**each, "holds": Verdict(each["holds"])}) for each in stored[key]]

    return Result(
        cell=cell,
        verdict=Verdict(stored["verdict"]),
        sentence=stored["sentence"],
        control=checks("control"),
        checks=checks("expectations"),
        seen={},
        folder=folder,
        duration_s=float(stored["duration_s"]),
        broke_off=False,
        machines=stored.get("machines", {}),
        survival=Survival(**stored["survival"]) if "survival" in stored else None,
        did=read_run.read_behaviour(stored),
        inputs=stored["inputs"],
        ran_on=stored["versions"],
        earlier_tries=stored.get("earlier_tries", ()),
    )


def from_evidence(cell: Cell, folder: Path) -> Result:
    """What a cell came to whose folder another machine has made just now, without its packets.

    Raise OSError or ValueError where it cannot be read.
    """
    stored = read_run.result(folder)
    try:
        return _result(cell, folder, stored)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / read_run.RESULT} is not a result of this version: {error}") from error


def reuse_results(cells: Sequence[Cell], into: Path) -> list[Result]:
    """Of each cell the newest result that still holds, its evidence linked into the folder of this run."""
    found = []
    folders = [each for each in earlier() if each != into]
    for cell in cells:
        result = next((each for folder in folders if (each := read(folder, cell))), None)
        if result is not None:
            folder = folder_of(into, cell)
            runs.take_over(result.folder, folder, read_run.PAGE)
            found.append(read(into, cell) or result)
    return found


def resumed(run_folder: Path, cells: Sequence[Cell], *, beside: bool = True) -> list[Result]:
    """What of these cells a run that was interrupted had done; of the others, a begun folder is cleared away."""
    found = []
    for cell in cells:
        result = read(run_folder, cell, beside=beside)
        if result is not None:
            found.append(result)
        else:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(_of_cell(run_folder, cell))
    return found


def durations_s(*, beside: bool) -> dict[str, float]:
    """How long each cell took when it was run last, by its title; `beside`: with other clients."""
    found: dict[str, float] = {}
    for folder in earlier():
        with contextlib.suppress(read_run.NoRun):  # of another version, another program, or torn
            for line in read_run.run(folder).lines if (folder / read_run.SUMMARY).is_file() else ():
                if bool(line.survival) is beside:
                    found.setdefault(cell_title(line.drill, line.service, line.pair), line.duration_s)
    return found


def longest_first(cells: Sequence[Cell], took_s: Mapping[str, float]) -> list[Cell]:
    """Return the cells so that the one that takes longest begins first: `took_s` is what `durations_s` found.

    One that was never run is taken to be as long as its drill was with other programs; of a drill that was never run,
    to be longer than any that was, for a long cell that begins last is waited for alone.
    """
    of_drill: dict[str, list[float]] = {}
    for cell in cells:
        if cell.title in took_s:
            of_drill.setdefault(cell.drill.drill, []).append(took_s[cell.title])

    def expected_s(cell: Cell) -> float:
        others = of_drill.get(cell.drill.drill)
        return took_s.get(cell.title, max(others) if others else float("inf"))

    return sorted(cells, key=expected_s, reverse=True)
