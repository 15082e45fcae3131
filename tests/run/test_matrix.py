"""The survival matrix without a lab: its cells, its table, what is told meanwhile, and what need not be run again."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from scenarios.cli import progress
from scenarios.evidence import run_folder as runs
from scenarios.evidence.run_folder import folder_of
from scenarios.lab.topology import ROOT
from scenarios.lab.versions import versions
from scenarios.run import fingerprint, matrix, previous
from scenarios.spec.catalogue import DRILLS, chosen_service, load_drill
from scenarios.spec.cell import Cell
from scenarios.spec.drill import Drill
from scenarios.spec.service import Service, load_service, services
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.result import Result
from scenarios.verdict.survival import Survival

KNOWN = services()
GOOD = Survival("survived", "survived", "survived", True, "served", "served", True, "well", "well", True)
BAD = replace(GOOD, word="reset ECONNRESET", kind="reset", as_promised=False)
BLOCKED = replace(GOOD, others="not served: within 3 s", others_as_promised=False)


def loaded(name: str) -> Drill:
    return load_drill(DRILLS / f"{name}.yaml", KNOWN)


def cell(drill: str = "lost-syn", service: str = "echo/select", pair: str = "le-le") -> Cell:
    found = loaded(drill)
    return Cell(found, chosen_service(found, service, KNOWN), pair)


def result(of: Cell, folder: Path, verdict: Verdict = Verdict.PASS, survival: Survival = GOOD) -> Result:
    return Result(
        cell=of,
        verdict=verdict,
        sentence="because",
        control=[Check("rule", "1", "1", Verdict.PASS, {"client-leg": [1]})],
        checks=[],
        seen={},
        folder=folder,
        duration_s=1.5,
        broke_off=False,
        survival=survival,
        inputs=fingerprint.inputs(of),
    )


def test_the_columns_are_every_server_of_echo_and_search_or_what_is_asked_for() -> None:
    assert matrix.columns([], KNOWN) == [
        f"{name}/{each}" for name in ("echo", "search") for each in KNOWN[name].servers
    ]
    assert matrix.columns(["search/asyncio", "echo"], KNOWN)[:2] == ["search/asyncio", "echo/selectors"]


def test_each_cell_that_there_is_not_has_its_reason_and_no_other_has() -> None:
    chosen, of = [loaded("lost-syn"), loaded("any-udp-lost-answer")], ["echo/select", "daytime/udp"]
    ran = {(cell.drill.drill, cell.chosen.name) for cell in matrix.cells(chosen, of, ("le-le",), 1, KNOWN)}
    blank = {
        (drill, name): why for drill, each in matrix.blanks(chosen, of, KNOWN).items() for name, why in each.items()
    }
    assert ran | blank.keys() == {(drill.drill, name) for drill in chosen for name in of}
    assert not ran & blank.keys()
    assert blank
    assert all(blank.values())


def test_the_cells_are_every_drill_that_applies_on_every_pair() -> None:
    drills = [loaded("lost-syn"), loaded("restart-with-reuseaddr")]
    found = matrix.cells(drills, ["echo/once", "echo/select"], ("le-le", "be-le"), 7, KNOWN)
    assert [(each.drill.drill, each.chosen.name, each.pair, each.seed) for each in found] == [
        ("lost-syn", "echo/once", "le-le", 7),
        ("lost-syn", "echo/once", "be-le", 7),
        ("lost-syn", "echo/select", "le-le", 7),
        ("lost-syn", "echo/select", "be-le", 7),
        ("restart-with-reuseaddr", "echo/select", "le-le", 7),
        ("restart-with-reuseaddr", "echo/select", "be-le", 7),
    ]


@pytest.mark.parametrize(
    ("service", "word"),
    [("echo/selekt", "did you mean 'echo/select'"), ("qotd/udp", "lost-syn does not fit qotd/udp")],
)
def test_a_service_that_there_is_not_or_that_no_drill_fits_is_told(service: str, word: str) -> None:
    with pytest.raises(ValueError, match=word.replace("?", r"\?")):
        matrix.cells([loaded("lost-syn")], ["echo/select", service], ("le-le",), 1, KNOWN)


def draw_table(
    said: Mapping[tuple[str, str, str], tuple[Verdict, Survival]], not_run: Collection[tuple[str, str, str]] = ()
) -> list[str]:
    """Its lines."""
    out = io.StringIO()
    Console(file=out, width=120).print(matrix.table(("le-le", "be-le"), said, not_run))
    return [" ".join(line.split()) for line in out.getvalue().splitlines() if line.strip()]


def test_what_pairs_have_in_common_is_said_once_and_what_not_by_pair() -> None:
    said = {
        ("one", "echo/select", "le-le"): (Verdict.PASS, GOOD),
        ("one", "echo/select", "be-le"): (Verdict.PASS, GOOD),
        ("two", "echo/select", "le-le"): (Verdict.PASS, GOOD),
        ("two", "echo/select", "be-le"): (Verdict.FAIL, BAD),
        ("two", "echo/once", "le-le"): (Verdict.PASS, BLOCKED),
        ("two", "echo/once", "be-le"): (Verdict.UNPROVEN, replace(GOOD, word="unproven", kind="unproven")),
    }
    assert draw_table(said) == [
        "echo echo",
        "drill select once",
        "one survived ·",
        "two le-le survived le-le survived ⧗✗",
        "be-le ✗ reset ECONNRESET be-le ? unproven",
    ]


def test_a_cell_that_was_not_run_is_none_that_the_drill_does_not_fit() -> None:
    said = {
        ("one", "echo/select", "le-le"): (Verdict.PASS, GOOD),
        ("two", "echo/once", "le-le"): (Verdict.PASS, GOOD),
        ("two", "echo/once", "be-le"): (Verdict.PASS, GOOD),
    }
    not_run = {("one", "echo/select", "be-le"), ("two", "echo/select", "le-le"), ("two", "echo/select", "be-le")}
    assert draw_table(said, not_run)[2:] == ["one le-le survived ·", "be-le …", "two … survived"]
    assert f"{matrix.NOT_RUN} not run" in matrix.LEGEND


@pytest.fixture
def own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runs, "RUNS", tmp_path)
    return tmp_path


def stored(run_folder: Path, of: Cell, **changes: object) -> Path:
    """A cell's folder as a run leaves it."""
    folder = folder_of(run_folder, of)
    folder.mkdir(parents=True)
    whole = result(of, folder)
    runs.write_result(
        folder,
        {
            "verdict": whole.verdict,
            "sentence": whole.sentence,
            "control": whole.control,
            "expectations": whole.checks,
            "duration_s": whole.duration_s,
            "survival": whole.survival,
            "inputs": whole.inputs,
            **changes,
        },
        versions(),
    )
    (folder / "client.txt").write_text("said", "utf-8")
    return folder


def test_what_has_not_changed_is_kept_with_its_evidence(own_runs: Path) -> None:
    before, now = own_runs / "1", own_runs / "2"
    stored(before, cell())
    (kept,) = previous.reuse_results([cell(), cell(service="echo/once")], now)
    assert (kept.cell.title, kept.verdict, kept.survival, kept.control) == (
        cell().title, Verdict.PASS, GOOD, [Check("rule", "1", "1", Verdict.PASS, {"client-leg": [1]})],
    )  # fmt: skip
    assert kept.folder == now / "lost-syn" / "echo-select" / "le-le"
    assert (kept.folder / "client.txt").read_text("utf-8") == "said"


@pytest.mark.parametrize(
    "changes",
    [{"inputs": "of other files"}, {"verdict": "unproven"}, {"survival": None}, {"schema": 99}, {"control": "torn"}],
    ids=lambda each: next(iter(each)),
)
def test_what_rests_on_other_inputs_or_is_no_verdict_is_run_again(own_runs: Path, changes: dict[str, object]) -> None:
    folder = stored(own_runs / "1", cell(), **changes)
    if "schema" in changes:
        document = json.loads((folder / "result.json").read_text("utf-8"))
        (folder / "result.json").write_text(json.dumps({**document, **changes}), "utf-8")
    assert previous.reuse_results([cell()], own_runs / "2") == []


def test_a_run_that_goes_on_takes_what_was_done_and_clears_away_what_was_begun(own_runs: Path) -> None:
    stored(own_runs / "1", cell())
    begun = folder_of(own_runs / "1", cell(service="echo/once"))
    (begun / "control").mkdir(parents=True)
    found = previous.resumed(own_runs / "1", [cell(), cell(service="echo/once"), cell(service="echo/threads")])
    assert [each.cell.title for each in found] == [cell().title]
    assert not begun.exists()


def test_a_run_that_asked_no_other_clients_goes_on_too_and_is_nothing_for_one_that_does(own_runs: Path) -> None:
    folder = stored(own_runs / "1", cell())
    alone = json.loads((folder / "result.json").read_text("utf-8"))
    del alone["survival"]
    (folder / "result.json").write_text(json.dumps(alone), "utf-8")
    assert [each.cell.title for each in previous.resumed(own_runs / "1", [cell()], beside=False)] == [cell().title]
    assert previous.read(own_runs / "1", cell()) is None


def test_the_inputs_are_the_drill_the_service_and_the_lab_and_nothing_that_only_tells(tmp_path: Path) -> None:
    before = fingerprint.inputs(cell())
    assert fingerprint.inputs(cell()) == before
    assert fingerprint.inputs(cell(pair="be-le")) != before
    assert fingerprint.inputs(replace(cell(), seed=2)) != before
    assert fingerprint.inputs(cell(service="echo/once")) != before

    drill = tmp_path / "lost-syn.yaml"
    drill.write_text(loaded("lost-syn").path.read_text("utf-8") + "# a word more\n", "utf-8")
    assert fingerprint.inputs(replace(cell(), drill=load_drill(drill, KNOWN))) != before

    folder = tmp_path / "echo"
    shutil.copytree(ROOT / "services" / "echo", folder)
    (folder / "server_select.py").write_text("# other\n", "utf-8")
    other: dict[str, Service] = {**KNOWN, "echo": load_service(folder)}
    assert (
        fingerprint.inputs(replace(cell(), chosen=chosen_service(loaded("lost-syn"), "echo/select", other))) != before
    )
    assert not {"report", "cli"} & {*fingerprint.JUDGING}
    assert all((ROOT / "scenarios" / room / "__init__.py").exists() for room in fingerprint.JUDGING)


def test_where_no_terminal_is_each_verdict_is_a_line_and_a_bad_one_says_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cells = [cell(), cell(service="echo/once"), cell(service="echo/threads")]
    told = progress.Progress(3, 1, {}, cells)
    with told.display():
        told.begin_cell("lab 1", cells[0])
        told.report(result(cells[0], tmp_path))
        told.report(result(cells[1], tmp_path, Verdict.FAIL, BAD))
        told.report(result(cells[2], tmp_path, survival=BLOCKED))
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "1/3 ✓ lost-syn · echo/select · le-le survived 1.5 s",
        "2/3 ✗ lost-syn · echo/once · le-le reset ECONNRESET 1.5 s",
        "      fail: because",
        "3/3 ✗ lost-syn · echo/threads · le-le survived 1.5 s",
        "      otherwise than promised: others meanwhile: not served: within 3 s, promised: served",
    ]


def test_on_a_terminal_one_sees_each_lab_with_its_cell_what_is_done_and_what_is_left(tmp_path: Path) -> None:
    cells = [cell(), cell(service="echo/once"), cell(service="echo/threads")]
    told = progress.Progress(3, 2, {cells[0].title: 1.5, cells[1].title: 3.0, cells[2].title: 3.0}, cells)
    told.begin_cell("lab 1", cells[0])
    told.begin_cell("lab 4", cells[1])
    told.report(result(cells[0], tmp_path))
    out = io.StringIO()
    Console(file=out, width=100, highlight=False).print(told.picture())
    text = out.getvalue()
    assert "lab 4  lost-syn · echo/once · le-le" in text
    assert "lab 1" not in text  # it has ended its cell, and not begun another
    assert "1 of 3" in text
    assert "3 s left" in text  # 6 s of cells at the pace so far, on two labs
    (line,) = told.lines()  # where no terminal is, and nothing was printed for a while
    assert re.fullmatch(r"1 of 3 done in \d+ s, 3 s left; lab 4: lost-syn · echo/once · le-le \(\d+ s\)", line)
