"""A run in parts, on several machines, and the parts put together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scenarios.cli.main import main
from scenarios.evidence import run_folder
from scenarios.lab.errors import UsageError
from scenarios.report import merge, read_run, shard_plan, whole_cells
from scenarios.report.console import console
from scenarios.spec.cell import Cell
from scenarios.spec.shard import Shard
from tests.run.faking import Stage, faked

DRILLS = ("lost-*", "any-icmp-host-*", "reordered-segments")
OF = 3


def _one_fails(_: Stage, cell: Cell, armed: bool) -> None:
    """One cell is unproven by a bug in it, wherever it is run."""
    if cell.title == "lost-reply · search/selectors · be-le" and armed:
        raise RuntimeError("made up")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[Path]]]:
    """The folder of a whole run, and those of its parts."""
    place = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run_folder, "RUNS", place)
        patched.delenv("GITHUB_STEP_SUMMARY", raising=False)
        found = []
        for words in ([], *(["--shard", f"{number}/{OF}"] for number in range(1, OF + 1))):
            with faked(place, _one_fails):
                main(["run", *DRILLS, *words])
            newest = max(place.glob("2*"))
            found.append(newest.rename(place / ("part-" + words[1][0] if words else "whole")))
        yield found[0], found[1:]


@pytest.fixture
def parts(ran: tuple[Path, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The parts, each of which a test may spoil."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return [Path(shutil.copytree(each, tmp_path / each.name)) for each in ran[1]]


def _summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text("utf-8"))
    return found


def _but_for_times(folder: Path) -> dict[str, Any]:
    found = _summary(folder)
    cells = {each["folder"]: {**each, "duration_s": 0} for each in found.pop("cells")}
    return {**found, "duration_s": 0, "cells": cells}


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "1/0", "1/1001", "-1/3", "1 / 3", "1/3/5", "٣/٣"])
def test_a_part_that_there_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as 3/10"):
        Shard.parse(text)


@pytest.mark.parametrize("of", [1, 2, 10, 1000])
def test_each_cell_belongs_to_one_part(of: int) -> None:
    for number in range(200):
        title = f"lost-syn · echo/select · be-le · {number}"
        assert sum(Shard(part, of).has(title) for part in range(1, of + 1)) == 1


def test_a_part_is_the_same_on_every_machine() -> None:
    """A change of the rule would part a run otherwise on machines of two versions."""
    titles = [f"lost-syn · echo/select · {pair}" for pair in ("le-le", "be-le", "le-be", "be-be")]
    assert [next(n for n in range(1, 11) if Shard(n, 10).has(each)) for each in titles] == [4, 6, 1, 4]


def test_the_parts_put_together_are_the_whole_run(ran: tuple[Path, list[Path]], tmp_path: Path) -> None:
    whole, parts = ran
    assert all(_summary(each)["cells"] for each in parts)
    assert main(["merge", *map(str, reversed(parts)), "--out", str(tmp_path / "merged")]) == 2  # one is unproven
    assert _but_for_times(tmp_path / "merged") == _but_for_times(whole)

    def files(folder: Path) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    assert files(tmp_path / "merged") == files(whole)
    names = "<testcase", "<error", "<failure", "classname="
    for name in names:
        junit = [(folder / "junit.xml").read_text("utf-8").count(name) for folder in (whole, tmp_path / "merged")]
        assert junit[0] == junit[1]
    titles = [line.title for line in read_run.run(tmp_path / "merged").lines]
    assert titles == [title for title in shard_plan.read(parts[0]).titles if title in titles]


@pytest.mark.parametrize(
    "words",
    [
        ("run", "lost-syn", "--one-pair"),
        ("run", "lost-syn", "--one-pair", "--json"),
        ("matrix", "lost-syn", "--service", "search/selectors", "--pair", "be-le"),
    ],
    ids=" ".join,
)
def test_an_empty_part_of_a_small_run_is_told_is_no_failure_and_is_put_together_with_the_others(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_folder, "RUNS", tmp_path)
    monkeypatch.setattr(console, "stderr", False)
    title = "lost-syn · search/selectors · be-le"
    empty, full = (next(n for n in (1, 2) if Shard(n, 2).has(title) is has) for has in (False, True))
    with faked(tmp_path):
        main([*words, "--shard", f"{full}/2"])
        capsys.readouterr()
        assert main([*words, "--shard", f"{empty}/2"]) == 0
    told = capsys.readouterr()
    assert (
        f"part {empty}/2 is empty: no cell of the run, which has 1 cell, falls to it; nothing was run\n"
        in told.out + told.err
    )
    assert "none of 0" not in told.out + told.err
    parts = sorted(map(str, tmp_path.glob("2*")))
    assert str((tmp_path / "latest").resolve()) == parts[-1]  # where a job looks for the part that it ran
    main(["merge", *parts, "--out", str(tmp_path / "whole")])
    assert [line.title for line in read_run.run(tmp_path / "whole").lines] == [title]


def test_a_matrix_that_was_broken_off_goes_on_with_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "RUNS", tmp_path)
    monkeypatch.setattr(run_folder, "take", lambda _: None)  # which lasts as long as the process
    words = ["matrix", "lost-*", "--service", "echo", "--pair", "le-le"]

    def breaks_off(_: Stage, cell: Cell, __: bool) -> None:
        if cell.title == titles[-1]:
            raise KeyboardInterrupt

    with faked(tmp_path):
        main([*words, "--shard", "2/2"])
        whole = max(tmp_path.glob("2*"))
        titles = [line.title for line in read_run.run(whole).lines]
        shutil.rmtree(whole)
    with faked(tmp_path, breaks_off):
        main([*words, "--shard", "2/2"])
    with faked(tmp_path):
        main(["matrix", "--resume"])
    assert [line.title for line in read_run.run(max(tmp_path.glob("2*"))).lines] == titles


def test_cells_that_no_part_has_are_told_by_name(
    parts: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = [each["drill"] for each in _summary(parts[0])["cells"]]
    assert main(["merge", *map(str, parts[1:]), "--out", str(tmp_path / "merged")]) == 2
    told = " ".join(capsys.readouterr().out.split())
    assert f"no part has {len(missing)} cells: {missing[0]} ·" in told
    merged = _summary(tmp_path / "merged")
    assert merged["asked"] - merged["run"] == len(missing)


def test_machines_that_differ_are_told(parts: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = _summary(parts[1])
    stored["versions"]["kernel"] = "Linux 9.9"
    (parts[1] / "summary.json").write_text(json.dumps(stored))
    main(["merge", *map(str, parts), "--out", str(tmp_path / "merged")])
    assert "Linux 9.9 (part-2)" in " ".join(capsys.readouterr().out.split())
    assert "Linux 9.9" in _summary(tmp_path / "merged")["versions"]["kernel"]


def _edited(part: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    stored = json.loads((part / name).read_text("utf-8"))
    change(stored)
    (part / name).write_text(json.dumps(stored))


SPOILT: dict[str, tuple[Callable[[list[Path]], object], str]] = {
    "given twice": (lambda parts: parts.append(parts[0]), "part 1/3 is given twice"),
    "no plan": (lambda parts: (parts[1] / "shard.json").unlink(), "part-2 is not a part of a run"),
    "no JSON": (lambda parts: (parts[1] / "shard.json").write_text("{"), "part-2/shard.json: "),
    "a list": (lambda parts: (parts[1] / "shard.json").write_text("[]"), "part-2/shard.json: "),
    "too new": (
        lambda parts: _edited(parts[1], "shard.json", lambda s: s.update(schema=2)),
        "expected schema 1, got 2",
    ),
    "no titles": (lambda parts: _edited(parts[1], "shard.json", lambda s: s.pop("cells")), "'cells' is missing"),
    "titles twice": (
        lambda parts: _edited(parts[1], "shard.json", lambda s: s["cells"].append(s["cells"][0])),
        "twice",
    ),
    "killed": (lambda parts: (parts[2] / "summary.json").unlink(), "part-3 has no summary.json: that part was killed"),
    "broken": (lambda parts: (parts[2] / "summary.json").write_text('{"cells": 5}'), "is not the summary of a run"),
    "another number": (
        lambda parts: _edited(parts[1], "shard.json", lambda s: s.update(shard="2/4")),
        "part-1 is part 1/3 and",
    ),
    "another version": (
        lambda parts: _edited(parts[1], "shard.json", lambda s: s["rests_on"].update(services="0")),
        "different versions of the lab: services differs; run both with the same commit",
    ),
    "other cells": (
        lambda parts: _edited(parts[1], "shard.json", lambda s: s["cells"].append("x")),
        "asked for different cells: only one has x",
    ),
    "in the wrong part": (
        lambda parts: _edited(parts.pop(0).with_name("part-2"), "shard.json", lambda s: s.update(shard="1/3")),
        "is not a cell of part 1/3",
    ),
    "evidence gone": (
        lambda parts: shutil.rmtree(parts[1] / _summary(parts[1])["cells"][0]["folder"]),
        "is not there, or has no result.json",
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_what_does_not_belong_together_is_refused_and_nothing_is_written(
    parts: list[Path], tmp_path: Path, kind: str
) -> None:
    spoil, words = SPOILT[kind]
    spoil(parts)
    out = tmp_path / "merged"
    with pytest.raises(UsageError) as refused:
        merge.merge(parts, out)
    assert words in str(refused.value)
    assert not out.exists()


TORN = ("result.json", "fault/frames.json", "control/frames.json")


@pytest.mark.parametrize("torn", ['{"schema": 1, "dri', "", "[]", "\0" * 9], ids=["half", "empty", "a list", "zeros"])
@pytest.mark.parametrize("name", TORN)
def test_a_torn_file_of_a_cell_is_named_in_its_part_and_nothing_is_left(
    parts: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, torn: str
) -> None:
    path = parts[1] / _summary(parts[1])["cells"][0]["folder"] / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(torn)
    assert main(["merge", *map(str, parts), "--out", str(tmp_path / "merged")]) == 64
    told = " ".join(capsys.readouterr().out.split())
    assert told.startswith(f"cannot: {path}: expected ")
    assert told.endswith("; run part 2/3 again")
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("name", TORN)
def test_a_torn_file_of_a_cell_is_told_by_report_which_makes_the_other_pages(
    parts: list[Path], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    first, *others = (parts[1] / each["folder"] for each in _summary(parts[1])["cells"])
    pages = [parts[1] / "index.html", *(each / "index.html" for each in others)]
    for page in pages:
        page.unlink()
    (first / name).parent.mkdir(exist_ok=True)
    (first / name).write_text('{"schema": 1, "dri')
    assert main(["report", str(parts[1])]) == 64
    assert capsys.readouterr().out.startswith(f"cannot: {first / name}: expected JSON: ")
    assert all(page.is_file() for page in pages)


def test_all_torn_files_are_told_at_once(
    parts: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "job.md"))
    paths = [parts[at] / _summary(parts[at])["cells"][0]["folder"] / "result.json" for at in (1, 2)]
    for path in paths:
        path.write_text("{}")
    assert main(["merge", *map(str, parts), "--out", str(tmp_path / "merged")]) == 64
    told = " ".join(capsys.readouterr().out.split())
    for part, path in zip((2, 3), paths, strict=True):
        assert f"{path}: it is not the result of a cell: 'pair' is missing; run part {part}/3 again" in told
    assert not (tmp_path / "job.md").exists()  # nothing was put together


@pytest.mark.parametrize("key", ["pair", "runs", "source", "expectations", "claim", "versions", "service", "survival"])
@pytest.mark.parametrize("value", [None, 5, "x", {"fault": 5}], ids=["none", "a number", "a text", "a mapping"])
def test_a_result_of_another_form_makes_its_page_or_is_told_by_its_file(
    parts: list[Path], capsys: pytest.CaptureFixture[str], key: str, value: object
) -> None:
    path = parts[1] / _summary(parts[1])["cells"][0]["folder"] / "result.json"
    stored = json.loads(path.read_text("utf-8"))
    stored.pop(key, None)
    path.write_text(json.dumps(stored if value is None else stored | {key: value}), encoding="utf-8")
    status = main(["report", str(parts[1])])
    told = capsys.readouterr().out
    assert status == 0 or (status, told.startswith(f"cannot: {path}: it is not the result of a cell: ")) == (64, True)
    assert status == 64 or key == "survival" or value is not None


def _deleted(folder: Path) -> None:
    (folder / "result.json").unlink()


def _failed(folder: Path) -> None:
    _edited(folder, "result.json", lambda stored: stored.update(verdict="fail"))


def _of_another_version(folder: Path) -> None:
    _edited(folder, "result.json", lambda stored: stored.update(schema=99))


NOT_WHOLE = {
    "deleted": (_deleted, "/result.json: No such file or directory; the summary says pass"),
    "failed": (_failed, ": the summary says pass, its result.json fail"),
    "of another version": (_of_another_version, "/result.json: expected schema 1, got 99"),
}


@pytest.mark.parametrize("kind", NOT_WHOLE)
def test_a_cell_that_is_not_what_its_summary_says_is_told_by_report_and_by_merge(
    parts: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    spoil, told = NOT_WHOLE[kind]
    folder = parts[1] / _summary(parts[1])["cells"][0]["folder"]
    assert _summary(parts[1])["cells"][0]["verdict"] == "pass"
    assert main(["report", str(parts[1])]) == 0
    spoil(folder)
    capsys.readouterr()
    assert main(["report", str(parts[1])]) == 64
    assert " ".join(capsys.readouterr().out.split()).startswith(f"cannot: {folder}{told}")
    assert main(["merge", *map(str, parts), "--out", str(tmp_path / "merged")]) == 64
    said = " ".join(capsys.readouterr().out.split())
    if kind == "deleted":
        assert "is not there, or has no result.json" in said
    else:
        assert said.startswith(f"cannot: {folder}{told}; run part 2/3 again") or "; run part 2/3 again" in said
    assert not (tmp_path / "merged").exists()


def test_a_cell_whose_folder_of_a_run_is_gone_is_told(parts: list[Path]) -> None:
    folder = parts[1] / _summary(parts[1])["cells"][0]["folder"]
    _edited(folder, "result.json", lambda stored: stored["runs"].update(fault={}))
    line = read_run.run(parts[1]).lines[0]
    (folder / "fault").mkdir(exist_ok=True)
    assert whole_cells.difference(parts[1], line) is None
    shutil.rmtree(folder / "fault")
    told = f"{folder / 'fault'}: the folder is gone; result.json tells what is in it"
    assert str(whole_cells.difference(parts[1], line)) == told
    shutil.rmtree(folder)  # thrown away: its line has no link
    assert whole_cells.difference(parts[1], line) is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"cells": "x"}, "cells: expected a sequence of mappings"),
        ({"cells": ["x"]}, "cells: expected a sequence of mappings"),
        ({"schema": 99}, "expected schema 1, got 99"),
    ],
)
def test_a_summary_of_another_form_is_told(
    parts: list[Path], capsys: pytest.CaptureFixture[str], words: dict[str, Any], told: str
) -> None:
    _edited(parts[1], "summary.json", lambda stored: stored.update(words))
    assert main(["report", str(parts[1])]) == 64
    assert told in " ".join(capsys.readouterr().out.split())


def test_a_folder_that_is_there_is_not_written_into(parts: list[Path], tmp_path: Path) -> None:
    (tmp_path / "merged").mkdir()
    with pytest.raises(UsageError, match="exists already; name a new folder"):
        merge.merge(parts, tmp_path / "merged")


def test_what_was_put_together_is_told_to_the_job(
    parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "job.md"))
    merge.merge(parts, tmp_path / "merged")
    assert (tmp_path / "job.md").read_bytes() == (tmp_path / "merged" / "summary.md").read_bytes()


def test_the_parts_stay_as_they_are(parts: list[Path], tmp_path: Path) -> None:
    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for part in parts for path in part.rglob("*") if path.is_file()}

    before = content()
    merge.merge(parts, tmp_path / "merged")
    assert content() == before
