"""The command `gallery`: clients and servers that people run, under each failure.

It writes docs/gallery.md and docs/gallery.html.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from scenarios.cli.arguments import add_keep_runs, between
from scenarios.cli.progress import Progress
from scenarios.cli.resumable import Resumable, read_earlier
from scenarios.cli.workforce import RunOptions, add_cluster, workforce
from scenarios.evidence import run_folder as runs
from scenarios.lab.errors import UsageError
from scenarios.lab.heartbeat import minutes
from scenarios.lab.markup import escape
from scenarios.lab.places import PAGES
from scenarios.report import gallery_cells, gallery_html, gallery_page
from scenarios.report.console import console, counted, step
from scenarios.run import gallery, previous, summary
from scenarios.spec.cell import Cell
from scenarios.spec.gallery import load_gallery
from scenarios.spec.service import resolve, services
from scenarios.spec.units import so_many
from scenarios.verdict.result import Result

PAGES_OF = {PAGES / "gallery.md": gallery_page.page, PAGES / "gallery.html": gallery_html.page}
JOBS = 3  # a call that hangs costs its time and no processor: three labs have two cores at work
# The file, in the folder of the run: that it is the gallery's, of which failures, and whether it is done.
GALLERY = Resumable("gallery", "gallery.json", {"failures": list})


def run(options: argparse.Namespace) -> int:
    """Run the cells and write the pages. Exit status as `run`. Raise what broke it off, when what was run is stored."""
    plan, known = load_gallery(), services()
    failures, run_folder = list(options.names), None
    if options.resume:
        run_folder, request = GALLERY.unfinished()
        failures = [str(each) for each in request["failures"]]
    if unknown := [each for each in failures if each not in plan.failures]:
        raise UsageError(f"unknown failure {unknown[0]!r}; the gallery has: {', '.join(plan.failures)}")
    wanted, _ = gallery.cells(plan, known, failures)
    if options.dry_run:
        console.print(f"{so_many(len(wanted), 'cell')}; nothing was run")
        return 0
    status = 0
    if not options.page:
        status = _run(options, wanted, failures, run_folder)
    _write_pages()
    return status


def _run(options: argparse.Namespace, wanted: Sequence[Cell], failures: Sequence[str], run_folder: Path | None) -> int:
    kept = read_earlier(run_folder, wanted, beside=False) if run_folder else []
    folder = run_folder or runs.new_run()
    runs.keep_room(folder, len(wanted))

    def perform(missing: Sequence[Cell], ran: list[Result]) -> None:
        _perform(options, folder, missing, ran)

    def tell(results: Sequence[Result], took_s: float, broken_off: bool) -> int:
        _keep(folder)
        verdicts = Counter(each.verdict for each in results)
        console.print(f"\n{counted(verdicts)} of {so_many(len(wanted), 'cell')} in {minutes(took_s)}")
        console.print(f"[dim]evidence: {escape(str(runs.display_path(folder)))}/index.html[/]")
        if broken_off:
            _write_pages()
        return summary.exit_status(results)

    return GALLERY.run(folder, {"failures": list(failures)}, wanted, kept, perform, tell, options)


def _perform(options: argparse.Namespace, run_folder: Path, cells: Sequence[Cell], ran: list[Result]) -> None:
    """Run the cells, row by row: what is broken off has whole rows. `ran` is given the results, however it ends."""
    if not cells:
        return
    with workforce(options, min(options.jobs or JOBS, len(cells)), cells) as force:
        step(f"{so_many(len(cells), 'cell')} on {so_many(force.jobs, 'lab')}")
        expected_s = previous.durations_s(beside=False)
        progress = Progress(len(cells), force.jobs, expected_s, cells)
        campaign = force.running(
            RunOptions(
                run_folder, progress.report, progress.begin_cell, patience=load_gallery().patience, took_s=expected_s
            )
        )
        campaign.results = ran
        with progress.display():
            campaign.run(previous.longest_first(cells, expected_s))


def _keep(run_folder: Path) -> None:
    """Put what the cells came to into docs/gallery.json, in the place of what was there of the same cells."""
    found = gallery_cells.merge_cells(gallery_cells.stored(), gallery_cells.of_run(run_folder))
    runs.write(gallery_cells.STORED, gallery_cells.text(found))


def _write_pages() -> None:
    plan, known = load_gallery(), services()
    _, misfits = gallery.cells(plan, known)
    programs = {each: resolve(each, known=known) for each in plan.programs}
    for path, page in PAGES_OF.items():
        runs.write(path, page(plan, programs, gallery_cells.stored(), misfits))
        step(f"{runs.display_path(path)} is written")


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to the command line; `command` makes one."""
    sub = command("gallery", run, "clients and servers that people run, under each failure: docs/gallery.md")
    sub.add_argument("names", nargs="*", metavar="DRILL", help="some of its failures (default: all)")
    sub.add_argument("--jobs", type=between(1, 16), metavar="N", help=f"labs side by side (default {JOBS})")
    sub.add_argument("--resume", action="store_true", help="go on with the gallery that was broken off")
    sub.add_argument("--page", action="store_true", help="run nothing: write the pages anew from docs/gallery.json")
    sub.add_argument("--dry-run", action="store_true", help="say how many cells there are")
    add_keep_runs(sub)
    add_cluster(sub)
