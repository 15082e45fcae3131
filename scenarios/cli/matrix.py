"""The command `matrix`: every architecture under every failure, side by side on several labs, as one table."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape

from scenarios.cli.known import known_services
from scenarios.cli.progress import Progress
from scenarios.evidence import run_folder as runs
from scenarios.lab import signals
from scenarios.lab.errors import UsageError
from scenarios.lab.heartbeat import minutes, under_way
from scenarios.lab.places import typed
from scenarios.lab.pool import default_jobs
from scenarios.report import shard_plan
from scenarios.report.console import console, counted, step, warn
from scenarios.run import fingerprint, matrix, previous, summary
from scenarios.run.campaign import Campaign
from scenarios.run.gallery import patient
from scenarios.run.matrix import LEGEND
from scenarios.run.prepare import prepare
from scenarios.spec.catalogue import find_drills
from scenarios.spec.cell import Cell
from scenarios.spec.pairs import EVERY_PAIR
from scenarios.spec.shard import Shard
from scenarios.spec.units import Seconds, so_many
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result

ASKED = "asked.json"  # in the folder of the run: what was asked for, so that it can go on after an interrupt
UNFINISHED = "unfinished"


def _unfinished() -> tuple[Path, dict[str, Any]]:
    """The newest run of a matrix that was broken off, and what it was asked for. Raise UsageError."""
    for folder in previous.earlier():
        if (asked := _read_request(folder)) is None:
            continue
        if not asked[UNFINISHED]:
            break
        try:
            runs.take(folder)
        except BlockingIOError:
            raise UsageError(f"--resume: {runs.display_path(folder)} goes on still, in another process") from None
        return folder, asked
    raise UsageError(f"--resume: the newest matrix was not broken off; `{typed('matrix')}` begins a new one")


def _read_request(folder: Path) -> dict[str, Any] | None:
    """What a matrix was asked for; None where the folder is of another run, or says it in another form."""
    try:
        found = json.loads((folder / ASKED).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    wanted = {"services": list, "pairs": list, "seed": int, "drills": list, UNFINISHED: bool}
    if not isinstance(found, dict) or any(not isinstance(found.get(key), kind) for key, kind in wanted.items()):
        return None
    return found


def run(options: argparse.Namespace) -> int:
    """Run it, print it, store it. Exit status 0 if all is as promised; 1 if something is not; 2 if something is
    unproven or unsupported. Raise what broke it off, when what had been run is stored.
    """
    known = known_services(options.service)
    run_folder = None
    of_services = options.service.split(",") if options.service else []
    asked = {
        "services": matrix.columns(of_services, known, options.client) if options.client else of_services,
        "pairs": list(options.pair),
        "seed": options.seed,
        "drills": options.names or ["all"],
        "patience_s": options.patience,
        "shard": str(options.shard) if options.shard else None,
    }
    if options.resume:
        run_folder, asked = _unfinished()
    architectures = matrix.columns(asked["services"], known)
    drills = [patient(each, Seconds(asked.get("patience_s", 0.0))) for each in find_drills(asked["drills"], known)]
    whole_run = matrix.cells(drills, architectures, asked["pairs"], asked["seed"], known)
    shard = Shard.parse(asked["shard"]) if asked.get("shard") else None
    cells = shard_plan.part_of(whole_run, shard)
    if options.dry_run:
        console.print(
            f"{so_many(len(cells), 'cell')}, of {so_many(len(architectures), 'architecture')}; nothing was run"
        )
        return 0
    if run_folder:
        with under_way(f"{run_folder.name} is read"):
            kept = previous.resumed(run_folder, cells)
        step(f"{run_folder.name} goes on: {len(kept)} of {so_many(len(cells), 'cell')} done")
    else:
        run_folder, kept = runs.new_run(), []
        if options.changed:
            with under_way("earlier runs are read"):
                kept = previous.reuse_results(cells, run_folder)
            step(f"{len(kept)} of {so_many(len(cells), 'cell')} unchanged since last run")
    runs.keep_room(run_folder, len(cells))
    if shard:
        shard_plan.write(run_folder, shard, whole_run, fingerprint.parts_of_lab())
    _note(run_folder, asked, unfinished=True)
    began_s = time.monotonic()
    done = {each.cell.title for each in kept}
    ran: list[Result] = []
    broke_off: BaseException | None = None
    try:
        _perform(options, run_folder, [each for each in cells if each.title not in done], ran)
    except (KeyboardInterrupt, Exception) as why:  # raised again, when what had been run is safe
        broke_off = why
    by_title = {each.cell.title: each for each in (*kept, *ran)}
    results = [by_title[cell.title] for cell in cells if cell.title in by_title]
    took_s = time.monotonic() - began_s
    with signals.held_back():
        with under_way("the report is written"):
            broke_off = summary.close(run_folder, results, len(cells), took_s, broke_off)
        _note(run_folder, asked, unfinished=len(results) < len(cells))
        status = _tell(results, f"of {len(cells)} in {minutes(took_s)}")
        console.print(
            f"[dim]evidence: {runs.display_path(run_folder)}/index.html; `{typed('report')}` shows the newest run[/]"
        )
        previous.remove_runs(options.keep_runs, warn)
    if broke_off:
        broke_off.add_note(summary.not_run(results, cells, typed("matrix", "RESUME=1", "--resume")))
        raise broke_off
    return status


def _perform(options: argparse.Namespace, run_folder: Path, cells: Sequence[Cell], ran: list[Result]) -> None:
    """Run the cells, those first that took longest before; `ran` is given the results, however it ends."""
    if not cells:
        return
    jobs = min(len(options.labs) or options.jobs or default_jobs(), len(cells))
    on = prepare(options.lab, jobs, cells, options.labs)
    step(f"{so_many(len(cells), 'cell')} on {so_many(jobs, 'lab')}")
    expected_s = previous.durations_s(beside=True)
    progress = Progress(len(cells), jobs, expected_s, cells)
    campaign = Campaign(run_folder, on, progress.report, step, warn, progress.began, True, options.keep, ran)
    with progress.display():
        campaign.run(sorted(cells, key=lambda each: -expected_s.get(each.title, 0.0)))


def _tell(results: Sequence[Result], of_what: str) -> int:
    """Print the table, what is otherwise than promised, and the counts; the exit status."""
    said = {
        (each.cell.drill.drill, each.cell.chosen.label, each.cell.pair): (each.verdict, each.survival)
        for each in results
        if each.survival
    }
    ran = {each.cell.pair for each in results}
    console.print(matrix.table([pair for pair in EVERY_PAIR if pair in ran], said))
    console.print(f"\n{LEGEND}")
    otherwise = {each.cell.title: reason for each in results if (reason := _otherwise(each))}
    for title, reason in otherwise.items():
        console.print(f"[bold red]✗[/] {escape(title)}: {escape(reason)}")
    told = Counter(each.verdict for each in results)
    console.print(f"\n{counted(told)} {of_what}; {len(otherwise)} otherwise than promised")
    if otherwise:
        return 1
    return 0 if set(told) <= {Verdict.PASS} else 2


def _otherwise(result: Result) -> str:
    """What of a cell is not as promised, and why; empty where all is, or nothing is known."""
    if result.survival is None or result.survival.is_as_promised is not False:
        return ""
    claim = f"{result.survival.word}: {result.sentence}" if result.verdict is Verdict.FAIL else ""
    return "; ".join(each for each in (claim, result.survival.otherwise) if each)


def _note(run_folder: Path, asked: dict[str, Any], *, unfinished: bool) -> None:
    text = json.dumps({**asked, UNFINISHED: unfinished}, indent=2)
    with contextlib.suppress(OSError):  # a full disk: the run is taken for one that was broken off, and goes on
        runs.write(run_folder / ASKED, f"{text}\n")
