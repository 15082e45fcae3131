"""The parts of a storm, without an engine: what is planned, what was in force, what is wrong, what is left."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import get_type_hints

import pytest
import yaml

from scenarios.evidence import run_folder
from scenarios.lab import locks
from scenarios.lab.places import ROOT
from scenarios.spec.catalogue import DRILLS, drills
from scenarios.spec.fault import Fault
from scenarios.stress import blows as stress_blows
from scenarios.stress import ended_run, remains, storm
from scenarios.stress.blows import SIGNALS, Blow, Struck, Target, blows, targets
from scenarios.stress.ended_run import Run
from scenarios.stress.storm import STATUS, at, went_on, wrong_end, wrongs

TARGET = Target("lost-syn", "le-le", frozenset({"lose-one"}))
EVENTS = [
    {"event": "a step", "at_ns": 10, "in_force": []},
    {"event": "lose-one is in force", "at_ns": 20, "in_force": ["lose-one"]},
    {"event": "lose-one is undone", "at_ns": 30, "in_force": []},
]


def blow(number: int = 1, kind: str = "drop", sent: signal.Signals = signal.SIGTERM) -> Blow:
    return Blow(number, kind, sent, TARGET, 1, True, 0.1)


def struck(*in_force: str, wrong: str = "", kind: str = "drop", sent: signal.Signals = signal.SIGTERM) -> Struck:
    return Struck(blow(kind=kind, sent=sent), "an event", in_force, [wrong] if wrong else [])


def test_every_kind_of_fault_that_a_drill_can_have_is_met_with_each_signal() -> None:
    by_kind = targets(stress_blows.all_drills())
    assert {*by_kind} == {*get_type_hints(Fault)} - {"name"}
    count = len(by_kind) * len(SIGNALS)
    planned = [*blows(by_kind, 7, count)]
    assert Counter((each.kind, each.signal) for each in planned) == Counter(itertools.product(by_kind, SIGNALS))
    assert sum(each.aimed for each in planned) > count / 2
    assert all(each.target in by_kind[each.kind] for each in planned)


def test_the_same_seed_plans_the_same_blows_and_another_seed_others() -> None:
    by_kind = targets(drills())
    first, again, other = ([*blows(by_kind, seed, 40)] for seed in (1, 1, 2))
    assert first == again != other


def test_the_drills_beside_the_catalogue_are_run_by_their_files() -> None:
    beside = {each.drill for each in itertools.chain(*targets(drills(stress_blows.BESIDE_THE_CATALOGUE)).values())}
    assert beside == {"scenarios/stress/stormy/hold.yaml", "scenarios/stress/stormy/link-down.yaml"}
    assert not {path.name for path in stress_blows.BESIDE_THE_CATALOGUE.iterdir()} & {
        path.name for path in DRILLS.iterdir()
    }


@pytest.mark.parametrize(
    ("sent_ns", "in_force"), [(5, None), (10, []), (19, []), (20, ["lose-one"]), (29, ["lose-one"]), (30, []), (99, [])]
)
def test_what_was_in_force_when_the_signal_was_sent_is_read_from_the_events(
    sent_ns: int, in_force: list[str] | None
) -> None:
    assert at(EVENTS, sent_ns).get("in_force") == in_force


def test_a_run_that_goes_on_after_the_signal_is_wrong_and_one_that_was_over_is_not() -> None:
    """20 ns: its end and the signal met; 2 s later something began, as where Ctrl-C is ignored."""
    ending = [*EVENTS, {"event": "the captures end", "at_ns": 1_500_000_020, "in_force": []}]
    assert went_on(signal.SIGINT, ending, 20) == []
    ending.append({"event": "the second call begins", "at_ns": 2_000_000_021, "in_force": []})
    assert went_on(signal.SIGINT, ending, 20) == ["the run went on after SIGINT: the second call begins"]


@pytest.mark.parametrize("sent", SIGNALS, ids=lambda each: each.name)
def test_a_run_that_ended_as_it_is_to_is_right(sent: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    assert wrong_end(sent, STATUS[sent], "interrupted: 0 of 1 were run\n", tmp_path) == []


@pytest.mark.parametrize(
    ("sent", "status", "printed", "summary", "says"),
    [
        (signal.SIGKILL, None, "", "{}", "did not end within"),
        (signal.SIGTERM, 130, "interrupted", "{}", "expected 143, got 130"),
        (signal.SIGINT, 1, "interrupted", "{}", "expected 130, got 1"),
        (signal.SIGINT, 130, "interrupted\nTraceback (most recent call last):\n  x", "{}", "a traceback"),
        (signal.SIGTERM, 143, "bye", "{}", "expected a line that begins with `interrupted`"),
        (signal.SIGTERM, 143, "interrupted", "{", "the summary of the run cannot be read"),
        (signal.SIGTERM, 143, "interrupted", None, "the summary of the run cannot be read"),
    ],
)
def test_each_way_in_which_the_end_of_a_run_is_wrong_is_told(
    tmp_path: Path, sent: signal.Signals, status: int | None, printed: str, summary: str | None, says: str
) -> None:
    if summary is not None:
        (tmp_path / "summary.json").write_text(summary)
    (wrong,) = wrong_end(sent, status, printed, tmp_path)
    assert says in wrong


def test_a_storm_is_well_only_if_nothing_was_left_and_half_of_it_met_a_fault() -> None:
    assert wrongs([struck("a"), struck("a"), struck()], 3, 24) == []
    assert wrongs([struck("a"), struck("a", wrong="left: x")], 2, 24) == [
        "after 1 of 2 blows something was wrong or left over"
    ]
    assert wrongs([struck("a"), struck(), struck()], 3, 24) == [], "of three it may be luck"
    of_each = [struck("a", sent=each) for each in SIGNALS]
    few = [*of_each * 3, *[struck()] * 11]
    assert wrongs(few, 20, 24) == ["only 9 of 20 blows came while a fault was in force"]
    assert wrongs([*of_each[:2] * 10], 20, 24) == ["no blow was a SIGINT"]
    assert wrongs([struck("a")], 2, 24) == ["expected 2 blows, got 1"]
    assert wrongs([struck("a")] * 6, 6, 2) == ["only 1 of 2 kinds of fault met a blow"]


def test_the_table_counts_each_kind_of_fault_and_each_signal() -> None:
    made = storm.table(
        [
            struck("lose-one"),
            struck("another", sent=signal.SIGKILL),
            struck(wrong="left: x", sent=signal.SIGKILL),
            struck("lose-one", kind="nat", sent=signal.SIGINT),
        ]
    )
    rows = list(zip(*(column.cells for column in made.columns), strict=True))
    assert rows == [
        ("drop", "2", "1", "0", "3", "2", "1", "1"),
        ("nat", "0", "0", "1", "1", "1", "1", "0"),
        ("all", "2", "1", "1", "4", "3", "2", "1"),
    ]


def test_a_run_tells_its_events_and_its_folder_and_what_is_no_json_is_kept_for_a_person(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "scenarios.py"
    told = ['{"run": "2026"}', "no JSON", *map(json.dumps, EVENTS)]
    program.write_text(f"import sys\nprint({chr(10).join(told)!r})\nprint('words', file=sys.stderr)\nsys.exit(3)\n")
    monkeypatch.setattr(ended_run, "WORK", tmp_path)
    run = Run(1, "lost-syn", "le-le", 1, {})
    assert run.wait(60) == 3
    assert (run.folder, run.events) == ("2026", EVENTS)
    assert not run.in_force(frozenset({"lose-one"}))
    run.messages.pop()
    assert run.in_force(frozenset({"lose-one"}))
    assert sorted(run.printed().splitlines()) == ["no JSON", "words"]


def test_what_a_lab_has_more_than_once_is_compared_by_how_often() -> None:
    assert remains.differences(["a", "b", "b"], ["b", "b", "a"]) == []
    assert remains.differences(["a", "b"], ["b", "b", "c"]) == ["left: b", "left: c", "gone: a"]


def test_the_processes_of_a_run_are_found_by_their_environment() -> None:
    variable = f"FAULTWIRE_TEST=of-{os.getpid()}"
    name, _, value = variable.partition("=")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env={name: value}) as process:
        try:
            assert [each.split()[0] for each in remains.processes_with(variable)] == [str(process.pid)]
        finally:
            process.kill()
    assert remains.processes_with(variable) == []


def test_a_lock_that_is_held_and_files_half_written_are_left_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(locks, "PLACES", (str(tmp_path),))
    monkeypatch.setattr(run_folder, "RUNS", tmp_path / "runs")
    temporary = tmp_path / "tmp"
    cell = tmp_path / "runs" / "2026" / "lost-syn"
    for each in (temporary, cell):
        each.mkdir(parents=True)
    assert [*remains.of_machine(7, ["2026"], temporary)] == []
    held = locks.take(locks.path_of(7, "lock"))
    (temporary / "wheel").touch()
    (cell / ".result.json-7").touch()
    (tmp_path / "runs" / ".latest-7").symlink_to("2026")
    left = [*remains.of_machine(7, ["2026"], temporary)]
    os.close(held)
    assert left[0].startswith(f"left: the lock {tmp_path}/faultwire-lab-7.lock")
    assert left[1:] == [
        "left: the temporary file wheel",
        "left: runs/2026/lost-syn/.result.json-7",
        "left: runs/.latest-7",
    ]
    assert [*remains.of_machine(7, ["2026"], temporary)] == left[1:], "the lock went with who held it"


def test_the_engine_s_health_check_is_nothing_that_a_run_leaves() -> None:
    test = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["firewall"]["healthcheck"]["test"]
    for listed in (" ".join(test[1:]), "[test]", "[test] <defunct>"):
        assert remains.HEALTH_CHECK.match(listed)
    for listed in ("test", "[testing]", "python -m services.echo.server test -e /run/ready "):
        assert not remains.HEALTH_CHECK.match(listed)
