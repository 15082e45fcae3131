"""The command `learn` where nobody types: the list, the sheet with and without answers, and what it says without a
terminal.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from scenarios.cli import learn
from scenarios.cli.main import main
from scenarios.evidence import run_folder
from scenarios.lab.places import typed
from scenarios.teaching.logbook import Logbook, Prediction
from tests.report import making


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs and what was learnt are in a folder of the test's."""
    monkeypatch.setattr(run_folder, "RUNS", tmp_path)
    monkeypatch.setattr(learn, "LEARNT", tmp_path / "learnt.json")
    return tmp_path


def test_without_a_terminal_it_says_what_to_do_and_ends_as_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n"))
    assert main(["learn", "1"]) == 64
    told = " ".join(capsys.readouterr().out.split())
    assert "standard input is not a terminal" in told
    assert f"`{typed('learn', 'SHEET=1', '--sheet')}` prints them with the questions" in told


def test_the_list_says_what_was_done_and_what_of_it_was_right(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learnt = Logbook.read(places / "learnt.json")
    learnt.note(1, "lost-syn · le-le", [Prediction("How?", "answered", "answered"), Prediction("Long?", "", "at once")])
    assert main(["learn", "--list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["1", "Reaching", "a", "server", "45", "5", "1", "1", "of", "2"] in lines
    assert ["2", "Talking", "45", "5", "0"] in lines
    assert main(["learn", "2", "--list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["2", "Talking", "45", "5", "0"] in lines
    assert "Reaching" not in [word for line in lines for word in line]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["learn", "9"], "unknown lesson 9; there are 1 to 8"),
        (["learn", "9", "--list"], "unknown lesson 9; there are 1 to 8"),
        (["learn", "--answers"], "--answers needs --sheet"),
    ],
)
def test_what_cannot_be_is_a_usage_error(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 64
    assert told in capsys.readouterr().out


def test_a_sheet_has_the_answers_of_the_newest_run_that_passed_and_says_of_which(
    places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    making.result(places / "2026-11-20T10-00-00.000Z", service="echo/blocking", pair="le-le")
    assert main(["learn", "1", "--sheet", "--answers"]) == 0
    text = capsys.readouterr().out
    assert "Answers, read from the run 2026-11-20T10-00-00.000Z on this machine:" in text
    assert "Question 3. How many SYNs does the client send? **2**" in text


def test_a_sheet_makes_no_answer_up_where_nothing_was_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learn", "1", "--sheet", "--answers"]) == 0
    text = capsys.readouterr().out
    assert text.count("so the answers are not known.") == 5
    assert text.count("**not known**") == text.count("\nQuestion ")
    assert "What the drill expects of a run. This is its claim, and not an answer from a run:" in text
    assert "- the call hello is refused (ECONNREFUSED)" in text


def test_a_sheet_without_answers_has_lines_to_write_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learn", "1", "--sheet"]) == 0
    text = capsys.readouterr().out
    assert text.count(": ______________________") == text.count("\nQuestion ") > 10
