"""Grades from made-up results, and submissions of which some are broken."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from scenarios.calls import contract
from scenarios.cli.main import main
from scenarios.evidence import run_folder
from scenarios.lab import engine
from scenarios.lab.errors import CommandFailed, UsageError
from scenarios.spec.catalogue import DRILLS, load_drill
from scenarios.spec.service import services
from scenarios.teaching import submissions
from scenarios.teaching.grades_page import as_csv, as_html
from scenarios.teaching.grading import Grade, Mark, Row, Want, graded, rubric
from tests.report.test_pages import parsed, text_of
from tests.run.faking import faked
from tests.teaching.handing_in import class_in


@contextlib.contextmanager
def no_images() -> Iterator[None]:
    """Nothing is asked of the engine: the images of submissions are there; and this process has no run for itself."""
    with (
        mock.patch.object(contract, "ready"),
        mock.patch.object(engine, "image_id", return_value="an image"),
        mock.patch.object(run_folder, "take"),
    ):
        yield


def stored(word: str, kind: str, verdict: str = "pass", status: int = 1) -> dict[str, Any]:
    """result.json of a cell, in as much as a grade reads."""
    return {
        "verdict": verdict,
        "sentence": "the sentence",
        "did": {"call": "hello", "word": word, "kind": kind},
        "runs": {"fault": {"calls": {"hello": [{"ended": word, "call": {"status": status}}]}}},
    }


def mark_of(tmp_path: Path, result: dict[str, Any], want: Want, drill: str = "any-refused") -> Grade:
    folder = tmp_path / drill / "by_anna-program" / "le-le"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result), "utf-8")
    return graded(folder, load_drill(DRILLS / f"{drill}.yaml", services()), want, tmp_path)


@pytest.mark.parametrize(
    ("word", "kind", "want", "mark"),
    [
        ("answered", "answered", "answered", Mark.GOOD),
        ("answered after 1 retry", "answered after retries", "answered", Mark.GOOD),
        ("answered", "answered", "told", Mark.BAD),
        ("answered", "answered", "either", Mark.GOOD),
        ("refused (ECONNREFUSED)", "refused", "told", Mark.GOOD),
        ("refused (ECONNREFUSED)", "refused", "answered", Mark.BAD),
        ("timed out 3.0 s", "timed out", "told", Mark.GOOD),
        ("timed out 3.0 s", "timed out", "either", Mark.GOOD),
        ("failed (exit status 7, no errno printed)", "failed", "told", Mark.GOOD),
        ("hung (still waiting after 20 s)", "hung", "told", Mark.BAD),
        ("done (no byte came from the service)", "done", "answered", Mark.OPEN),
        ("answered, not ended after 20 s", "not ended", "answered", Mark.OPEN),
        ("crashed (uncaught ConnectionResetError)", "crashed", "told", Mark.BAD),
        ("failed with a traceback (ConnectionResetError)", "failed with a traceback", "told", Mark.BAD),
        # of these nobody can say whether they are right
        (
            "failed with a traceback among other words (Lost)",
            "failed with a traceback among other words",
            "told",
            Mark.OPEN,
        ),
        ("still trying after 20 s, 3 retries", "still trying", "told", Mark.OPEN),
        ("not done (something new still came)", "not done", "answered", Mark.OPEN),
        ("refused or timed out", "unclear", "told", Mark.OPEN),
        ("exit status 0, nothing sent to the service was seen", "unseen", "told", Mark.OPEN),
        ("unsupported", "unsupported", "told", Mark.OPEN),
    ],
)
def test_what_a_program_did_is_held_against_what_is_wanted(
    tmp_path: Path, word: str, kind: str, want: Want, mark: Mark
) -> None:
    grade = mark_of(tmp_path, stored(word, kind), want)
    assert (grade.mark, grade.word) == (mark, word)
    assert grade.folder == "any-refused/by_anna-program/le-le"


def test_an_unfinished_answer_that_is_taken_for_a_whole_one_is_bad_and_one_that_is_told_is_good(tmp_path: Path) -> None:
    assert mark_of(tmp_path, stored("wrong answer", "wrong answer", status=0), "told").mark is Mark.BAD
    assert mark_of(tmp_path, stored("wrong answer", "wrong answer", status=15), "told").mark is Mark.GOOD


@pytest.mark.parametrize("want", ["told", "either"])
def test_an_error_that_is_printed_by_a_program_that_ends_with_status_0_is_bad(tmp_path: Path, want: Want) -> None:
    """Of a thread whose traceback stands beside `done`, or of a log: its status says that all is well."""
    grade = mark_of(tmp_path, stored("refused (ECONNREFUSED)", "refused", status=0), want)
    assert grade.mark is Mark.BAD
    assert grade.word == "refused (ECONNREFUSED), and its exit status was 0, as after a right one"


@pytest.mark.parametrize("verdict", ["unproven", "unsupported", "fail"])
def test_what_is_not_proven_is_open_whatever_the_program_did(tmp_path: Path, verdict: str) -> None:
    grade = mark_of(tmp_path, stored("hung (still waiting after 20 s)", "hung", verdict), "told")
    assert grade.mark is Mark.OPEN
    assert "the sentence" in grade.word


def test_a_drill_that_says_itself_how_the_program_ends_is_graded_by_its_verdict(tmp_path: Path) -> None:
    assert mark_of(tmp_path, stored("answered", "answered"), "told", "lost-syn").mark is Mark.GOOD
    assert mark_of(tmp_path, stored("answered", "answered", "fail"), "either", "lost-syn").mark is Mark.BAD


def test_evidence_that_cannot_be_read_is_open(tmp_path: Path) -> None:
    grade = mark_of(tmp_path, {"verdict": "pass"}, "told")
    assert grade.mark is Mark.OPEN


def test_each_drill_of_the_rubric_is_for_every_program_and_claims_no_outcome() -> None:
    for name in rubric():
        drill = load_drill(DRILLS / f"{name}.yaml", services())
        assert drill.is_general, name
        assert not any(each.outcome for each in drill.expect), name


HOSTILE = '=HYPERLINK("x")<script>hit</script>'
ROWS = [
    Row("anna", {"any-refused": Grade(Mark.GOOD, "refused", "told", "any-refused/by_anna-program/le-le")}),
    Row(HOSTILE, {"any-refused": Grade(Mark.BAD, "<b>hung</b>", "told", "any-refused/by_x-program/le-le")}),
    Row("eve", {"any-refused": Grade(Mark.NOT_FOR_IT, "")}),
    Row("carl", {}, "service.yaml:3: unknown key 'prot'"),
]


def test_the_csv_has_a_line_a_submission_and_no_formula() -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(ROWS))))
    assert [each["submission"] for each in lines] == ["anna", f"'{HOSTILE}", "eve", "carl"]
    assert [each["any-refused"] for each in lines] == ["good", "bad", "not for it", ""]
    assert lines[0]["any-refused: evidence"] == "any-refused/by_anna-program/le-le/index.html"
    assert lines[3]["why it was not run"] == "service.yaml:3: unknown key 'prot'"


def test_the_page_links_each_cell_to_its_evidence_and_escapes_what_strangers_wrote(tmp_path: Path) -> None:
    page = as_html(ROWS, "class", 7)
    (tmp_path / "grades.html").write_text(page, "utf-8")
    assert 'href="any-refused/by_anna-program/le-le/index.html"' in page
    assert "<script>hit" not in page
    assert "<b>hung" not in page
    text = text_of(parsed(tmp_path / "grades.html"))
    assert "1 of 1" in text
    assert "not run: service.yaml:3: unknown key" in text


def test_a_submission_that_is_broken_is_told_of_and_stops_no_other(tmp_path: Path) -> None:
    found = {each.name: each for each in submissions.find(class_in(tmp_path), services())}
    assert found["anna"].service is not None
    assert found["anna"].service.service == "by_anna"
    assert found["Ben & Co"].service is not None
    assert found["Ben & Co"].service.service == "by_ben_co"
    assert "carl/service.yaml:3: unknown key 'prot'; did you mean 'port'?" in found["carl"].reason
    assert found["dora"].reason == "there is no service.yaml in it"


def test_two_names_that_are_alike_stay_two_submissions(tmp_path: Path) -> None:
    folder = class_in(tmp_path)
    (folder / "anna").rename(folder / "Ben  Co")
    names = [each.service.service for each in submissions.find(folder, services()) if each.service]
    assert sorted(names) == ["by_ben_co", "by_ben_co_2"]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: folder / "nowhere", "is not a folder"),
        (lambda folder: (folder / "empty").mkdir() or folder / "empty", "has no folder in it"),
    ],
)
def test_a_folder_without_submissions_is_a_usage_error(tmp_path: Path, make: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        submissions.find(make(tmp_path), services())


def test_an_image_that_cannot_be_built_is_a_reason_and_stops_no_other(tmp_path: Path) -> None:
    found = submissions.find(class_in(tmp_path), services())

    def make(service: Any) -> None:
        if service.service == "by_anna":
            raise CommandFailed("step 1\nstep 2\nno such file: program")

    made = {each.name: each for each in submissions.ready(found, make, (CommandFailed,))}
    assert made["anna"].service is None
    assert "no such file: program" in made["anna"].reason
    assert made["Ben & Co"].service is not None
    assert made["dora"].reason == "there is no service.yaml in it"


def test_the_command_runs_those_that_can_be_run_and_writes_table_csv_and_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = class_in(tmp_path)
    with faked(tmp_path / "runs"), no_images():
        (tmp_path / "runs").mkdir()
        status = main(["grade", str(folder), "--drills", "any-refused,any-lost-syn", "--seed", "7", "--lab", "9"])
    told = capsys.readouterr().out
    assert status == 1  # two of them cannot be run
    assert "carl: not run: " in told
    assert "dora: not run: there is no service.yaml in it" in told
    (run,) = (tmp_path / "runs").glob("*Z")
    lines = list(csv.DictReader((run / "grades.csv").open(encoding="utf-8")))
    assert [each["submission"] for each in lines] == ["Ben & Co", "anna", "carl", "dora"]
    assert "any-lost-syn" in (run / "grades.html").read_text("utf-8")
    results = [json.loads(each.read_text("utf-8")) for each in run.glob("*/*/*/result.json")]
    assert len(results) == 4
    assert {shlex.split(each["repeat_with"])[3] for each in results} == {"grade"}  # python -m scenarios grade
    repeats = f"grade {shlex.quote(str(folder))} --only 'Ben & Co' --drills "
    assert any(repeats in each["repeat_with"] for each in results)
    assert {each["seed"] for each in results} == {7}
    assert json.loads((run / "grade.json").read_text("utf-8"))["unfinished"] is False


def test_a_grading_that_was_broken_off_goes_on_and_runs_only_what_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, ran = class_in(tmp_path), []

    def perform(_: object, cell: Any, armed: bool) -> None:
        if armed:
            return
        ran.append(cell.title)
        if len(ran) == 3:
            raise KeyboardInterrupt

    words = ["grade", str(folder), "--drills", "any-refused,any-lost-syn", "--jobs", "1"]
    with faked(tmp_path / "runs", perform), no_images():
        (tmp_path / "runs").mkdir()
        assert main(words) == 130
        assert main(["grade", "--resume", "--jobs", "1"]) == 1
    assert "goes on: 2 of 4 cells done" in capsys.readouterr().out
    assert len(ran) == 5
    assert len(list((tmp_path / "runs").glob("*Z"))) == 1
