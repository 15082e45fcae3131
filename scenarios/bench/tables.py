"""The tables of a benchmark: for a terminal, and as Markdown for docs/performance.md.

Every cell of the plan is in a table: one that has no figure says why.

    python -m scenarios.bench.tables runs/…/bench-services/result.json        # the Markdown
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from scenarios.bench.model import TEXTBOOK, Bench, Cell, Content, Idle, Load, Measured
from scenarios.lab.markup import escape
from scenarios.lab.valueclass import valueclass

CELL_COLUMNS = (
    *("requests", "server", "req/s", "× textbook", "p50 ms", "p99 ms"),
    *("memory MiB", "bytes/conn.", "server µs", "generator µs", "server busy"),
)
IDLE_COLUMNS = ("server", "idle", "req/s with", "req/s without", "ratio", "bytes/connection")
CONTENT_COLUMNS = ("server", "content", "small ms", "large ms", "ratio", "large MiB/s")


@valueclass
class Rows:
    """One table, as text. A row that has no figures is its first columns and why."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(measured: Measured) -> list[Rows]:
    """What was measured at one place, as text."""
    cells = Rows(f"{measured.place}: every server, every load", CELL_COLUMNS, [*map(cell_row, measured.cells)])
    idle = Rows(f"{measured.place}: busy connections beside idle ones", IDLE_COLUMNS, [*map(idle_row, measured.idle)])
    large = Rows(f"{measured.place}: one large content", CONTENT_COLUMNS, [*map(content_row, measured.contents)])
    return [cells, idle, large]


def cell_row(cell: Cell) -> list[str]:
    named = f"{cell.load.connections:,} × {cell.load.mode}", f"{cell.protocol}/{cell.server}"
    return _row(named, cell.why, _cell_figures(cell))


def _row(named: Iterable[str], why: str, figures: Iterator[str]) -> list[str]:
    """The first columns, and the figures; or why there are none, and then they are not asked for."""
    return [*named, f"– {why}"] if why else [*named, *figures]


def _cell_figures(cell: Cell) -> Iterator[str]:
    yield f"{cell.rate:,.0f}{_errors(cell.errors)}"
    yield "1" if cell.server == TEXTBOOK else f"{cell.ratio:.2f}" if cell.ratio is not None else "?"
    yield f"{cell.p50_s * 1e3:.2f}"
    yield f"{cell.p99_s * 1e3:.2f}"
    yield f"{cell.memory_bytes / 2**20:.1f}"
    is_shared = cell.load.connections >= LEAST_FOR_A_SHARE and cell.bytes_a_connection is not None
    yield f"{max(0.0, cell.bytes_a_connection or 0.0):,.0f}" if is_shared else ""
    yield f"{cell.server_cpu_s * 1e6:.0f}"
    yield f"{cell.generator_cpu_s * 1e6:.0f}"
    yield f"{cell.busy:.0%}"


LEAST_FOR_A_SHARE = 1000  # connections: fewer fit into the memory that a process has already


def idle_row(idle: Idle) -> list[str]:
    return _row((f"{idle.protocol}/{idle.server}", f"{idle.idle:,}"), idle.why, _idle_figures(idle))


def _idle_figures(idle: Idle) -> Iterator[str]:
    yield f"{idle.rate:,.0f}{_errors(idle.errors)}"
    yield f"{idle.rate_without:,.0f}"
    yield f"{idle.ratio:.2f}"
    yield f"{idle.bytes_a_connection:,.0f}"


def content_row(content: Content) -> list[str]:
    named = f"search/{content.server}", f"{content.kind}, {size(content.small)} and {size(content.large)}"
    return _row(named, content.why, _content_figures(content))


def _content_figures(content: Content) -> Iterator[str]:
    yield f"{content.small_s * 1e3:.2f}"
    yield f"{content.large_s * 1e3:.1f}"
    yield f"{content.ratio:.1f}"
    yield f"{content.large / 2**20 / content.large_s:.0f}"


def size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"


def _errors(errors: Mapping[str, int]) -> str:
    return "".join(f", {name} {count}" for name, count in sorted(errors.items()))


def counted(bench: Bench) -> str:
    """How many cells have a figure, have one with errors, could not be, failed."""
    cells = bench.cells
    failed = sum(cell.why.startswith("failed") for cell in cells)
    impossible = sum(bool(cell.why) for cell in cells) - failed
    errors = sum(bool(cell.errors) for cell in cells)
    figures = len(cells) - failed - impossible
    measured = f"{figures} measured, {errors} of them with errors"
    return f"{len(cells)} cells: {measured}; {impossible} not possible; {failed} failed"


def on_a_terminal(bench: Bench) -> Iterable[Table]:
    """The tables for rich."""
    for rows in (rows for measured in bench.places for rows in tables(measured)):
        table = Table(title=rows.title, title_justify="left", box=None, pad_edge=False)
        for number, column in enumerate(rows.columns):
            table.add_column(column, justify="left" if number < 2 else "right", overflow="fold")
        before = ""
        for row in rows.rows:
            if rows.columns == CELL_COLUMNS and before not in ("", row[0]):
                table.add_section()
            before = row[0]
            style = "dim" if row[-1].startswith("–") else None
            table.add_row(*map(escape, row), style=style)
        yield table


def markdown(bench: Bench) -> str:
    """The same, and the machine, as Markdown."""
    parts = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in bench.machine.items()), ""]
    parts += [counted(bench), ""]
    for rows in (rows for measured in bench.places for rows in tables(measured)):
        parts += [f"### {rows.title}", "", f"| {' | '.join(rows.columns)} |"]
        parts.append("|" + "---|" * 2 + "---:|" * (len(rows.columns) - 2))
        parts += [f"| {' | '.join(each.replace('|', '/') for each in row)} |" for row in rows.rows]
        parts.append("")
    return "\n".join(parts)


def read(path: Path) -> Bench:
    """A benchmark that was stored by scenarios.bench.model."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    places = [
        Measured(
            each["place"],
            [Cell(**{**cell, "load": Load(**cell["load"])}) for cell in each["cells"]],
            [Idle(**idle) for idle in each["idle"]],
            [Content(**content) for content in each["contents"]],
        )
        for each in document["places"]
    ]
    return Bench(document["machine"], places, Path(document["folder"]))


if __name__ == "__main__":
    print(markdown(read(Path(sys.argv[1]))))
