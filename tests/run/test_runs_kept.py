"""Runs as folders: moved, unpacked elsewhere, foreign, broken, and older than one wants to keep."""

from __future__ import annotations

import json
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scenarios.cli.main import main
from scenarios.cli.matrix import MATRIX
from scenarios.evidence import run_folder
from scenarios.lab.errors import LabInUse, UsageError
from scenarios.report import read_run, write
from scenarios.report.changes import since_the_run_before
from scenarios.run import previous
from scenarios.run.previous import KeepRuns
from scenarios.run.session import Stage
from scenarios.run.workplace import Workplace
from tests.report.making import result, run
from tests.run.faking import faked

EARLIER, LATER = "2026-11-20T10-00-00.000Z", "2026-11-21T10-00-00.000Z"
BROKEN = {
    "a list": "[]",
    "cells no list": '{"cells": 5}',
    "cells no mappings": '{"cells": [5]}',
    "no JSON": "{",
    "not text": b"\xff\xfe",
    "deep": "[" * 100_000,
    "of another program": '{"name": "summary", "version": 3}',
    "empty": "",
}


@pytest.fixture
def own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run_folder, "RUNS", tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


def links(page: Path) -> list[Path]:
    """The pages of cells that a first page leads to."""
    found = page.read_text("utf-8").split('href="')[1:]
    return [page.parent / each.partition('"')[0] for each in found if each.partition('"')[0].endswith("le/index.html")]


def test_a_run_that_is_renamed_or_unpacked_elsewhere_keeps_its_pages(own_runs: Path, tmp_path: Path) -> None:
    folder = own_runs / LATER
    run(folder, [result(folder), result(folder, pair="le-le")])
    for place in (own_runs / "mine", tmp_path / "downloads" / "artifact"):
        shutil.copytree(folder, place)
        assert [line.has_page for line in read_run.run(place).lines] == [True, True]
        assert main(["report", str(place)]) == 0
        assert {each.resolve() for each in links(place / "index.html")} == {
            place / "lost-syn" / "search-selectors" / pair / "index.html" for pair in ("be-le", "le-le")
        }
        assert "mine" in (own_runs / "mine" / "lost-syn/search-selectors/be-le/index.html").read_text("utf-8")


def test_a_run_from_before_whose_cells_name_the_run_is_read_too(own_runs: Path) -> None:
    folder = own_runs / LATER
    run(folder, [result(folder)])
    stored = json.loads((folder / "summary.json").read_text("utf-8"))
    assert stored["cells"][0]["folder"] == "lost-syn/search-selectors/be-le"
    stored["cells"][0]["folder"] = f"{LATER}/lost-syn/search-selectors/be-le"
    (folder / "summary.json").write_text(json.dumps(stored), "utf-8")
    folder.rename(own_runs / "mine")
    assert [line.has_page for line in read_run.run(own_runs / "mine").lines] == [True]


@pytest.mark.parametrize("place", ["../../elsewhere/x", "/etc/x/y", "a/../../../b"])
def test_the_folder_of_a_cell_is_below_that_of_its_run(own_runs: Path, place: str) -> None:
    folder = own_runs / LATER
    run(folder, [result(folder)])
    stored = json.loads((folder / "summary.json").read_text("utf-8"))
    stored["cells"][0]["folder"] = place
    (folder / "summary.json").write_text(json.dumps(stored), "utf-8")
    with pytest.raises(UsageError, match="is outside of the run"):
        read_run.run(folder)


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_summary_is_told_by_name_and_stops_no_other_run(
    own_runs: Path, text: str | bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    older, broken, newer = own_runs / EARLIER, own_runs / "2026-11-20T12-00-00.000Z", own_runs / LATER
    run(older, [result(older)])
    broken.mkdir()
    (broken / "summary.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    run(newer, [result(newer)])
    changes = since_the_run_before(read_run.run(newer))
    assert changes
    assert changes.before.folder == older
    assert previous.durations_s(beside=False) == {"lost-syn · search/selectors · be-le": 1.25}
    assert main(["report", str(broken)]) == 64
    assert f"cannot: {broken / 'summary.json'} is not the summary of a run" in "".join(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("key", "value"),
    [("duration_s", "long"), ("duration_s", float("nan")), ("verdict", "perhaps"), ("drill", 5), ("folder", None),
     ("survival", {"word": "x"}), ("seed", "one"), ("repeat", None)],
)  # fmt: skip
def test_a_line_of_a_summary_that_is_of_another_form_is_no_run(own_runs: Path, key: str, value: object) -> None:
    folder = own_runs / LATER
    run(folder, [result(folder)])
    stored = json.loads((folder / "summary.json").read_text("utf-8"))
    stored["cells"][0][key] = value
    (folder / "summary.json").write_text(json.dumps(stored), "utf-8")
    with pytest.raises(read_run.NoRun):
        read_run.run(folder)
    assert previous.durations_s(beside=False) == {}


def test_a_run_that_was_killed_while_it_wrote_a_result_has_a_report_of_the_others(own_runs: Path) -> None:
    folder = own_runs / LATER
    result(folder)
    torn = result(folder, pair="le-le")
    (torn.folder / "result.json").write_text("{", "utf-8")
    assert [line.pair for line in read_run.run(folder).lines] == ["be-le"]
    assert write.write(folder).is_file()


def test_an_earlier_run_of_another_user_stops_no_report(own_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusal is made up."""
    older, newer = own_runs / EARLIER, own_runs / LATER
    run(older, [result(older)])
    run(newer, [result(newer)])
    read = Path.read_text

    def refused(self: Path, *words: str, **more: str) -> str:
        if older in self.parents:
            raise PermissionError(13, "Permission denied")
        return read(self, *words, **more)

    monkeypatch.setattr(Path, "read_text", refused)
    assert since_the_run_before(read_run.run(newer)) is None
    assert previous.durations_s(beside=False)  # of the newer


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run_folder.write(tmp_path / "summary.json", "before")
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        run_folder.write(path, "after")
    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["summary.json"]


# Which are kept


def make_run(place: Path, days_ago: float) -> Path:
    at = datetime.now(UTC) - timedelta(days=days_ago)
    folder = place / (at.strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3] + "Z")
    (folder / "lost-syn").mkdir(parents=True)
    return folder


@pytest.mark.parametrize(("said", "left"), [("2", [0, 1]), ("14d", [0, 1, 2]), ("99", [0, 1, 2, 3]), ("1d", [0])])
def test_the_newest_runs_are_kept_or_those_of_so_many_days(own_runs: Path, said: str, left: list[int]) -> None:
    folders = [make_run(own_runs, days) for days in (0.5, 3, 13, 15)]
    named = own_runs / "mine"
    named.mkdir()
    (own_runs / "latest").symlink_to(folders[0].name)
    removed = previous.remove_runs(KeepRuns.parse(said), pytest.fail)
    there = [number for number, folder in enumerate(folders) if folder.exists()]
    assert there == left
    assert sorted(removed) == sorted(folder for folder in folders if not folder.exists())
    assert named.exists()


def test_a_run_that_goes_on_is_never_removed_and_not_gone_on_with_by_another(own_runs: Path) -> None:
    going = make_run(own_runs, 20)
    run_folder.take(going)
    MATRIX.note(going, {"services": [], "pairs": ["le-le"], "seed": 1, "drills": ["all"]}, unfinished=True)
    make_run(own_runs, 0)
    assert previous.remove_runs(KeepRuns.parse("1"), pytest.fail) == []
    assert going.exists()
    with pytest.raises(UsageError, match="still goes on"):
        MATRIX.unfinished()


@pytest.mark.parametrize("said", ["0", "-1", "14 days", "1.5", "", "d", "0d", "1234567"])
def test_what_is_no_number_of_runs_or_days_is_a_usage_error(said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "lost-syn", "--dry-run", f"--keep-runs={said}"])
    assert ended.value.code == 64
    assert "expected a number of runs such as 20, or of days such as 14d" in capsys.readouterr().err


def test_a_run_removes_older_ones_when_it_has_ended(own_runs: Path) -> None:
    old = make_run(own_runs, 20)
    with faked(own_runs):
        assert main(["run", "lost-syn", "--pair", "le-le", "--keep-runs", "14d"]) == 0
    assert not old.exists()
    assert (own_runs / "latest" / "summary.json").exists()


@pytest.mark.parametrize("text", ["[]", "{", '{"unfinished": true}', '{"unfinished": 1, "drills": 5}'])
def test_a_note_of_another_form_is_no_matrix_to_go_on_with(own_runs: Path, text: str) -> None:
    folder = make_run(own_runs, 0)
    (folder / MATRIX.file).write_text(text, "utf-8")
    with pytest.raises(UsageError, match="the newest matrix was not broken off"):
        MATRIX.unfinished()


def test_what_a_killed_run_left_half_written_goes_when_the_next_begins_and_nothing_of_one_that_goes_on(
    own_runs: Path,
) -> None:
    killed, other = own_runs / EARLIER, own_runs / LATER
    for folder in (killed, other):
        (folder / "lost-syn").mkdir(parents=True)
        for name in (".room", "lost-syn/.result.json-77", "lost-syn/result.json", ".mine"):
            (folder / name).touch()
    (own_runs / ".latest-77").symlink_to(EARLIER)
    (own_runs / ".latest-78").symlink_to(LATER)
    run_folder.take(other)
    run_folder.new_run()
    left = {str(path.relative_to(killed)) for path in killed.rglob("*") if path.is_file()}
    assert left == {"lost-syn/result.json", ".mine"}
    assert (other / ".room").exists()
    assert (other / "lost-syn" / ".result.json-77").exists()
    assert [path.name for path in own_runs.glob(".latest-*")] == [".latest-78"]


# Which is the latest


IN_USE = LabInUse("lab 1 is in use by another run")
RUN, OF_MATRIX = ("run", "lost-syn", "--pair", "le-le"), ("matrix", "lost-syn", "--service", "echo/select")


def refuses(_: Workplace) -> Stage:
    raise IN_USE


def latest(place: Path) -> str:
    return (place / "latest").readlink().name


@pytest.mark.parametrize("words", [RUN, OF_MATRIX, (*RUN, "--keep-runs", "1")], ids=["run", "matrix", "keep"])
def test_a_run_without_a_lab_leaves_the_latest_as_it_was_and_has_a_folder_for_ci(
    own_runs: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with faked(own_runs), monkeypatch.context() as patched:
        assert main(RUN) == 0
        before = latest(own_runs)
        assert "runs/latest points to it" in " ".join(capsys.readouterr().out.split())
        patched.setattr(Workplace, "open", refuses)
        for _ in range(2):
            assert main(words) == 69
            assert latest(own_runs) == before
    said = " ".join(capsys.readouterr().out.split())
    assert "in use by another run" in said
    assert "runs/latest" not in said
    assert "shows" not in said
    refused = max(own_runs.glob("2*"))
    assert refused.name > before
    assert (refused / "junit.xml").is_file()
    assert (own_runs / "latest" / "summary.json").is_file()


def test_the_first_run_of_all_is_the_latest_also_without_a_lab(own_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with faked(own_runs), monkeypatch.context() as patched:
        patched.setattr(Workplace, "open", refuses)
        assert main(RUN) == 69
    assert (own_runs / "latest" / "junit.xml").is_file()


def test_a_run_that_loses_its_lab_behind_a_cell_is_the_latest(own_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = list[Stage]()
    usual = Workplace.open

    def opens_once(place: Workplace) -> Stage:
        if opened[2:]:
            raise IN_USE
        opened.append(usual(place))
        return opened[-1]

    with faked(own_runs), monkeypatch.context() as patched:
        main(RUN)
        before = latest(own_runs)
        patched.setattr(Workplace, "open", opens_once)
        assert main((*RUN, "--repeat", "3")) == 69
    assert latest(own_runs) > before
    assert json.loads((own_runs / "latest" / "summary.json").read_text("utf-8"))["run"] == 1


def test_a_run_that_another_one_has_overtaken_takes_nothing_back(own_runs: Path) -> None:
    made: list[Path] = []
    for _ in range(3):
        made.append(run_folder.new_run())
        time.sleep(0.002)  # a folder is named by its millisecond
    first, second, third = made
    run_folder.give_latest_back(second)
    assert latest(own_runs) == third.name
    run_folder.give_latest_back(third)
    assert latest(own_runs) == second.name
    shutil.rmtree(first)
    run_folder.give_latest_back(second)
    assert latest(own_runs) == second.name
