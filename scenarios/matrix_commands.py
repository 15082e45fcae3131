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

from scenarios import guests, keeping, matrix, runs, summary
from scenarios.campaign import Campaign, labs
from scenarios.dissect import check_filters
from scenarios.drill import Cell, drills, profiles
from scenarios.lab import Lab
from scenarios.matrix import LEGEND
from scenarios.progress import Progress, minutes
from scenarios.running import Result
from scenarios.service import services
from scenarios.terminal import INTERRUPTED, STYLES, bring_up, console, image_step, step
from scenarios.topology import ROOT
from scenarios.verdict import Verdict

LABS_A_CORE = 3  # a drill mostly waits
MEMORY_A_LAB = 700 << 20  # bytes, with its decoders
MOST_LABS = 16
ASKED = "asked.json"  # in the folder of the run: what was asked for, so that it can go on after an interrupt
UNFINISHED = "unfinished"


def default_jobs() -> int:
    """How many labs this machine can run side by side, by its cores and its free memory."""
    cores = len(os.sched_getaffinity(0))
    said = Path("/proc/meminfo").read_text("ascii").splitlines()
    free = next(int(line.split()[1]) << 10 for line in said if line.startswith("MemAvailable:"))
    return max(1, min(cores * LABS_A_CORE, free // MEMORY_A_LAB, MOST_LABS))


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
        "drills": options.names,
    }
    if options.resume:
        run_folder, asked = _unfinished()
    architectures = matrix.columns(asked["services"], known)
    chosen = [drill for drill in drills(known=known).values() if not asked["drills"] or drill.drill in asked["drills"]]
    if unknown := set(asked["drills"]) - {drill.drill for drill in chosen}:
        raise ValueError(f"there is no drill {', '.join(sorted(unknown))}; `make list` shows them")
    cells = matrix.cells(chosen, architectures, asked["pairs"], asked["seed"], known)
    if options.dry_run:
        console.print(f"{len(cells)} cells: {len(chosen)} drills, {len(architectures)} architectures; nothing was run")
        return 0
    return _run(options, cells, run_folder, asked)


def _run(options: argparse.Namespace, cells: Sequence[Cell], run_folder: Path | None, asked: dict[str, Any]) -> int:
    kept = []
    if run_folder:
        kept = keeping.resumed(run_folder, cells)
        step(f"{run_folder.name} goes on: {len(kept)} of {len(cells)} cells were done")
    else:
        run_folder = runs.new_run()
        if options.changed:
            kept = keeping.kept(cells, run_folder)
            step(f"{len(kept)} of {len(cells)} cells have not changed since they were run")
    _note(run_folder, asked, unfinished=True)
    done = {each.cell.title for each in kept}
    expected_s = keeping.durations_s(beside=True)
    left = sorted((each for each in cells if each.title not in done), key=lambda each: -expected_s.get(each.title, 0.0))
    began_s = time.monotonic()
    results, interrupted = list(kept), False
    if left:
        needed = profiles(asked["pairs"])
        jobs = min(options.jobs or default_jobs(), len(left))
        bring_up(Lab(options.lab, *needed))
        guests.ready([cell.chosen.service for cell in left], image_step)
        check_filters(Lab(options.lab), sorted({each for cell in left for each in cell.drill.filters}))
        step(f"{len(left)} cells on {jobs} labs side by side")
        progress = Progress(len(left), jobs, expected_s, left)
        campaign = Campaign(
            run_folder,
            labs(options.lab, jobs, needed),
            progress.told,
            step,
            progress.began,
            beside=True,
            keep=options.keep,
        )
        try:
            with progress.shown():
                campaign.run(left)
        except KeyboardInterrupt:
            interrupted = True
        results += campaign.results
    order = {cell.title: number for number, cell in enumerate(cells)}
    results.sort(key=lambda each: order[each.cell.title])
    said = {
        (each.cell.drill.drill, each.cell.chosen.name, each.cell.pair): (each.verdict, each.survival)
        for each in results
        if each.survival
    }
    took_s = time.monotonic() - began_s
    summary.write(run_folder, results, cells, took_s)
    _note(run_folder, asked, unfinished=len(results) < len(cells))
    console.print(matrix.table(asked["pairs"], said))
    console.print(f"\n{LEGEND}")
    otherwise = {each.cell.title: reason for each in results if (reason := _otherwise(each))}
    for title, reason in otherwise.items():
        console.print(f"[bold red]✗[/] {escape(title)}: {escape(reason)}")
    told = Counter(each.verdict for each in results)
    counts = ", ".join(f"[{STYLES[each]}]{told[each]} {each.value}[/]" for each in Verdict if told[each])
    told_otherwise = f"{len(otherwise)} otherwise than promised"
    console.print(f"\n{counts or 'none'} of {len(cells)} in {minutes(took_s)}; {told_otherwise}")
    console.print(f"[dim]evidence: {run_folder.relative_to(ROOT)}/index.html; `make report` shows the newest run[/]")
    if interrupted:
        console.print("[bold yellow]interrupted[/]: all faults are undone; `make matrix RESUME=1` goes on")
        return INTERRUPTED
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
