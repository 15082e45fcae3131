"""The command `matrix`: every architecture under every failure, side by side on several labs, as one table."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape

from scenarios import keeping, matrix, runs, summary
from scenarios.campaign import Campaign
from scenarios.drill import Cell, Pair, named_drills
from scenarios.matrix import LEGEND
from scenarios.preparing import prepare
from scenarios.progress import Progress, minutes
from scenarios.running import Result
from scenarios.service import services
from scenarios.terminal import INTERRUPTED, console, counted, step
from scenarios.topology import ROOT
from scenarios.verdict import Verdict

LABS_A_CORE = 3  # a drill mostly waits
MEMORY_A_LAB = 700 << 20  # bytes, with its decoders
MOST_LABS = 16
ASKED = "asked.json"  # in the folder of the run: what was asked for, so that it can go on after an interrupt
UNFINISHED = "unfinished"


def default_jobs(labs_a_core: int = LABS_A_CORE) -> int:
    """How many labs this machine can run side by side, by its cores and its free memory."""
    cores = len(os.sched_getaffinity(0))
    said = Path("/proc/meminfo").read_text("ascii").splitlines()
    free = next(int(line.split()[1]) << 10 for line in said if line.startswith("MemAvailable:"))
    return max(1, min(cores * labs_a_core, free // MEMORY_A_LAB, MOST_LABS))


def _unfinished() -> tuple[Path, dict[str, Any]]:
    """The newest run of a matrix that was broken off, and what it was asked for. Raises ValueError."""
    for folder in keeping.earlier():
        if (folder / ASKED).exists():
            asked = json.loads((folder / ASKED).read_text("utf-8"))
            if asked[UNFINISHED]:
                return folder, asked
            break
    raise ValueError("--resume: the newest matrix was not broken off; `make matrix` begins a new one")


def run(options: argparse.Namespace) -> int:
    """Run it, print it, store it. Exit status 0 if all is as promised; 1 if something is not; 2 if something is
    unproven or unsupported; 130 when interrupted.
    """
    known = services()
    run_folder = None
    asked = {
        "services": options.service.split(",") if options.service else [],
        "pairs": list(options.pair),
        "seed": options.seed,
        "drills": options.names or ["all"],
    }
    if options.resume:
        run_folder, asked = _unfinished()
    architectures = matrix.columns(asked["services"], known)
    cells = matrix.cells(named_drills(asked["drills"], known), architectures, asked["pairs"], asked["seed"], known)
    if options.dry_run:
        console.print(f"{len(cells)} cells, of {len(architectures)} architectures; nothing was run")
        return 0
    if run_folder:
        kept = keeping.resumed(run_folder, cells)
        step(f"{run_folder.name} goes on: {len(kept)} of {len(cells)} cells were done")
    else:
        run_folder, kept = runs.new_run(), []
        if options.changed:
            kept = keeping.kept(cells, run_folder)
            step(f"{len(kept)} of {len(cells)} cells have not changed since they were run")
    _note(run_folder, asked, unfinished=True)
    began_s = time.monotonic()
    done = {each.cell.title for each in kept}
    ran, interrupted = _perform(options, run_folder, [each for each in cells if each.title not in done])
    by_title = {each.cell.title: each for each in (*kept, *ran)}
    results = [by_title[cell.title] for cell in cells if cell.title in by_title]
    took_s = time.monotonic() - began_s
    summary.write(run_folder, results, cells, took_s)
    _note(run_folder, asked, unfinished=len(results) < len(cells))
    status = _tell(results, asked["pairs"], f"of {len(cells)} in {minutes(took_s)}")
    console.print(f"[dim]evidence: {run_folder.relative_to(ROOT)}/index.html; `make report` shows the newest run[/]")
    if interrupted:
        console.print("[bold yellow]interrupted[/]: all faults are undone; `make matrix RESUME=1` goes on")
        return INTERRUPTED
    return status


def _perform(options: argparse.Namespace, run_folder: Path, cells: Sequence[Cell]) -> tuple[list[Result], bool]:
    """Run the cells, those first that took longest before; the results, and whether it was interrupted."""
    if not cells:
        return [], False
    jobs = min(options.jobs or default_jobs(), len(cells))
    on = prepare(options.lab, jobs, cells)
    step(f"{len(cells)} cells on {jobs} labs side by side")
    expected_s = keeping.durations_s(beside=True)
    progress = Progress(len(cells), jobs, expected_s, cells)
    campaign = Campaign(run_folder, on, progress.told, step, progress.began, beside=True, keep=options.keep)
    try:
        with progress.shown():
            campaign.run(sorted(cells, key=lambda each: -expected_s.get(each.title, 0.0)))
    except KeyboardInterrupt:
        return campaign.results, True
    return campaign.results, False


def _tell(results: Sequence[Result], pairs: Sequence[Pair], of_what: str) -> int:
    """Print the table, what is otherwise than promised, and the counts; the exit status."""
    said = {
        (each.cell.drill.drill, each.cell.chosen.name, each.cell.pair): (each.verdict, each.survival)
        for each in results
        if each.survival
    }
    console.print(matrix.table(pairs, said))
    console.print(f"\n{LEGEND}")
    otherwise = {each.cell.title: reason for each in results if (reason := _otherwise(each))}
    for title, reason in otherwise.items():
        console.print(f"[bold red]✗[/] {escape(title)}: {escape(reason)}")
    told = Counter(each.verdict for each in results)
    console.print(f"\n{counted(told)} {of_what}; {len(otherwise)} otherwise than promised")
    if otherwise:
        return 1
    return 0 if set(told) == {Verdict.PASS} else 2


def _otherwise(result: Result) -> str:
    """What of a cell is not as promised, and why; empty where all is, or nothing is known."""
    if result.survival is None or result.survival.is_as_promised is not False:
        return ""
    claim = f"{result.survival.word}: {result.sentence}" if result.verdict is Verdict.FAIL else ""
    return "; ".join(each for each in (claim, result.survival.otherwise) if each)


def _note(run_folder: Path, asked: dict[str, Any], *, unfinished: bool) -> None:
    text = json.dumps({**asked, UNFINISHED: unfinished}, indent=2)
    (run_folder / ASKED).write_text(f"{text}\n", "utf-8")
