"""The tables of a benchmark: each cell of the plan has its figures, or says why it has none."""

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from scenarios.bench import tables
from scenarios.bench.model import Bench, Cell, Content, Idle, Load, Measured
from scenarios.bench.services import command, unfit
from scenarios.spec.service import services

ONE, MANY = Load(1, 1, kept=True), Load(1000, 16, kept=True)
EACH = Load(50, 1, kept=False)
CELLS = [
    Cell("search", "textbook", MANY, rate=1000.0, p50_s=0.001, p99_s=0.002, memory_bytes=1 << 20),
    Cell("search", "asyncio", MANY, rate=3000.0, ratio=3.0, bytes_a_connection=4096.0, errors={"ECONNRESET": 2}),
    Cell("echo", "once", MANY, why="one client, and then it ends"),
    Cell("echo", "threads", MANY, why="failed: it broke"),
]
BENCH = Bench(
    {"cpu": "a [fast] one"},
    [
        Measured(
            "loopback",
            CELLS,
            [Idle("search", "asyncio", 10_000, rate=95.0, rate_without=100.0, ratio=0.95, bytes_a_connection=5000.0)],
            [Content("asyncio", "text", 1 << 20, 64 << 20, "", 0.001, 0.064, 64.0)],
        )
    ],
    Path("runs/x"),
)


def rendered() -> str:
    console = Console(width=300, record=True, file=io.StringIO())
    for table in tables.on_a_terminal(BENCH):
        console.print(table)
    return console.export_text()


@pytest.mark.parametrize("text", [rendered, lambda: tables.markdown(BENCH)], ids=["terminal", "markdown"])
def test_a_cell_that_could_not_be_run_says_why_and_every_other_has_its_figures(text: Callable[[], str]) -> None:
    lines = text().splitlines()
    (once,) = [line for line in lines if "echo/once" in line]
    assert "– one client, and then it ends" in once
    (ours,) = [line for line in lines if "search/asyncio" in line and "3,000" in line]
    assert "3.00" in ours
    assert "4,096" in ours
    assert "3,000, ECONNRESET 2" in ours
    assert any("search/asyncio" in line and "0.95" in line and "5,000" in line for line in lines)
    assert any("64.0" in line and "1 MiB and 64 MiB" in line for line in lines)


def test_cells_that_have_no_figure_are_counted_aloud() -> None:
    assert tables.counted(BENCH) == "4 cells: 2 measured, 1 of them with errors; 1 not possible; 1 failed"


def test_each_row_of_markdown_has_as_many_cells_as_its_head_or_says_why_in_its_last() -> None:
    for line in tables.markdown(BENCH).splitlines():
        if line.startswith("| ") and "–" not in line and "fast" not in line and line != "| | |":
            assert line.count("|") in {
                len(columns) + 1 for columns in (tables.CELL_COLUMNS, tables.IDLE_COLUMNS, tables.CONTENT_COLUMNS)
            }


def test_a_benchmark_that_was_stored_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({**asdict(BENCH), "folder": str(BENCH.folder)}), encoding="utf-8")
    assert tables.read(path) == BENCH


@pytest.mark.parametrize(
    ("server", "load", "fits"),
    [
        ("once", ONE, True),
        ("once", MANY, False),
        ("once", EACH, False),
        ("blocking", ONE, True),
        ("blocking", EACH, True),
        ("blocking", MANY, False),
        ("forking", Load(200, 1, kept=True), True),
        ("forking", Load(201, 1, kept=True), False),
        ("forking", Load(1000, 1, kept=False), True),
        ("threads", MANY, True),
        ("select", MANY, True),
        ("selectors", MANY, True),
    ],
)
def test_a_server_is_not_given_a_load_that_its_architecture_cannot_serve(server: str, load: Load, fits: bool) -> None:
    assert (unfit("echo", server, load) == "") is fits


def test_every_server_of_both_services_can_be_started_and_none_is_left_out() -> None:
    for protocol in ("echo", "search"):
        for name in ["textbook", *services()[protocol].servers]:
            argv = command(protocol, name, "198.18.0.1", 21000)
            assert argv[:2] == ["python", "-m"]
            assert "21000" in argv
