"""The program that runs drills in a lab that is held up: which cells, and its table, however it ends. No lab is up."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import pytest

from scenarios.run import cell
from scenarios.spec.cell import Cell
from scenarios.spec.pairs import DEFAULT_PAIRS
from scenarios.verdict.check import Check, Verdict, combine
from tests.drills import held_up
from tests.run.faking import Stage, cells, faked, taking

MAIN = threading.main_thread().ident or 0
STALLED = "the machine stood still for 0.70 s at 1.20 s"


class Holder:
    """Who holds the lab up: told to end, it says how many moments there were."""

    def __init__(self) -> None:
        self.told: list[int] = []

    def send_signal(self, number: int) -> None:
        self.told.append(number)

    def communicate(self, timeout: float) -> tuple[str, None]:
        assert timeout
        assert self.told
        return "12 moments\n", None


@pytest.fixture
def holder(monkeypatch: pytest.MonkeyPatch) -> Holder:
    made = Holder()

    @contextlib.contextmanager
    def holding_up(_lab: int, _words: Sequence[str]) -> Iterator[Holder]:
        yield made

    monkeypatch.setattr(held_up, "holding_up", holding_up)
    monkeypatch.setattr(held_up, "bring_up", lambda _: None)
    return made


def test_each_cell_of_the_catalogue_comes_once_before_any_comes_again() -> None:
    made = held_up.random_cells(["lost-syn", "lost-reply"], DEFAULT_PAIRS, 9, seed=3)
    kinds = [(each.drill.drill, each.pair) for each in made]
    assert len(set(kinds[:4])) == len(set(kinds[4:8])) == 4
    assert [each.repeat for each in made] == [1] * 4 + [2] * 4 + [3]
    assert made == held_up.random_cells(["lost-syn", "lost-reply"], DEFAULT_PAIRS, 9, seed=3)
    assert kinds != [(each.drill.drill, each.pair) for each in held_up.random_cells([], DEFAULT_PAIRS, 9, seed=4)]


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_table_tells_what_was_run_also_when_it_is_interrupted(
    tmp_path: Path, holder: Holder, capsys: pytest.CaptureFixture[str], interrupted: bool
) -> None:
    def perform(stage: Stage, cell: Cell, armed: bool) -> None:
        if interrupted and cell.repeat == 4 and holder.told == []:
            signal.pthread_kill(MAIN, signal.SIGINT)
            taking(5)(stage, cell, armed)

    with faked(tmp_path, perform) as labs:
        assert held_up.run_held_up(labs, cells(5), []) == 0
    lines = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line[-1:].isdecimal())
    assert lines["cells"] == ("3" if interrupted else "5")
    assert lines["cells not run (no lab, or interrupted)"] == ("2" if interrupted else "0")
    assert lines["moments held up"] == "12"
    assert holder.told == [signal.SIGINT]
    assert not list(tmp_path.glob("20*/*/*/*/result.json"))  # evidence is kept of wrong words alone


def test_labs_side_by_side_are_each_held_up_and_come_into_one_table(
    tmp_path: Path, holder: Holder, capsys: pytest.CaptureFixture[str]
) -> None:
    with faked(tmp_path, labs=3) as labs:
        assert held_up.run_held_up(labs, cells(7), []) == 0
    lines = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line[-1:].isdecimal())
    assert (lines["cells"], lines["moments held up"]) == ("7", "36")
    assert holder.told == [signal.SIGINT] * 3


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        (Check("the rule", "1", "2", Verdict.FAIL), 1),
        (Check("the rule", "1", "2", Verdict.UNPROVEN, stalled=STALLED), 0),
    ],
    ids=["a fail", "unproven by a stall"],
)
def test_a_fail_is_a_wrong_word_and_its_evidence_is_kept(
    tmp_path: Path,
    holder: Holder,
    capsys: pytest.CaptureFixture[str],
    check: Check,
    wrong: int,
) -> None:
    assert holder
    judging = mock.patch.multiple(cell, judged=lambda *_: ([], [check]), combine=combine)
    with faked(tmp_path) as labs, judging:
        assert held_up.run_held_up(labs, cells(1), []) == wrong
    out = capsys.readouterr().out
    assert f"wrong words (fail, or a false pass){wrong:>19}" in out
    assert len(list(tmp_path.glob("20*/*/*/*/result.json"))) == wrong
