"""The grades of a class as CSV and as a page: a row a submission, a column a drill, each cell with its evidence.

All names and words come from strangers: the page escapes them, and the CSV begins no cell with what a spreadsheet takes
for a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from scenarios.report.html import environment
from scenarios.report.read_run import PAGE
from scenarios.teaching.grading import Mark, Row, ordered

CSV, HTML = "grades.csv", "grades.html"
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
# The verdict whose colour and sign a mark has on the page.
TONES: Final = {Mark.GOOD: "pass", Mark.BAD: "fail", Mark.OPEN: "unproven", Mark.NOT_FOR_IT: "unsupported"}


def as_csv(rows: Sequence[Row]) -> str:
    """Return a line a submission; of each drill its mark, then what was seen, then the page of the evidence."""
    drills = ordered(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    of_drills = [each for drill in drills for each in (drill, f"{drill}: seen", f"{drill}: evidence")]
    writer.writerow(["submission", "good", "bad", "open", "why it was not run", *of_drills])
    for row in rows:
        counts = [row.count(mark) for mark in (Mark.GOOD, Mark.BAD, Mark.OPEN)]
        cells: list[str] = []
        for drill in drills:
            grade = row.grades.get(drill)
            page = f"{grade.folder}/{PAGE}" if grade and grade.folder else ""
            cells += [grade.mark.value, _harmless(grade.word), page] if grade else ["", "", ""]
        writer.writerow([_harmless(row.name), *counts, _harmless(row.reason), *cells])
    return out.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def as_html(rows: Sequence[Row], title: str, seed: int) -> str:
    """Return the page; it lies in the folder of the run, beside index.html."""
    template = environment().get_template("grades.html.j2")
    return template.render(rows=rows, drills=ordered(rows), title=title, seed=seed, tones=TONES, page=PAGE, csv=CSV)
