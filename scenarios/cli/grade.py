"""The command `grade`: the submissions of a class under chosen drills, as a table, a CSV file and a page."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from scenarios.calls import contract
from scenarios.cli.arguments import add_keep_runs, add_labs, between, patience
from scenarios.cli.progress import Progress
from scenarios.cli.resumable import Resumable, read_earlier
from scenarios.cli.service_files import known_services
from scenarios.cli.workforce import RunOptions, workforce
from scenarios.evidence import run_folder as runs
from scenarios.evidence.run_folder import folder_of
from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabProblem, UsageError
from scenarios.lab.heartbeat import minutes
from scenarios.lab.markup import escape
from scenarios.lab.places import display_path
from scenarios.lab.pool import default_jobs
from scenarios.lab.valueclass import valueclass
from scenarios.report.console import console, image_step, step, warn
from scenarios.run import previous
from scenarios.run.patience import patient
from scenarios.spec.catalogue import architectures, chosen_service, find_drills
from scenarios.spec.cell import Cell
from scenarios.spec.drill import Drill
from scenarios.spec.pairs import Pair
from scenarios.spec.service import Service, Services
from scenarios.spec.units import Seconds, so_many
from scenarios.teaching import submissions
from scenarios.teaching.grades_page import CSV, HTML, as_csv, as_html
from scenarios.teaching.grading import RUBRIC, Grade, Mark, Row, Want, graded, ordered, rubric
from scenarios.teaching.submissions import Submission
from scenarios.verdict.result import Result

GRADE = Resumable(
    "grade", "grade.json", {"folder": str, "drills": list, "only": list, "seed": int, "patience_s": float}
)
PAIR: Pair = "le-le"
PATIENCE = Seconds(20)
STYLES = {Mark.GOOD: "green", Mark.BAD: "bold red", Mark.OPEN: "yellow", Mark.NOT_FOR_IT: "dim"}
SIGNS = {Mark.GOOD: "✓", Mark.BAD: "✗", Mark.OPEN: "?", Mark.NOT_FOR_IT: "·"}
# What may keep a submission's image from being built, or its client from being asked whether it keeps the contract.
OF_A_SUBMISSION = (UsageError, CommandFailed, DeadlinePassed, LabProblem)


@valueclass
class Class:
    """What is graded: the submissions, and for each row its name and its cells, by drill; None: it does not fit."""

    submissions: Sequence[Submission]
    rows: Mapping[str, tuple[str, Mapping[str, Cell | None]]]  # by the label of the architecture: name, cells

    @property
    def cells(self) -> list[Cell]:
        return [cell for _, cells in self.rows.values() for cell in cells.values() if cell]


def run(options: argparse.Namespace) -> int:
    """Run and grade them. Exit status 0 when all is good, 1 when something is bad or a submission cannot be run, 2 when
    something is open. Raise what broke it off, when what had been run is stored.
    """
    request, run_folder = _request(options)
    known = known_services()
    folder, wants = Path(request["folder"]), rubric()
    drills = [
        patient(each, Seconds(request["patience_s"])) for each in find_drills(request["drills"] or [*wants], known)
    ]
    found = submissions.find(folder, known, request["only"])
    if options.dry_run:
        asked = _class(found, drills, known, request["seed"])
        for each in found:
            console.print(escape(f"{each.name}: {each.reason}" if each.reason else each.name))
        console.print(f"{so_many(len(asked.cells), 'cell')}; nothing was run")
        return 0
    found = submissions.ready(found, _make_ready, OF_A_SUBMISSION)
    asked = _class(found, drills, known, request["seed"])
    kept = read_earlier(run_folder, asked.cells, beside=False) if run_folder else []
    into = run_folder or runs.new_run()
    runs.keep_room(into, len(asked.cells))

    def perform(missing: Sequence[Cell], ran: list[Result]) -> None:
        _perform(options, into, missing, ran)

    def tell(results: Sequence[Result], took_s: float, _: bool) -> int:
        rows = _rows(asked, wants, into, {each.cell.title for each in results})
        _write(into, rows, folder.resolve().name, request["seed"])
        _show(rows)
        console.print(
            f"\n{so_many(len(results), 'cell')} of {len(asked.cells)} in {minutes(took_s)}, seed {request['seed']}"
        )
        shown = runs.display_path(into)
        console.print(
            f"[dim]{shown}/{HTML} has each cell with its evidence, {shown}/{CSV} the same for a spreadsheet[/]"
        )
        return _status(rows)

    return GRADE.run(into, request, asked.cells, kept, perform, tell, options)


def _request(options: argparse.Namespace) -> tuple[dict[str, Any], Path | None]:
    """What is asked for; with --resume that of the run that was broken off, and its folder."""
    if options.resume:
        run_folder, request = GRADE.unfinished()
        return request, run_folder
    if options.folder is None:
        raise UsageError("no FOLDER is given; expected one with a folder for each submission")
    drills = options.drills.split(",") if options.drills else []
    only = options.only.split(",") if options.only else []
    folder = str(options.folder.resolve())
    given = float(options.patience)
    return {"folder": folder, "drills": drills, "only": only, "seed": options.seed, "patience_s": given}, None


def _make_ready(service: Service) -> None:
    contract.ready([service], image_step)


def _class(found: Sequence[Submission], drills: Sequence[Drill], known: Services, seed: int) -> Class:
    """The rows: each server of each submission that can be run, with the cells of the drills that fit it."""
    everything = submissions.beside(known, found)
    rows: dict[str, tuple[str, Mapping[str, Cell | None]]] = {}
    for each in found:
        labels = architectures([each.service.service], everything) if each.service else []
        for label in labels:
            name = each.name if len(labels) == 1 else f"{each.name}/{label.partition('/')[2]}"
            rows[label] = name, {drill.drill: _cell(drill, label, everything, seed) for drill in drills}
    return Class(found, rows)


def _cell(drill: Drill, label: str, known: Services, seed: int) -> Cell | None:
    try:
        return Cell(drill, chosen_service(drill, label, known), PAIR, seed)
    except UsageError:  # it does not fit
        return None


def _perform(options: argparse.Namespace, run_folder: Path, cells: Sequence[Cell], ran: list[Result]) -> None:
    """Run the cells, submission by submission; `ran` is given the results, however it ends."""
    if not cells:
        return
    jobs = min(len(options.labs) or options.jobs or default_jobs(), len(cells))
    with workforce(options, jobs, cells) as force:
        step(f"{so_many(len(cells), 'cell')} on {so_many(force.jobs, 'lab')}")
        progress = Progress(len(cells), force.jobs, previous.durations_s(beside=False), cells)
        campaign = force.running(RunOptions(run_folder, progress.report, progress.begin_cell, keep=options.keep))
        campaign.results = ran
        with progress.display():
            campaign.run(cells)


def _rows(asked: Class, wants: Mapping[str, Want], run_folder: Path, ran: set[str]) -> list[Row]:
    """Grade what was run, a row for each server; then the submissions that could not be run."""
    rows = []
    for name, cells in asked.rows.values():
        grades: dict[str, Grade] = {}
        for drill, cell in cells.items():
            if cell is None:
                grades[drill] = Grade(Mark.NOT_FOR_IT, "")
            elif cell.title in ran:
                grades[drill] = graded(folder_of(run_folder, cell), cell.drill, wants.get(drill, "either"), run_folder)
            else:
                grades[drill] = Grade(Mark.OPEN, "not run: the grading was broken off before it")
        rows.append(Row(name, grades))
    return rows + [Row(each.name, {}, each.reason) for each in asked.submissions if each.reason]


def _write(run_folder: Path, rows: Sequence[Row], title: str, seed: int) -> None:
    try:
        runs.write(run_folder / CSV, as_csv(rows))
        runs.write(run_folder / HTML, as_html(rows, title, seed))
    except OSError as error:
        warn(f"the grades cannot be written into {runs.display_path(run_folder)}: {error.strerror}")


def _show(rows: Sequence[Row]) -> None:
    table = Table(show_lines=False, pad_edge=False, box=None, header_style="bold", row_styles=["", "on grey7"])
    table.add_column("drill", no_wrap=True)
    run_rows = [row for row in rows if not row.reason]
    for row in run_rows:
        table.add_column(escape(row.name), overflow="fold")
    for drill in ordered(run_rows):
        table.add_row(drill, *(_mark_in_words(row.grades[drill]) for row in run_rows))
    table.add_row("[bold]good[/]", *(f"[bold]{row.score}[/]" for row in run_rows))
    if run_rows:
        console.print(table)
        console.print(
            "\n[green]✓ good[/] · [bold red]✗ bad[/] · [yellow]? open[/] · [dim]· the drill does not fit it[/]"
        )
    for row in rows:
        if row.reason:
            console.print(f"[bold red]✗[/] {escape(f'{row.name}: not run: {row.reason}')}")


def _mark_in_words(grade: Grade) -> str:
    return f"[{STYLES[grade.mark]}]{SIGNS[grade.mark]}[/] {escape(grade.word)}".rstrip()


def _status(rows: Sequence[Row]) -> int:
    if any(row.reason or row.count(Mark.BAD) for row in rows):
        return 1
    return 2 if any(row.count(Mark.OPEN) for row in rows) else 0


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to the command line; `command` makes one."""
    sub = command(
        "grade", run, "submissions of a class under chosen drills: a table, CSV, and a page with the evidence"
    )
    sub.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="the folder that holds a folder with a service.yaml for each submission",
    )
    rubric_file = str(display_path(RUBRIC)).replace("%", "%%")  # of a clone, or wherever the package is
    about = f"a,b or patterns (default: those of {rubric_file} that fit)"
    sub.add_argument("--drills", metavar="D,D", help=about)
    sub.add_argument("--only", metavar="A,B", help="these submissions, by the names of their folders")
    add_labs(sub)
    sub.add_argument(
        "--seed",
        type=between(0, 2**31 - 1),
        default=1,
        metavar="N",
        help="the seed of every cell (default %(default)s)",
    )
    sub.add_argument(
        "--jobs", type=between(1, 16), metavar="N", help="labs side by side (default: by cores and memory)"
    )
    about = "give each client at least so long before it is said to hang (default 20s)"
    sub.add_argument("--patience", type=patience, default=PATIENCE, metavar="TIME", help=about)
    sub.add_argument("--keep", action="store_true", help="keep the other labs up, for the next run")
    sub.add_argument("--resume", action="store_true", help="go on with the grading that was broken off")
    sub.add_argument("--dry-run", action="store_true", help="say what would be run")
    add_keep_runs(sub)
