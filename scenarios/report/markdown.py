"""The summary of a run in Markdown, for the pages of CI jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scenarios.report.changes import Changes
from scenarios.report.html import MARKS, date, visible
from scenarios.report.ladder_events import seconds
from scenarios.report.matrix import matrix
from scenarios.report.read_run import Line, Run
from scenarios.spec.units import so_many
from scenarios.verdict.check import Verdict

LIMIT = 100  # rows of a list
# What means something within a line (CommonMark 0.31, 2.4), to tables, or to the pages of a code host: mentions, links.
SPECIAL = str.maketrans({each: f"\\{each}" for each in "\\`*_[]|~$#@"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})


def escaped(text: str) -> str:
    """Text that stands for itself in a line of Markdown, in a table's cell too."""
    line = " ".join(visible(text).split()).translate(SPECIAL)
    return line.replace("://", "&#58;//").replace("www.", "www&#46;")


def summary(run: Run, changes: Changes | None) -> str:
    """The whole of it."""
    return "\n".join(_lines(run, changes)) + "\n"


def _lines(run: Run, changes: Changes | None) -> Iterator[str]:
    told = ", ".join(f"{MARKS[each.value]} {run.counts[each]} {each.value}" for each in Verdict if run.counts.get(each))
    yield f"## Faultwire: {told}"
    yield ""
    took = (
        f" in {seconds(run.duration_s)}"
        if run.duration_s is not None
        else "; broken off before its summary was written"
    )
    asked = f" of {run.cells_wanted} that were asked for" if run.cells_wanted != run.ran else ""
    yield f"{so_many(run.ran, 'cell')}{asked}{took}, {date(run.folder.name)}."
    others = [line for line in run.lines if line.verdict is not Verdict.PASS]
    if others:
        yield from ("", "### What did not pass", "", "| | cell | why |", "|---|---|---|")
        yield from (f"| {MARKS[each.verdict.value]} {each.verdict.value} | {_name(each)} | {escaped(each.sentence)} |"
                    for each in others[:LIMIT])  # fmt: skip
        yield from _more(others)
    if changes:
        yield from ("", "### Since the run before", "")
        counts_of = f"{len(changes.changed)} changed, {len(changes.new)} new, {len(changes.gone)} gone"
        yield f"{counts_of}; {so_many(changes.common, 'cell')} in common with {escaped(changes.before.folder.name)}."
        if changes.changed:
            yield from ("", "| cell | before | now |", "|---|---|---|")
            yield from (f"| {_name(now)} | {_word(before)} | {_word(now)} |" for before, now in changes.changed[:LIMIT])
            yield from _more(changes.changed)
    yield from ("", "### Every cell", "")
    drawn = matrix(run.lines)
    heads = [f"{column.group}/{column.name}" if column.group else column.name for column in drawn.columns]
    yield f"| drill |{''.join(f' {escaped(each)} |' for each in heads)}"
    yield "|---" * (len(heads) + 1) + "|"
    for drill, _, places in drawn.rows:
        said = (
            "; ".join(
                f"{_word(entry.line)} {escaped(' '.join(label for label, _ in entry.lines))}".strip()
                for entry in entries
            )
            for entries in places
        )
        yield f"| {escaped(drill)} |{''.join(f' {each} |' for each in said)}"


def _word(line: Line) -> str:
    return f"{MARKS[line.tone]} {escaped(line.word)}"


def _name(line: Line) -> str:
    again = f" #{line.repeat}" if line.repeat > 1 else ""
    return escaped(f"{line.drill} · {line.service} · {line.pair}{again}")


def _more(rows: Sequence[object]) -> Iterator[str]:
    if len(rows) > LIMIT:
        yield f"| | {len(rows) - LIMIT} more | |"
