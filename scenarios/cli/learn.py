"""The command `learn`: lessons in which one predicts what a drill will show, runs it, and reads it in the packets."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from scenarios.cli.arguments import between
from scenarios.cli.service_files import known_services
from scenarios.lab.errors import UsageError
from scenarios.lab.heartbeat import pulse, under_way
from scenarios.lab.markup import escape
from scenarios.lab.places import LEARNT, typed
from scenarios.report.console import console, step, warn
from scenarios.spec.cell import Cell
from scenarios.teaching.lesson import Lesson, cells_of, find_lesson, lessons, terms
from scenarios.teaching.logbook import Logbook
from scenarios.teaching.session import Ran, Session
from scenarios.teaching.sheet import sheet
from scenarios.verdict.result import Result

WIDEST = 100  # columns of a paragraph


class Keyboard:
    """A person at this terminal."""

    def say(self, text: str = "", *, strong: bool = False) -> None:
        """Print a paragraph; what begins with spaces keeps them, on each of its lines."""
        indent = " " * (len(text) - len(text.lstrip(" ")))
        width = max(40, min(WIDEST, shutil.get_terminal_size().columns) - 1)
        lines = textwrap.wrap(
            text.strip(), width, initial_indent=indent, subsequent_indent=f"{indent}  " if indent else ""
        )
        for line in lines or [""]:
            console.print(Text(line, "bold" if strong else ""))

    def draw(self, lines: Iterable[Text]) -> None:
        for line in lines:
            console.print(line, soft_wrap=True)

    def ask(self, prompt: str) -> str:
        """Read a line. The prompt is its own line, so that a narrow terminal does not break what is typed."""
        with pulse.handed_over():
            console.print(Text(prompt, "dim"))
            return input("> ").strip()


class Performing:
    """Runs cells in one lab, into the folder of one run, which is made when the first is run."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._run_folder: Path | None = None
        self._results: list[Result] = []
        self._began_s = time.monotonic()

    def __call__(self, cell: Cell, tries: int) -> Ran:
        # Docker's SDK, which the lessons and the sheet do without.
        from scenarios.evidence import run_folder as runs
        from scenarios.run.campaign import Campaign
        from scenarios.run.prepare import prepare

        asked = Cell(cell.drill, cell.chosen, cell.pair, cell.seed, tries)
        (lab,) = prepare(self._number, 1, [asked])
        if self._run_folder is None:
            self._run_folder = runs.new_run()
            runs.keep_room(self._run_folder, 1)
        campaign = Campaign(self._run_folder, [lab], lambda _: None, step, warn, keep=True, results=self._results)
        with under_way("the drill is run twice, first without the fault and then with it"):
            campaign.run([asked])
        result = self._results[-1]
        return Ran(result.verdict, result.sentence, result.folder)

    def close(self) -> None:
        """Write the report of what was run; the lab stays up for the next lesson."""
        if self._run_folder is None:
            return
        from scenarios.evidence import run_folder as runs
        from scenarios.lab import signals
        from scenarios.run import summary

        if not self._results:
            runs.give_latest_back(self._run_folder)
        took_s = time.monotonic() - self._began_s
        with signals.held_back():
            if problem := summary.close(self._run_folder, self._results, len(self._results), took_s, None):
                warn(str(problem))
        down = typed("down", lab=self._number)
        console.print(f"[dim]lab {self._number} is still up; `{down}` removes it[/]")


def learn(options: argparse.Namespace) -> int:
    """Exit status 0 when the lesson ends, or is left; 64 where nobody can type."""
    if options.answers and not options.sheet:
        raise UsageError("--answers needs --sheet")
    chosen = [find_lesson(options.lesson)] if options.lesson is not None else lessons()
    if options.list:
        return _list(chosen, Logbook.read(LEARNT))
    known = known_services()
    if options.sheet:
        with_cells = [(each, cells_of(each, known)) for each in chosen]
        console.emit(sheet(with_cells, terms(), _newest if options.answers else None))
        return 0
    if not sys.stdin.isatty():
        listed, printed = typed("learn", "LIST=1", "--list"), typed("learn", "SHEET=1", "--sheet")
        raise UsageError(
            f"a lesson asks questions, and standard input is not a terminal; type `{typed('learn')}` at one, "
            f"without a pipe. `{listed}` shows the lessons, `{printed}` prints them with the questions"
        )
    learnt = Logbook.read(LEARNT)
    lesson = chosen[0] if options.lesson is not None else _next(chosen, learnt)
    performing = Performing(options.lab)
    session = Session(lesson, cells_of(lesson, known), terms(), Keyboard(), performing, learnt)
    try:
        session.run(again=options.again)
    finally:
        performing.close()
    return 0


def _next(found: Sequence[Lesson], learnt: Logbook) -> Lesson:
    """The first lesson with an exercise that was not done; the first of all where none is left."""
    for each in found:
        if not all(learnt.of(each.lesson, exercise.name) for exercise in each.exercises):
            return each
    return found[0]


def _list(found: Sequence[Lesson], learnt: Logbook) -> int:
    table = Table(box=None, pad_edge=False)
    for column in ("lesson", "title", "minutes", "exercises", "done", "right"):
        table.add_column(column)
    for each in found:
        done = [had for exercise in each.exercises if (had := learnt.of(each.lesson, exercise.name))]
        asked = sum(len(had.predictions) for had in done)
        right = f"{sum(had.right for had in done)} of {asked}" if asked else ""
        count = str(len(each.exercises))
        table.add_row(str(each.lesson), escape(each.title), str(each.minutes), count, str(len(done)), right)
    console.print(table)
    begins, prints = typed("learn", "LESSON=1", "1"), typed("learn", "SHEET=1", "--sheet")
    console.print(
        f"`{begins}` begins with the first, `{typed('learn')}` goes on where you were, `{prints}` prints them all"
    )
    return 0


def _newest(cell: Cell) -> Path | None:
    """The folder of the newest run of a cell that passed."""
    from scenarios.evidence.run_folder import cell_path
    from scenarios.report import read_run
    from scenarios.run import previous

    for run in previous.earlier():
        folder = cell_path(run, cell.drill.drill, cell.chosen.folder_name, cell.pair)
        with contextlib.suppress(OSError, ValueError):
            if read_run.result(folder).get("verdict") == "pass":
                return folder
    return None


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to the command line; `command` makes one."""
    sub = command("learn", learn, "lessons: predict what a drill will show, run it, and let the packets answer")
    about = "1 to 8 (default: the first that you have not done)"
    sub.add_argument("lesson", nargs="?", type=between(1, 99), metavar="LESSON", help=about)
    sub.add_argument(
        "--list",
        action="store_true",
        help="list the lessons, or the one that is named, and how much of each you have done",
    )
    sub.add_argument(
        "--again", action="store_true", help="begin with the first exercise, and repeat those that you have done"
    )
    sub.add_argument(
        "--sheet", action="store_true", help="print the lesson, or all of them, as Markdown; no lab is needed"
    )
    sub.add_argument(
        "--answers", action="store_true", help="with --sheet: print the answers too, from runs on this machine"
    )
