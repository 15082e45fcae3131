"""A command that runs many cells into one folder, and can go on after an interrupt: `matrix` and `gallery`.

Whatever ends such a run, what had been run is stored, the report is written, and the folder says what was asked for.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from scenarios.evidence import run_folder as runs
from scenarios.lab import signals
from scenarios.lab.errors import UsageError
from scenarios.lab.heartbeat import under_way
from scenarios.lab.places import typed
from scenarios.lab.valueclass import valueclass
from scenarios.report.console import step, warn
from scenarios.run import previous, summary
from scenarios.spec.cell import Cell
from scenarios.spec.units import so_many
from scenarios.verdict.result import Result

UNFINISHED: Final = "unfinished"
NOT_OF_MAKE: Final = ("keys", "keep")  # flags for which the Makefile has no variable

Perform = Callable[[Sequence[Cell], list[Result]], None]
"""Run these cells; the list is given each result as it comes, so that none is lost when this is broken off."""

Tell = Callable[[Sequence[Result], float, bool], int]
"""Print what was run, in how many seconds, and whether it was broken off; return the exit status."""


@valueclass
class Resumable:
    """A command by its name. `file`, in the folder of a run, says what was asked for: these keys, of these types."""

    name: str
    file: str
    keys: Mapping[str, type]

    def note(self, run_folder: Path, request: Mapping[str, Any], *, unfinished: bool) -> None:
        """Write what was asked for. On a full disk nothing is: the run is taken for one that was broken off."""
        text = json.dumps({**request, UNFINISHED: unfinished}, indent=2)
        with contextlib.suppress(OSError):
            runs.write(run_folder / self.file, f"{text}\n")

    def unfinished(self) -> tuple[Path, dict[str, Any]]:
        """Return the newest run that was broken off, held against other processes, and its request.

        Raise UsageError where there is none, or another process goes on with it.
        """
        for folder in previous.earlier():
            if (request := self._read(folder)) is None:
                continue
            if not request[UNFINISHED]:
                break
            try:
                runs.take(folder)
            except BlockingIOError:
                raise UsageError(f"--resume: {runs.display_path(folder)} still goes on, in another process") from None
            return folder, request
        raise UsageError(f"--resume: the newest {self.name} was not broken off; `{typed(self.name)}` begins a new one")

    def _read(self, folder: Path) -> dict[str, Any] | None:
        """Return the request of a run; None where the folder is of another command, or says it in another form."""
        try:
            found = json.loads((folder / self.file).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        keys = {**self.keys, UNFINISHED: bool}
        if not isinstance(found, dict) or any(not isinstance(found.get(key), kind) for key, kind in keys.items()):
            return None
        return found

    def goes_on(self, options: argparse.Namespace) -> str:
        """The command that goes on with a run, on the labs on which it was asked for: these are not in its file."""
        given = {key: getattr(options, key, None) for key in ("labs", "jobs", "cluster", "keys", "keep", "keep_runs")}
        given["labs"] = ",".join(map(str, given["labs"] or ()))
        make, words = ["RESUME=1"], ["--resume"]
        for key, value in given.items():
            if not value:
                continue
            if key not in NOT_OF_MAKE:
                make.append(f"{key.upper()}={value}")
            flag = f"--{key.replace('_', '-')}"
            words.append(flag if value is True else f"{flag} {shlex.quote(str(value))}")
        return typed(self.name, " ".join(make), " ".join(words), lab=options.lab)

    def run(
        self,
        run_folder: Path,
        request: Mapping[str, Any],
        cells: Sequence[Cell],
        earlier: Sequence[Result],
        perform: Perform,
        tell: Tell,
        options: argparse.Namespace,
    ) -> int:
        """Run the cells that have no earlier result, and return what `tell` returns.

        `options` are those of the command, which say where it runs and which runs are kept. Raise what broke the run
        off, when all that had been run is stored.
        """
        self.note(run_folder, request, unfinished=True)
        began_s = time.monotonic()
        done = {each.cell.title for each in earlier}
        ran: list[Result] = []
        broke_off: BaseException | None = None
        try:
            perform([each for each in cells if each.title not in done], ran)
        except (KeyboardInterrupt, Exception) as why:  # raised again, when what had been run is safe
            broke_off = why
        by_title = {each.cell.title: each for each in (*earlier, *ran)}
        results = [by_title[cell.title] for cell in cells if cell.title in by_title]
        took_s = time.monotonic() - began_s
        with signals.held_back():
            with under_way("the report is written"):
                broke_off = summary.close(run_folder, results, len(cells), took_s, broke_off)
            self.note(run_folder, request, unfinished=len(results) < len(cells))
            status = tell(results, took_s, broke_off is not None)
            previous.remove_runs(options.keep_runs, warn)
        if broke_off:
            broke_off.add_note(summary.not_run(results, cells, self.goes_on(options)))
            raise broke_off
        return status


def read_earlier(run_folder: Path, cells: Sequence[Cell], *, beside: bool = True) -> list[Result]:
    """Return the results that a run which was broken off has of these cells, and say how many."""
    with under_way(f"{run_folder.name} is read"):
        found = previous.resumed(run_folder, cells, beside=beside)
    step(f"{run_folder.name} goes on: {len(found)} of {so_many(len(cells), 'cell')} done")
    return found
