"""The command `matrix`: every architecture under every failure, side by side on several labs, as one table."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scenarios.cli.progress import Progress, otherwise_than_promised
from scenarios.cli.resumable import Resumable, read_earlier
from scenarios.cli.service_files import known_services
from scenarios.cli.workforce import RunOptions, workforce
from scenarios.evidence import run_folder as runs
from scenarios.lab.heartbeat import minutes, under_way
from scenarios.lab.markup import escape
from scenarios.lab.places import typed
from scenarios.lab.pool import default_jobs
from scenarios.report import shard_plan
from scenarios.report.console import console, counted, step
from scenarios.report.read_run import BLANKS
from scenarios.run import fingerprint, matrix, previous
from scenarios.run.matrix import LEGEND
from scenarios.spec.catalogue import find_drills
from scenarios.spec.cell import Cell
from scenarios.spec.pairs import in_order
from scenarios.spec.shard import Shard
from scenarios.spec.units import Seconds, so_many
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result

MATRIX = Resumable("matrix", "asked.json", {"services": list, "pairs": list, "seed": int, "drills": list})


def run(options: argparse.Namespace) -> int:
    """Run it, print it, store it. Exit status 0 if all is as promised, or its part is empty; 1 if something is not; 2
    if something is unproven or unsupported. Raise what broke it off, when what had been run is stored.
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
        run_folder, asked = MATRIX.unfinished()
    architectures = matrix.columns(asked["services"], known)
    given = Seconds(asked.get("patience_s", 0.0))
    drills = find_drills(asked["drills"], known)
    whole_run = matrix.cells(drills, architectures, asked["pairs"], asked["seed"], known, given)
    shard = Shard.parse(asked["shard"]) if asked.get("shard") else None
    cells = shard_plan.part_of(whole_run, shard)
    if options.dry_run:
        console.print(
            f"{so_many(len(cells), 'cell')}, of {so_many(len(architectures), 'architecture')}; nothing was run"
        )
        return 0
    if run_folder:
        kept = read_earlier(run_folder, cells)
    else:
        run_folder, kept = runs.new_run(), []
        if options.changed:
            with under_way("earlier runs are read"):
                kept = previous.reuse_results(cells, run_folder)
            step(f"{len(kept)} of {so_many(len(cells), 'cell')} unchanged since last run")
    runs.keep_room(run_folder, len(cells))
    not_run = json.dumps(matrix.blanks(drills, architectures, known), indent=2, ensure_ascii=False)
    runs.write(run_folder / BLANKS, f"{not_run}\n")
    if shard:
        shard_plan.write(run_folder, shard, whole_run, fingerprint.parts_of_lab())

    def perform(missing: Sequence[Cell], ran: list[Result]) -> None:
        _perform(options, run_folder, given, missing, ran)

    def tell(results: Sequence[Result], took_s: float, _: bool) -> int:
        if shard and not cells:
            console.print(shard_plan.empty_part(shard, whole_run))
            status = 0
        else:
            status = _tell(results, cells, took_s)
        folder = escape(str(runs.display_path(run_folder)))
        shown = f"; `{typed('report')}` shows the newest run" if runs.is_latest(run_folder) else ""
        console.print(f"[dim]evidence: {folder}/index.html{shown}[/]")
        return status

    return MATRIX.run(run_folder, asked, cells, kept, perform, tell, options)


def _perform(
    options: argparse.Namespace, run_folder: Path, given: Seconds, cells: Sequence[Cell], ran: list[Result]
) -> None:
    """Run the cells, those first that took longest before; `ran` is given the results, however it ends.

    `given` is the patience of their drills.
    """
    if not cells:
        return
    jobs = min(len(options.labs) or options.jobs or default_jobs(), len(cells))
    with workforce(options, jobs, cells) as force:
        step(f"{so_many(len(cells), 'cell')} on {so_many(force.jobs, 'lab')}")
        expected_s = previous.durations_s(beside=True)
        progress = Progress(len(cells), force.jobs, expected_s, cells)
        asked = RunOptions(
            run_folder, progress.report, progress.begin_cell, True, options.keep, patience=given, took_s=expected_s
        )
        campaign = force.running(asked)
        campaign.results = ran
        with progress.display():
            campaign.run(previous.longest_first(cells, expected_s))


def _tell(results: Sequence[Result], cells: Sequence[Cell], took_s: float) -> int:
    """Print the table, what is otherwise than promised, and the counts; the exit status."""
    said = {
        (each.cell.drill.drill, each.cell.chosen.label, each.cell.pair): (each.verdict, each.survival)
        for each in results
        if each.survival
    }
    asked = {(each.drill.drill, each.chosen.label, each.pair) for each in cells}
    not_run = asked - {(each.cell.drill.drill, each.cell.chosen.label, each.cell.pair) for each in results}
    console.print(matrix.table(in_order({pair for _, _, pair in asked}), said, not_run))
    console.print(f"\n{LEGEND}")
    otherwise = {each.cell.title: reason for each in results if (reason := otherwise_than_promised(each))}
    for title, reason in otherwise.items():
        console.print(f"[bold red]✗[/] {escape(title)}: {escape(reason)}")
    unknown = {each.cell.title: each.survival.unknown for each in results if each.survival and each.survival.unknown}
    for title, what in unknown.items():
        console.print(f"[yellow]?[/] {escape(title)}: {escape(what)}")
    told = Counter(each.verdict for each in results)
    console.print(f"\n{counted(told)} of {len(cells)} in {minutes(took_s)}; {len(otherwise)} otherwise than promised")
    if otherwise:
        return 1
    return 0 if set(told) <= {Verdict.PASS} and not unknown else 2
