"""Metering without a lab: the meter is a process of this machine, and what becomes of it is what becomes of a lab's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from scenarios.evidence import meter as metering
from scenarios.evidence.meter import Metering, OwnMeter
from scenarios.lab import engine
from scenarios.lab import guest as lab_guest
from scenarios.lab.box import Box
from scenarios.lab.errors import CommandFailed, LabProblem, NoEngine
from scenarios.lab.lab import Lab
from scenarios.lab.process import Finished
from scenarios.lab.topology import ROOT
from scenarios.lab.waiting import wait_for


class LocalLab:
    """What a Metering wants of a lab."""

    def __init__(self) -> None:
        self.guests: dict[str, str] = {}
        self.number = 1
        self.opened: list[subprocess.Popen[bytes]] = []

    def open(self, machine: str, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        assert (machine, argv) == ("meter", [metering.PROGRAM])
        pipe = subprocess.PIPE
        command = [sys.executable, str(ROOT / "images" / "meter" / "meter")]
        self.opened.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe))
        return self.opened[-1]


@pytest.fixture
def lab() -> Iterator[LocalLab]:
    """One whose meters are gone afterwards, also those that were stopped, and given up."""
    made = LocalLab()
    yield made
    for each in made.opened:
        each.kill()
        each.wait()


@pytest.fixture
def meter(lab: LocalLab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Metering]:
    monkeypatch.setattr(Metering, "_of_lab", lambda _self, *_labels: {"a" * 64: "server"})
    with Metering(cast("Lab", lab)) as made:
        yield made


def test_a_meter_that_is_held_up_tells_how_long_as_the_machine(meter: Metering, lab: LocalLab) -> None:
    meter.begin()
    meter.wait()
    meter.end()  # it has started
    meter.begin()
    meter.wait()
    time.sleep(0.1)
    os.kill(lab.opened[0].pid, signal.SIGSTOP)
    try:
        time.sleep(0.4)
    finally:
        os.kill(lab.opened[0].pid, signal.SIGCONT)
    time.sleep(0.1)
    stalls = meter.end()
    assert stalls.largest_s["machine"] >= 0.39
    assert stalls.stolen_s is not None


def test_a_meter_that_ends_while_a_script_runs_leaves_that_time_unwatched(meter: Metering, lab: LocalLab) -> None:
    meter.begin()
    meter.wait()
    meter.end()
    meter.begin()
    meter.wait()
    lab.opened[0].kill()
    stalls = meter.end()
    (one,) = (each for each in stalls.found if each.why == "unwatched")
    assert one.says(one.began_ns).startswith("the machine was not watched for ")
    assert stalls.unseen == ("the stalls of the lab's machines: the meter ended with status -9: it said nothing",)
    meter.begin()
    meter.wait()
    assert [each for each in meter.end().found if each.why == "unwatched"] == []
    assert len(lab.opened) == 2


def test_a_meter_that_does_not_answer_is_given_up_with_its_time_unwatched(
    meter: Metering, lab: LocalLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter.begin()
    meter.wait()
    meter.end()
    monkeypatch.setattr(metering, "BEGINS_WITHIN_S", 0.3)
    os.kill(lab.opened[0].pid, signal.SIGSTOP)
    meter.begin()
    meter.wait()
    stalls = meter.end()
    assert stalls.unseen == ("the stalls of the lab's machines: the meter did not begin to meter within 0.3 s",)
    assert any(each.why == "unwatched" for each in stalls.found)


def test_where_no_meter_can_run_that_is_told_and_doubts_nothing(lab: LocalLab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> subprocess.Popen[bytes]:
        raise LabProblem("meter of lab 1 does not run")

    monkeypatch.setattr(lab, "open", refused)
    monkeypatch.setattr(Metering, "_of_lab", lambda _self, *_labels: {})
    with Metering(cast("Lab", lab)) as meter:
        meter.begin()
        meter.wait()
        stalls = meter.end()
    assert stalls.unseen == ("the stalls of the lab's machines: meter of lab 1 does not run",)
    assert not any(each.why == "unwatched" for each in stalls.found)


@pytest.mark.parametrize("problem", [NoEngine("no engine"), TimeoutError("late"), CommandFailed("gone")])
def test_an_engine_that_does_not_answer_the_meter_ends_no_script(
    lab: LocalLab, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    def client() -> None:
        raise problem

    monkeypatch.setattr(engine, "client", client)
    with Metering(cast("Lab", lab)) as meter:
        meter.begin(with_guests=True)
        meter.wait()
        meter.stop(with_guests=True)
        assert meter.end().unseen == (f"the stalls of the lab's machines: {problem}",)


def test_a_guest_is_known_to_the_meter_before_it_begins_and_forgotten_after_its_script(
    meter: Metering, lab: LocalLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Lab(1)
    known: list[dict[str, str]] = []

    def attended(_: object, argv: Sequence[str], *__: object) -> Finished:
        known.append(dict(made.guests))
        return Finished(tuple(argv), 0, "", "", 0.1)

    guest = SimpleNamespace(id="g" * 64)
    monkeypatch.setattr(engine, "docker_command", lambda *_, **__: "")
    monkeypatch.setattr(engine, "client", lambda: SimpleNamespace(containers=SimpleNamespace(get=lambda _: guest)))
    monkeypatch.setattr(lab_guest, "_attended", attended)
    monkeypatch.setattr(lab_guest, "remove_guest", lambda _: None)
    made.run_guest("client", Box("an/image"), ["a", "program"], timeout_s=1)
    assert known == [{"g" * 64: "client"}]
    lab.guests = made.guests
    meter.begin()
    meter.wait()
    assert made.guests == {}


def test_what_was_begun_and_not_ended_is_not_in_the_next(meter: Metering) -> None:
    meter.begin()
    meter.wait()
    began_ns = time.time_ns()
    meter.begin()
    meter.wait()
    assert all(each.ended_ns >= began_ns for each in meter.end().found)


def test_this_program_notes_its_own_delay() -> None:
    """Stopped from outside, as a whole: a child does it, for one who is stopped does nothing."""
    own = OwnMeter()
    time.sleep(0.1)
    parent = os.getpid()
    script = f"kill -STOP {parent}; sleep 0.35; kill -CONT {parent}"
    child = subprocess.Popen(["sh", "-c", script])
    wait_for(lambda: child.poll() is not None, "the child to end", 30)
    time.sleep(0.1)
    assert max(each.length_s for each in own.stop()) >= 0.29  # it may stand still a little after it was told to


def _hold_the_lock(at_least_s: float) -> int:
    """Compute for a while in one call of C, as json.loads does with a large text: no other thread gets its turn.

    Return a moment in it.
    """
    count, took_s = 1_000_000, 0.0
    while took_s < at_least_s:
        began_s = time.thread_time()
        sum(range(count))
        count, took_s = 2 * count, time.thread_time() - began_s
        moment_ns = time.time_ns() - round(1e9 * at_least_s / 2)
    return moment_ns


def test_the_work_of_a_test_is_no_stall_of_it_and_the_work_of_a_runner_is_one() -> None:
    of_test, of_runner = OwnMeter(of_test=True), OwnMeter()
    time.sleep(0.05)
    held_ns = _hold_the_lock(0.3)
    time.sleep(0.05)
    (held,) = [each for each in of_runner.stop() if each.began_ns <= held_ns <= each.ended_ns]
    without_processor = [each for each in of_test.stop() if held.began_ns < each.ended_ns <= held.ended_ns + 20_000_000]
    assert held.length_s >= 0.3
    assert sum(each.length_s for each in without_processor) <= held.length_s - 0.25, "less its processor time"


def test_a_test_that_is_stopped_stands_still() -> None:
    own = OwnMeter(of_test=True)
    time.sleep(0.05)
    child = subprocess.Popen(["sh", "-c", f"kill -STOP {os.getpid()}; sleep 0.35; kill -CONT {os.getpid()}"])
    wait_for(lambda: child.poll() is not None, "the child to end", 30)
    time.sleep(0.1)
    assert max(each.length_s for each in own.stop()) >= 0.29
