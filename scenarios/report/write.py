"""Writing the report into the folder of a run, from what is in that folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from scenarios.evidence import run_folder as runs
from scenarios.report import html, markdown, read_run
from scenarios.report.changes import since_the_run_before
from scenarios.report.whole_cells import difference

MARKDOWN = "summary.md"
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"  # where a CI job says that it takes Markdown for its page
STEP_SUMMARY_BYTES = 1024 * 1024  # what such a page takes at most


def write(run_folder: Path, *, anew: bool = False) -> Path:
    """Write the pages of a run that are missing or out of date (`anew`: all), its style and script, and summary.md.

    The path of the first page. Raises ValueError when the folder is not one of a run; and, when all else is written,
    what was wrong with the page of a cell, as TornFile. Where it was more than one, the others are its `further`.
    """
    run = read_run.run(run_folder)
    problems = list[Exception]()
    for line in run.lines:
        folder = run.folder / line.folder
        if line.has_page and (anew or _is_out_of_date(folder)):
            try:
                write_cell(folder, run.folder)
            except Exception as problem:
                problem.add_note(f"the page of {folder}")
                problems.append(problem)
        if anew and not any(problem.path.is_relative_to(folder) for problem in torn_of(problems)):
            problems += [found] if (found := difference(run.folder, line)) else []
    changes = since_the_run_before(run)
    for name in (html.STYLE, html.SCRIPT):
        runs.write(run.folder / name, (html.HERE / name).read_text(encoding="utf-8"))
    runs.write(run.folder / MARKDOWN, markdown.summary(run, changes))
    page = runs.write(run.folder / read_run.PAGE, html.index(run, changes))
    torn = torn_of(problems)
    if len(torn) < len(problems):
        raise next(problem for problem in problems if problem not in torn)
    if torn:
        torn[0].further = torn[1:]
        raise torn[0]
    return page


def torn_of(problems: Sequence[Exception]) -> list[read_run.TornFile]:
    """Those that are of a file that cannot be read, or is missing."""
    return [problem for problem in problems if isinstance(problem, read_run.TornFile)]


def write_cell(folder: Path, run_folder: Path) -> Path:
    """Write the page of a cell; its path. Raises ValueError when what is in its folder is none of ours."""
    return runs.write(folder / read_run.PAGE, html.cell(folder, run_folder))


def _is_out_of_date(folder: Path) -> bool:
    """Whether a cell has no page, one that is older than its result, or one that was taken over from another run.

    What is taken over is the same file under two names, and its page names the other run.
    """
    try:
        page = (folder / read_run.PAGE).stat()
    except FileNotFoundError:
        return True
    return page.st_nlink > 1 or page.st_mtime_ns < (folder / read_run.RESULT).stat().st_mtime_ns


def tell_ci(run_folder: Path) -> None:
    """Append the Markdown summary to the page of the CI job that this runs in, if it does."""
    path = os.environ.get(STEP_SUMMARY)
    if path:
        text = (run_folder / MARKDOWN).read_bytes()[:STEP_SUMMARY_BYTES].decode("utf-8", "ignore")
        with Path(path).open("a", encoding="utf-8") as page:
            page.write(text)
