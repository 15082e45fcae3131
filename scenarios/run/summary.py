"""The summary of a whole run, made of the results of its cells, and its exit status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scenarios.evidence import run_folder as runs
from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabProblem, NoEngine, UsageError
from scenarios.lab.versions import versions
from scenarios.report import machines, summary_files
from scenarios.spec.cell import Cell
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result

NO_LAB = (LabProblem, NoEngine, CommandFailed, DeadlinePassed)  # what keeps a run from having its lab


def line(result: Result) -> Mapping[str, Any]:
    """A result in short. Its folder is from the folder of the run, which may be moved."""
    cell = result.cell
    return {
        "drill": cell.drill.drill,
        "service": cell.chosen.label,
        "pair": cell.pair,
        "seed": cell.seed,
        "repeat": cell.repeat,
        "verdict": result.verdict.value,
        "sentence": result.sentence,
        "duration_s": round(result.duration_s, 3),
        "folder": str(result.folder.relative_to(result.folder.parents[2])),
        "repeat_with": cell.command,
        **({"did": asdict(result.did)} if result.did else {}),
        **({"survival": asdict(result.survival)} if result.survival else {}),
    }


def exit_status(results: Sequence[Result]) -> int:
    """0: all pass. 1: one failed. 2: none failed, but one is unproven or unsupported, or nothing was run."""
    return summary_files.status_of({each.verdict for each in results})


def not_run(results: Sequence[Result], asked: Sequence[Cell], goes_on: str = "") -> str:
    """`24 of 31 were run; all faults are undone; not run: lost-syn · echo/select · be-le, … and 4 more`.

    `goes_on` is the command that would run what is left, where there is one.
    """
    done = {each.cell.title for each in results}
    left = [cell.title for cell in asked if cell.title not in done]
    said = f"{len(asked) - len(left)} of {len(asked)} were run; all faults are undone"
    if goes_on and left:
        said += f"; `{goes_on}` runs the rest"
    if left:
        said += f"; not run: {summary_files.join_titles(left)}"
    return said


def check_junit(path: Path | None) -> None:
    """Raise UsageError when JUnit XML cannot be written there: before the run, not after it."""
    if path is not None:
        try:
            path.open("ab").close()
        except OSError as error:
            raise UsageError(f"--junit: {path} cannot be written: {error.strerror}") from error


def write(
    run_folder: Path,
    results: Sequence[Result],
    asked: int,
    took_s: float,
    junit: Path | None = None,
    verdicts: Mapping[Verdict, int] | None = None,
) -> None:
    """Write what a run came to, as `summary_files.write`; `verdicts` counts what was run, where results are not all."""
    told = Counter(each.verdict for each in results) if verdicts is None else verdicts
    apart = [each.ran_on if machines.MACHINE in each.ran_on else versions() for each in results]
    ran_on = machines.together(apart) if any(machines.MACHINE in each for each in apart) else versions()
    summary_files.write(run_folder, [line(each) for each in results], asked, took_s, ran_on, told, junit)


def close(
    run_folder: Path,
    results: Sequence[Result],
    asked: int,
    took_s: float,
    broke_off: BaseException | None,
    junit: Path | None = None,
    verdicts: Mapping[Verdict, int] | None = None,
) -> BaseException | None:
    """Write what a run came to, as `write`; return what the caller is to raise then, if anything.

    That is what broke the run off, or else what kept its results from being written. Where no lab could be had for a
    single cell, runs/latest points again to the run before.
    """
    ran = len(results) if verdicts is None else sum(verdicts.values())
    if not ran and isinstance(broke_off, NO_LAB):
        runs.give_latest_back(run_folder)
    try:
        write(run_folder, results, asked, took_s, junit, verdicts)
    except Exception as problem:
        if broke_off is None:
            return problem
        broke_off.add_note(f"and the results were not written whole: {problem}")
    return broke_off
