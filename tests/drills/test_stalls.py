"""The lab measures its own stalls: a machine of it is stopped on purpose, and the verdict rests on that no more."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scenarios.evidence.meter import Metering
from scenarios.evidence.record import Beside
from scenarios.evidence.stalls import Stalls
from scenarios.lab import engine
from scenarios.lab.lab import Lab
from scenarios.run import cell as running
from scenarios.run import performance
from scenarios.run.cell import run
from scenarios.run.client_calls import ClientCalls
from scenarios.run.session import Stage
from scenarios.spec import steps
from scenarios.spec.catalogue import chosen_service
from scenarios.spec.cell import Cell
from scenarios.verdict.check import Verdict, combine
from scenarios.verdict.judge import judged
from scenarios.verdict.survival import survival
from tests.drills.one_call import one_call

STOPPED_S = 0.7


def stop(lab: Lab, machine: str, for_s: float = STOPPED_S) -> None:
    """Stop what runs on a machine (SIGSTOP), and have it go on after so long."""
    lab.run(machine, ["pkill", "-STOP", "python"], timeout_s=10)
    threading.Timer(for_s, lambda: lab.run(machine, ["pkill", "-CONT", "python"], timeout_s=10)).start()


@pytest.mark.parametrize(
    ("band", "otherwise"), [("0ms to 500ms", Verdict.FAIL), ("600ms to 15s", Verdict.PASS)], ids=["no fail", "no pass"]
)
def test_a_server_that_stands_still_within_a_call_makes_the_verdict_neither_fail_nor_pass(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, band: str, otherwise: Verdict
) -> None:
    drill, start = one_call(tmp_path, band), ClientCalls.start

    def held(calls: ClientCalls, call: steps.Call) -> None:
        if calls.run.armed:
            stop(stage.lab, "server")
        start(calls, call)

    monkeypatch.setattr(ClientCalls, "start", held)
    folder = tmp_path / "run" / "drill" / "service" / "pair"
    folder.mkdir(parents=True)
    stage.disturbed = False  # an emulated host need not be asked for what the test before left
    result = run(stage, Cell(drill, chosen_service(drill, None), "le-le"), folder)
    assert result.verdict is Verdict.UNPROVEN
    assert " on server stood still for " in result.sentence
    armed = result.seen["fault"]
    assert armed.stalls.largest_s["server"] >= STOPPED_S - 0.05
    unmeasured = judged(drill, result.seen["control"], replace(armed, stalls=Stalls()))[1]
    assert combine(unmeasured) is otherwise


def test_a_server_that_stands_still_while_others_call_makes_no_red_word_of_them(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drill, start, beside = one_call(tmp_path, "0ms to 15s"), ClientCalls.start, performance.perform_beside
    seen: list[Beside] = []

    def held(calls: ClientCalls, call: steps.Call) -> None:
        if calls.others is not None and call.name == "hello":
            stop(stage.lab, "server", 3.0)
        start(calls, call)

    def kept(*words: Any) -> Beside:
        seen.append(beside(*words))
        return seen[-1]

    monkeypatch.setattr(ClientCalls, "start", held)
    monkeypatch.setattr(running, "perform_beside", kept)
    folder = tmp_path / "run" / "drill" / "service" / "pair"
    folder.mkdir(parents=True)
    cell = Cell(drill, chosen_service(drill, None), "le-le")
    said = run(stage, cell, folder, beside=True, tries=2).survival
    assert said
    assert len(seen) == 2, "it was tried again"
    assert re.fullmatch(r"not known: .+ (stood still|waited for a processor) for \d\.\d\d s", said.others)
    assert (said.others_as_promised, said.otherwise) == (None, "")
    unmeasured = survival(cell, Verdict.PASS, None, replace(seen[-1], stalls=Stalls()))
    assert unmeasured.others.startswith(("served late: ", "not served: "))
    assert unmeasured.others_as_promised is False


def test_one_program_that_is_stopped_is_seen_with_its_machine_its_number_and_how_long(own_lab: Lab) -> None:
    with Metering(own_lab) as meter:
        argv = ["python", "-c", "import time; print('here', flush=True); time.sleep(60)"]
        with own_lab.running("server", argv) as program:
            program.wait_for_line("here")
            meter.begin()
            meter.wait()
            meter.end()
            meter.begin()
            meter.wait()
            program.signal("STOP")
            timer = threading.Timer(STOPPED_S, lambda: program.signal("CONT"))
            timer.start()
            timer.join()
            stalls = meter.end()
    (one,) = (each for each in stalls.found if each.machine == "server" and each.why == "stopped")
    assert one.length_s >= STOPPED_S
    assert one.pid > 1
    assert stalls.unseen == ()


def test_a_machine_that_the_engine_pauses_is_seen_as_a_whole(own_lab: Lab) -> None:
    container = engine.client().containers.get(own_lab.container("server"))
    with Metering(own_lab) as meter:
        meter.begin()
        meter.wait()
        meter.end()
        meter.begin()
        meter.wait()
        container.pause()
        timer = threading.Timer(STOPPED_S, container.unpause)
        timer.start()
        timer.join()
        stalls = meter.end()
    assert stalls.largest_s["server"] >= STOPPED_S
    assert {each.why for each in stalls.found if each.machine == "server"} & {"held", "frozen"}
