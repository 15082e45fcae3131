"""Many cells on made-up labs: whatever happens in one is its verdict, and whatever ends a run loses no result."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import re
import signal
import subprocess
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
import requests
from docker.errors import APIError

from scenarios.cli import drills
from scenarios.cli.main import main, parser
from scenarios.cli.progress import Progress
from scenarios.evidence import run_folder
from scenarios.evidence.record import Seen, Socket
from scenarios.evidence.run_folder import folder_of
from scenarios.lab import doctor
from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabInUse, LabProblem, NoEngine
from scenarios.lab.waiting import Meanwhile, nothing
from scenarios.report import read_run
from scenarios.run import cell, workplace
from scenarios.run.campaign import Campaign
from scenarios.run.performance import BrokeOff
from scenarios.run.previous import longest_first
from scenarios.run.session import Interrupted
from scenarios.run.workplace import OPENS_TIMES
from scenarios.spec.cell import Cell
from scenarios.verdict.check import Check, Verdict, proof
from scenarios.verdict.result import Result
from tests.run.faking import FakeLab, Perform, Stage, at_the_second, cells, evidence, faked, taking

MAIN = threading.main_thread().ident or 0
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
PROBLEMS = [
    KeyError("a bug"),
    FULL,
    APIError("409 Client Error: container is paused"),
    requests.ConnectionError("the engine is gone"),
    subprocess.TimeoutExpired("tshark", 60),
    FileExistsError(errno.EEXIST, "exists"),
    json.JSONDecodeError("Expecting value", "", 0),
    RecursionError("deep"),
    LabProblem("the server does not listen"),
    DeadlinePassed("the end of a call: not within 1 s"),
    CommandFailed("`docker pause` ended with status 1"),
    NoEngine("no Docker Engine answers"),
]


@pytest.fixture(autouse=True)
def no_ci_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs of these tests are made up, and have no place on the page of a CI job that runs them."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("armed", [False, True], ids=["control", "fault"])
def test_whatever_happens_in_a_cell_is_its_verdict_and_the_run_goes_on(
    tmp_path: Path, problem: Exception, armed: bool
) -> None:
    def perform(_: Stage, cell: Cell, is_armed: bool) -> None:
        if cell.repeat == 2 and is_armed is armed:
            raise problem

    with faked(tmp_path, perform) as on:
        results = Campaign(tmp_path, on, lambda _: None).run(cells(3))
    assert [each.verdict for each in results] == [Verdict.PASS, Verdict.UNPROVEN, Verdict.PASS]
    broken = results[1]
    assert broken.sentence.startswith("the script did not finish: ")
    assert str(problem) in broken.sentence
    assert type(problem).__name__ in (broken.folder / "traceback.txt").read_text("utf-8")
    stored = json.loads((broken.folder / "result.json").read_text("utf-8"))
    assert (stored["verdict"], stored["sentence"]) == ("unproven", broken.sentence)
    assert sorted(stored["runs"]) == (["control"] if armed else [])


def test_any_number_of_broken_cells_in_a_row_end_no_run(tmp_path: Path) -> None:
    def perform(*_: object) -> None:
        raise LabProblem("nobody has no address")

    with faked(tmp_path, perform) as on:
        results = Campaign(tmp_path, on, lambda _: None).run(cells(3 * OPENS_TIMES))
    assert [each.verdict for each in results] == [Verdict.UNPROVEN] * 3 * OPENS_TIMES


def test_what_a_script_had_seen_when_it_broke_off_is_in_the_cells_folder_and_on_its_page(tmp_path: Path) -> None:
    def perform(_: Stage, __: Cell, armed: bool) -> None:
        if armed:
            raise BrokeOff(LabProblem("a call did not end"), evidence(armed=True))

    with faked(tmp_path, perform) as on:
        (result,) = Campaign(tmp_path, on, lambda _: None).run(cells(1))
    assert result.sentence == "the script did not finish: a call did not end"
    assert (result.folder / "fault" / "client-leg.pcapng").read_bytes() == b"a capture"
    assert (result.folder / "fault" / "server.txt").read_text("utf-8") == "listening\n"
    assert "LabProblem: a call did not end" in (result.folder / "traceback.txt").read_text("utf-8")
    page = (result.folder / "index.html").read_text("utf-8")
    assert "fault/client-leg.pcapng" in page
    assert "a call did not end" in page


def check_one_result_of_three(runs: Path, perform: Perform) -> None:
    """See that three cells, in the second of which the run is told to end, leave the result of the first."""
    with faked(runs, perform) as on:
        going = Campaign(runs, on, lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            going.run(cells(3))
    assert [each.cell.repeat for each in going.results] == [1]


def test_a_cell_that_breaks_off_when_the_run_was_told_to_end_is_no_result(tmp_path: Path) -> None:
    """An interrupt ends programs that a fault is made of, and they say so in their way."""

    def perform(stage: Stage, cell: Cell, _: bool) -> None:
        if cell.repeat == 2:
            signal.pthread_kill(MAIN, signal.SIGINT)
            with contextlib.suppress(Interrupted):
                taking(5)(stage, cell, True)
            raise LabProblem("the injector ended")

    check_one_result_of_three(tmp_path, perform)


def test_a_signal_that_does_not_wake_the_main_thread_ends_the_run_all_the_same(tmp_path: Path) -> None:
    def perform(stage: Stage, cell: Cell, armed: bool) -> None:
        if cell.repeat == 2:
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
            taking(20)(stage, cell, armed)

    check_one_result_of_three(tmp_path, perform)


def test_the_evidence_is_for_whom_it_is_told_and_is_not_held(tmp_path: Path) -> None:
    told: list[Result] = []
    with faked(tmp_path) as on:
        results = Campaign(tmp_path, on, told.append).run(cells(2))
    assert [sorted(each.seen) for each in told] == [["control", "fault"]] * 2
    assert [each.seen for each in results] == [{}, {}]


class Gone(FakeLab):
    """After so many looks at it, its engine does not answer any more."""

    def __init__(self, number: int, looks: int) -> None:
        super().__init__(number)
        self.looks = looks

    def is_up(self) -> bool:
        self.looks -= 1
        if self.looks < 0:
            raise requests.ConnectionError("the engine is gone")
        return True


def test_when_no_lab_can_be_had_the_run_says_so_and_has_what_was_run(tmp_path: Path) -> None:
    def perform(_: Stage, cell: Cell, __: bool) -> None:
        if cell.repeat == 2:
            raise requests.ConnectionError("the engine is gone")

    complained: list[str] = []
    with faked(tmp_path, perform):
        going = Campaign(tmp_path, [Gone(1, 1)], lambda _: None, complain=complained.append)
        with pytest.raises(LabProblem, match="lab 1 cannot be used: the engine is gone"):
            going.run(cells(4))
    assert [each.verdict for each in going.results] == [Verdict.PASS, Verdict.UNPROVEN]
    assert len(complained) == OPENS_TIMES - 1


def test_a_lab_that_is_gone_leaves_its_cells_to_the_others(tmp_path: Path) -> None:
    complained: list[str] = []
    with faked(tmp_path, taking(0.01)):
        on = [FakeLab(1), Gone(2, 0)]
        results = Campaign(tmp_path, on, lambda _: None, complain=complained.append).run(cells(4))
    assert len(results) == 4
    assert complained[-1] == "lab 2 cannot be used: the engine is gone"


def test_a_lab_comes_up_while_others_run_cells(tmp_path: Path) -> None:
    """The second is up when a cell has been run on the first, and not before."""
    ran = threading.Event()

    class Slow(FakeLab):
        is_there = False

        def is_up(self) -> bool:
            return self.is_there

        def up(self, meanwhile: Meanwhile = nothing) -> float:  # noqa: ARG002
            self.is_there = ran.wait(20)
            return 0.0

    began: list[str] = []

    def begin(lab: str, _: Cell) -> None:
        began.append(lab)

    def perform(stage: Stage, cell: Cell, armed: bool) -> None:
        if cell.repeat > 2:
            taking(0.05)(stage, cell, armed)

    slow = Slow(2)
    with faked(tmp_path, perform):
        results = Campaign(tmp_path, [FakeLab(1), slow], lambda _: ran.set(), on_begin=begin).run(cells(20))
    assert len(results) == 20
    assert slow.is_there
    assert began[0] == "lab 1"
    assert "lab 2" in began


def test_the_longest_cells_begin_first_and_those_that_nobody_knows_before_them() -> None:
    found = cells(4)
    other = replace(found[0], drill=replace(found[0].drill, drill="never-run"))
    took_s = {found[0].title: 1.0, found[1].title: 3.0, found[2].title: 2.0}
    assert longest_first([*found, other], took_s) == [other, found[1], found[3], found[2], found[0]]
    assert longest_first(found, {}) == found


def test_that_another_run_has_the_lab_is_told_once(tmp_path: Path) -> None:
    class Held(Stage):
        def __enter__(self) -> Held:
            raise LabInUse("lab 1 is in use by another run")

    complained: list[str] = []
    with faked(tmp_path) as on, mock.patch.object(workplace, "Stage", Held), pytest.raises(LabInUse):
        Campaign(tmp_path, on, lambda _: None, complain=complained.append).run(cells(2))
    assert complained == []


def test_a_bug_in_what_tells_of_results_is_raised_and_loses_none(tmp_path: Path) -> None:
    def tell(_: Result) -> None:
        raise KeyError("a bug")

    with faked(tmp_path) as on:
        going = Campaign(tmp_path, on, tell)
        with pytest.raises(KeyError):
            going.run(cells(2))
    assert len(going.results) == 1


# The commands


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.rstrip().splitlines()[-1]


def check_stored(folder: Path, asked: int, verdicts: dict[str, int]) -> None:
    """A run has its summary, its JUnit XML and its report, and they say this."""
    (run,) = [each for each in folder.iterdir() if run_folder.NAME.fullmatch(each.name)]
    stored = json.loads((run / "summary.json").read_text("utf-8"))
    assert stored["asked"] == asked
    assert {key: count for key, count in stored["verdicts"].items() if count} == verdicts
    assert f'tests="{sum(verdicts.values())}"' in (run / "junit.xml").read_text("utf-8")
    assert (run / "index.html").is_file()
    assert (run / "summary.md").is_file()
    assert not (run / run_folder.ROOM).exists()


RUN = ("run", "lost-syn", "--pair", "le-le", "--repeat", "3")
MATRIX = ("matrix", "lost-syn", "--pair", "le-le", "--service", "echo/select,echo/once,echo/threads")


@pytest.mark.parametrize("words", [RUN, MATRIX], ids=["run", "matrix"])
def test_an_interrupted_run_has_what_was_run_and_says_what_was_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    def interrupt(stage: Stage, cell: Cell, armed: bool) -> None:
        signal.pthread_kill(MAIN, signal.SIGINT)
        taking(5)(stage, cell, armed)

    with faked(tmp_path, at_the_second(interrupt)):
        assert main(words) == 130
    said = last_line(capsys)
    assert said.startswith("interrupted: 1 of 3 were run; all faults are undone")
    assert "not run: lost-syn · " in said
    check_stored(tmp_path, 3, {"pass": 1})


@pytest.mark.parametrize("words", [RUN, MATRIX], ids=["run", "matrix"])
def test_when_the_engine_goes_a_run_has_what_was_run_and_says_what_was_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    def lose_the_engine(*_: object) -> None:
        raise requests.ConnectionError("the engine is gone")

    with faked(tmp_path, at_the_second(lose_the_engine)) as on:
        on[0] = Gone(1, 1)
        assert main(words) == 69
    out = capsys.readouterr().out
    assert "cannot: lab 1 cannot be used: the engine is gone" in out
    assert "2 of 3 were run" in out.rstrip().splitlines()[-1]
    assert "not run: lost-syn · " in out.rstrip().splitlines()[-1]
    check_stored(tmp_path, 3, {"pass": 1, "unproven": 1})


def test_a_cell_that_cannot_be_told_of_in_the_matrix_is_unproven_and_the_matrix_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest of a service by name asks the engine for its image."""

    def inputs(cell: Cell) -> str:
        if cell.chosen.name == "echo/once":
            raise requests.ConnectionError("the engine is gone")
        return "digest"

    with faked(tmp_path):
        monkeypatch.setattr(cell, "inputs", inputs)
        main(MATRIX)
    assert "the survival word could not be found: ConnectionError: the engine" in capsys.readouterr().out
    check_stored(tmp_path, 3, {"pass": 2, "unproven": 1})


def test_a_bug_keeps_its_traceback_and_says_what_was_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*_: object, **__: object) -> None:
        raise ValueError("a bug, and no usage error")

    with faked(tmp_path):
        monkeypatch.setattr(Progress, "report", told)
        with pytest.raises(ValueError, match="a bug") as raised:
            main(RUN)
    assert raised.value.__notes__[-1].startswith("1 of 3 were run; all faults are undone; not run: lost-syn · ")
    check_stored(tmp_path, 3, {"pass": 1})


def test_what_was_typed_wrong_is_told_without_a_traceback_and_a_bug_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "lost-sin", "--dry-run"]) == 64
    assert "cannot: unknown drill 'lost-sin'; did you mean 'lost-syn'?" in capsys.readouterr().out
    monkeypatch.setattr(drills, "find_drills", lambda *_: int("a bug"))
    with pytest.raises(ValueError, match="invalid literal"):
        main(["run", "lost-syn", "--dry-run"])


def test_without_the_docker_command_that_is_said_and_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor._plugin("compose") == doctor.Finding(
        "docker compose", doctor.State.MISSING, "not installed", "make setup"
    )
    assert main(["down", "--lab", "199"]) == 69
    assert "cannot: there is no `docker` command here; `make setup` installs it" in capsys.readouterr().out


def test_the_drills_are_listed_for_programs_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "udp-reordered", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["drill"], told["file"]) == ("udp-reordered", "scenarios/drills/udp-reordered.yaml")
    assert set(told) == {"drill", "claim", "why", "source", "tags", "service", "file"}


def test_what_calls_are_given_at_least_is_in_the_command_that_repeats_a_cell() -> None:
    def asked(drill: str, *words: str) -> Cell:
        options = parser().parse_args(["run", drill, "--service", "echo/select", "--pair", "le-le", *words])
        return drills.cells(options)[0]

    patient, usual = asked("any-late-answer", "--patience", "20s"), asked("any-late-answer")
    assert [float(each.drill.calls["hello"].within) for each in (patient, usual)] == [20.0, 12.0]
    again = " --service echo/select --pair le-le --seed 1"
    assert patient.command.endswith(f"run any-late-answer{again} --patience 20s")
    assert usual.command.endswith(f"run any-late-answer{again}")
    assert float(asked("any-late-answer", "--patience", "2s").drill.calls["hello"].within) == 12.0
    claims = asked("lost-syn", "--patience", "20s")  # of how its call ends: that rests on the drill's own time
    assert claims.drill.calls == asked("lost-syn").drill.calls


def test_a_server_that_is_named_twice_is_run_once() -> None:
    options = parser().parse_args(["run", "lost-syn", "--service", "echo,echo/selectors,echo", "--pair", "le-le"])
    assert [each.title for each in drills.cells(options)] == ["lost-syn · echo/selectors · le-le"]


def test_a_junit_file_that_cannot_be_written_is_told_before_anything_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with faked(tmp_path / "runs"):
        assert main([*RUN, "--junit", str(tmp_path / "nowhere" / "junit.xml")]) == 64
    assert "--junit: " in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()


def test_where_no_folder_of_a_run_can_be_made_it_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").write_text("a file", "utf-8")
    with faked(tmp_path / "runs"):
        assert main(RUN) == 69
    assert "cannot: a folder for this run cannot be made" in last_line(capsys)


def test_a_soak_keeps_the_evidence_of_what_did_not_pass_and_counts_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def perform(stage: Stage, cell: Cell, armed: bool) -> None:
        if cell.repeat == 4:
            signal.pthread_kill(MAIN, signal.SIGINT)
            taking(5)(stage, cell, armed)
        if cell.repeat == 2:
            raise LabProblem("a flip")

    with faked(tmp_path, perform):
        assert main(["soak", "lost-syn", "--pair", "le-le", "--for", "1h"]) == 130
    out = capsys.readouterr().out
    assert "3 cells in 4 rounds (seed 1): 2 pass, 1 unproven; 1 flip, 0 stalled\n" in out
    assert out.rstrip().splitlines()[-1].startswith("interrupted: 3 cells run; of the last round 0 of 1 were run")
    check_stored(tmp_path, 3, {"pass": 2, "unproven": 1})
    (run,) = [each for each in tmp_path.iterdir() if run_folder.NAME.fullmatch(each.name)]
    (kept,) = run.glob("*/*/*")
    assert kept.name == "le-le-2"
    assert "3 cells in " in (run / "index.html").read_text("utf-8")
    assert [line.repeat for line in read_run.run(run).lines] == [2]


def test_a_soak_counts_apart_what_a_stall_made_unproven_and_keeps_its_evidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled = Check("the rule", "1", "2", Verdict.UNPROVEN, stalled="the machine stood still for 0.70 s at 1.20 s")
    check = Check("the rule", "1", "1", Verdict.PASS)
    at = [0]

    def perform(stage: Stage, cell: Cell, armed: bool) -> None:
        at[0] = cell.repeat
        if cell.repeat == 4:
            signal.pthread_kill(MAIN, signal.SIGINT)
            taking(5)(stage, cell, armed)

    def judged(*_: object) -> tuple[list[Check], list[Check]]:
        return [], [stalled if at[0] == 2 else check]

    with faked(tmp_path, perform), mock.patch.object(cell, "judged", judged):
        monkeypatch.setattr(cell, "PAUSE_S", 0)
        assert main(["soak", "lost-syn", "--pair", "le-le", "--for", "1h"]) == 130
    assert "3 cells in 4 rounds (seed 1): 2 pass, 1 unproven; 0 flips, 1 stalled\n" in capsys.readouterr().out
    check_stored(tmp_path, 3, {"pass": 2, "unproven": 1})
    (run,) = [each for each in tmp_path.iterdir() if run_folder.NAME.fullmatch(each.name)]
    assert [line.repeat for line in read_run.run(run).lines] == [2]
    assert [kept.name for kept in run.glob("*/*/*")] == ["le-le-2"]


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system of 1 MB")
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def test_on_a_disk_that_gets_full_a_run_ends_with_what_was_run_and_says_what_was_not(
    small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with faked(small_disk, capture=bytes(60 << 10)):  # four files a cell
        assert main([*RUN[:-1], "9"]) == 69
    out = capsys.readouterr().out
    assert "cannot: the disk of " in out
    told = re.search(r"^(\d) of 9 were run; all faults are undone; not run: lost-syn · ", out.splitlines()[-1])
    assert told
    assert 1 <= int(told[1]) <= 4
    check_stored(small_disk, 9, {"pass": int(told[1])})


def test_a_cell_whose_evidence_the_disk_cannot_take_is_unproven_and_smaller_ones_go_on(
    small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def performed(_: Stage, cell: Cell, *, armed: bool, **__: object) -> object:
        return evidence(armed=armed, capture=bytes(300 << 10 if cell.repeat == 2 else 1 << 10))

    with faked(small_disk), mock.patch.object(cell, "perform", performed):
        assert main(RUN) == 2
    out = capsys.readouterr().out
    assert "the evidence could not be stored: OSError: [Errno 28] No space left on device" in out
    check_stored(small_disk, 3, {"pass": 2, "unproven": 1})
    (run,) = [each for each in small_disk.iterdir() if run_folder.NAME.fullmatch(each.name)]
    lost = folder_of(run, cells(2)[1])
    assert "No space left" in (run / "lost-syn" / lost.parent.name / "le-le-2" / "traceback.txt").read_text("utf-8")


def test_a_disk_without_the_room_for_a_summary_is_told_before_anything_is_run(
    small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (small_disk / "filler").write_bytes(bytes(900 << 10))
    with faked(small_disk):
        assert main(RUN) == 69
    assert "KiB of summary: No space left on device" in last_line(capsys)


@pytest.mark.parametrize(("stalls", "verdict"), [(1, Verdict.PASS), (2, Verdict.PASS), (9, Verdict.UNPROVEN)])
def test_a_cell_that_is_unproven_only_because_something_stood_still_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stalls: int, verdict: Verdict
) -> None:
    performed: list[bool] = []
    stalled = Check("a duration", "0s to 1s", "1.7 s", Verdict.UNPROVEN, stalled="the machine stood still for 0.7 s")

    def judged(*asked: object) -> tuple[list[Check], list[Check]]:
        performed.append(True)
        is_armed = asked[2] is not None
        holds = len(performed) > 2 * stalls
        passes = Check("a duration", "0s to 1s", "0.2 s", Verdict.PASS)
        return [passes], [passes if holds else stalled] if is_armed else []

    monkeypatch.setattr(cell, "PAUSE_S", 0)
    with faked(tmp_path, lambda *_: None) as on, mock.patch.object(cell, "judged", judged):
        (result,) = Campaign(tmp_path, on, lambda _: None).run(cells(1))
    assert result.verdict is verdict
    assert len(result.earlier_tries) == min(stalls, cell.TRIES - 1)
    assert all("stood still" in each for each in result.earlier_tries)
    assert json.loads((result.folder / "result.json").read_text("utf-8"))["earlier_tries"] == [*result.earlier_tries]


class Held(dict[str, list[Socket]]):
    """A part of what a script saw, of which one can ask whether anybody still holds it."""


def test_the_evidence_of_a_try_is_given_back_before_the_next_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[weakref.ref[Held]] = []
    alive: list[int] = []
    stalled = Check("a duration", "0s to 1s", "1.7 s", Verdict.UNPROVEN, stalled="the machine stood still for 0.7 s")

    def performed(*_: object, armed: bool, **__: object) -> Seen:
        if not armed:  # a try begins
            gc.collect()
            alive.append(sum(each() is not None for each in held))
        looks = Held()
        held.append(weakref.ref(looks))
        return replace(evidence(armed=armed), looks=looks)

    def judged(*asked: object) -> tuple[list[Check], list[Check]]:
        return [], [stalled] if asked[2] is not None else []

    monkeypatch.setattr(cell, "PAUSE_S", 0)
    with faked(tmp_path) as on, mock.patch.multiple(cell, perform=performed, judged=judged):
        Campaign(tmp_path, on, lambda _: None).run(cells(1))
    assert alive == [0] * cell.TRIES


def test_a_failure_and_what_nothing_proves_for_another_reason_are_not_tried_again(tmp_path: Path) -> None:
    fails = Check("a duration", "0s to 1s", "1.7 s", Verdict.FAIL)
    cut = proof("the capture", "whole", "cut", proven=False)
    stalled = Check("packets", "1", "2", Verdict.UNPROVEN, stalled="the machine stood still for 0.7 s")
    for checks in ([fails], [cut, stalled]):
        folder = tmp_path / str(len(checks))
        folder.mkdir()
        with faked(folder, lambda *_: None) as on, mock.patch.object(cell, "judged", return_value=([], checks)):
            (result,) = Campaign(folder, on, lambda _: None).run(cells(1))
        assert list(result.earlier_tries) == []
