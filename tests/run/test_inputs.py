"""What a result rests on, so that it is run again when that changes: all that judges, and every service."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.lab import engine
from scenarios.lab.topology import ROOT
from scenarios.run import fingerprint
from scenarios.run.fingerprint import inputs
from scenarios.run.patience import patient
from scenarios.spec.catalogue import DRILLS, chosen_service, load_drill
from scenarios.spec.cell import Cell
from scenarios.spec.service import resolve
from scenarios.spec.units import Seconds


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """services/ and scenarios/ to be changed by a test, as the digest sees them."""
    for name in ("services", "scenarios"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(fingerprint, name.upper(), tmp_path / name)

    def digested(paths: Iterable[Path]) -> str:
        return str(sorted((str(path), path.read_bytes()) for path in paths if tmp_path in path.parents))

    monkeypatch.setattr(fingerprint, "_digest", digested)
    return tmp_path


def digest() -> str:
    fingerprint.of_lab.cache_clear()
    try:
        return fingerprint.of_lab()
    finally:
        fingerprint.of_lab.cache_clear()


@pytest.mark.parametrize(
    "changed",
    [
        "services/search/server_tls.py",  # which search_tls runs
        "services/echo/server_threads.py",  # which framing and qotd import
        "services/sink/server_poll.py",  # which peers imports, for every drill that replaces a program
        "services/wire/__init__.py",
        "services/gallery/service.yaml",
        "scenarios/verdict/judge.py",
        "scenarios/faults/nft_rules.py",
    ],
)
def test_a_result_rests_on_every_service_and_on_all_of_the_lab_that_judges(copied: Path, changed: str) -> None:
    before = digest()
    assert digest() == before
    path = copied / changed
    path.write_text(path.read_text("utf-8") + "\n# changed\n", "utf-8")
    assert digest() != before


@pytest.mark.parametrize(
    "changed",
    [
        "scenarios/report/console.py",
        "scenarios/report/html.py",
        "scenarios/bench/model.py",
        "services/gallery/gallery.yaml",  # a cure's words
    ],
)
def test_a_result_does_not_rest_on_what_tells_of_it(copied: Path, changed: str) -> None:
    before = digest()
    path = copied / changed
    path.write_text(path.read_text("utf-8") + "\n# changed\n", "utf-8")
    assert digest() == before


def test_no_module_that_a_verdict_comes_from_is_left_out() -> None:
    """What running a cell imports, and what that imports, but for the report."""
    found: set[str] = set()
    left = {"scenarios.run.cell", "scenarios.run.campaign"}
    while left:
        module = left.pop()
        path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        if module in found or not path.exists() or module.startswith("scenarios.report"):
            continue
        found.add(module)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                left |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    assert {"scenarios.verdict.judge", "scenarios.faults.nft_rules", "scenarios.evidence.capture"} <= found
    of_lab = {ROOT.joinpath(*each.split(".")).with_suffix(".py") for each in found if each.startswith("scenarios.")}
    assert of_lab <= {*fingerprint._program()}


def test_a_result_rests_on_how_long_a_call_was_given() -> None:
    cell = Cell(load_drill(DRILLS / "any-silent-answer.yaml"), resolve("echo/selectors"), "le-le")
    longer = replace(cell, drill=patient(cell.drill, Seconds(20)))
    assert inputs(longer) != inputs(cell) == inputs(replace(cell))


def test_a_result_depends_on_the_files_that_its_drill_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "image_id", lambda _: "")
    for each in DRILLS.glob("path-by-trace.*"):
        (tmp_path / each.name).write_bytes(each.read_bytes())

    def digest() -> str:
        drill = load_drill(tmp_path / "path-by-trace.yaml")
        return fingerprint.inputs(Cell(drill, chosen_service(drill, None), "le-le"))

    before = digest()
    assert digest() == before
    trace = tmp_path / "path-by-trace.trace"
    trace.write_text(trace.read_text("utf-8") + "999999\n", encoding="utf-8")
    assert digest() != before
