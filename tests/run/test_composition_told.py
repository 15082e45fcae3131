"""While a composition comes up, that is what a person is told, by its name; then the control, and then the fault."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from scenarios.calls import compositions
from scenarios.cli.progress import Alone
from scenarios.lab.heartbeat import pulse
from scenarios.lab.lab import Lab
from scenarios.run import session
from scenarios.run.session import Happened, Stage
from scenarios.spec.catalogue import drills
from scenarios.spec.cell import Cell
from scenarios.spec.service import load_service, resolve
from tests.composed import service_file

COMPOSE = "services:\n  web: {image: one}\n  db: {image: two}\n"
TITLE = "any-lost-syn · composed/db · le-le"


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    folder = tmp_path / "composed"
    folder.mkdir()
    (folder / "compose.yaml").write_text(COMPOSE, encoding="utf-8")
    text = service_file("composed", "two services", server="a server", client="run: ask, about: asks, prints: hello")
    (folder / "service.yaml").write_text(text, encoding="utf-8")
    chosen = resolve("composed/db", known={"composed": load_service(folder)})
    return Cell(drills()["any-lost-syn"], chosen, "le-le")


def test_a_composition_that_comes_up_is_told_by_its_name_and_the_scripts_are_not(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    @contextlib.contextmanager
    def comes_up(*_: object) -> Iterator[SimpleNamespace]:
        told.extend(pulse.lines())
        yield SimpleNamespace(plan=SimpleNamespace(name="composed"))

    monkeypatch.setattr(session, "Composition", comes_up)
    monkeypatch.setattr(compositions, "with_seats", lambda topology, _: topology)
    monkeypatch.setattr(compositions, "plan_of", lambda _: None)
    stage, alone = Stage(Lab(7)), Alone(cell)
    with alone.display():
        stage.compose(cell.chosen.service)
        stage.compose(cell.chosen.service)  # it is up
        assert told == [f"… {TITLE} (0 s)", "… lab 7: the composition composed comes up (0 s)"]
        for armed, part in ((False, "the control, without the fault"), (True, "with the fault")):
            alone.follow(Happened(TITLE, armed, 0, "server starts", ()))
            assert pulse.lines() == [f"… {TITLE} (0 s): {part}"]


def test_of_a_cell_without_a_composition_both_scripts_are_told_from_the_first() -> None:
    alone = Alone(Cell(drills()["any-lost-syn"], resolve("echo"), "le-le"))
    with alone.display():
        (line,) = pulse.lines()
    assert line.endswith("(0 s): the control first, then the fault")
