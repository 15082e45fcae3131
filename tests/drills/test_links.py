"""A cable that somebody pulls from outside, and no drill: nothing of a program is told from what follows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from scenarios.run.cell import run
from scenarios.run.client_calls import ClientCalls
from scenarios.run.session import Stage
from scenarios.spec import steps
from scenarios.spec.catalogue import chosen_service
from scenarios.spec.cell import Cell
from scenarios.verdict.check import Verdict, combine
from scenarios.verdict.result import Result
from tests.drills.one_call import one_call
from tests.pulled_cable import pull

TRIES: Final = 6  # a busy machine stands still, and then nothing is red that could be doubted


@pytest.mark.parametrize("machine", ["client", "firewall"])
def test_a_cable_that_is_pulled_from_outside_makes_no_red_word(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    drill, start = one_call(tmp_path, "0ms to 600ms"), ClientCalls.start
    cell = Cell(drill, chosen_service(drill, None), "le-le")

    def unplugged(calls: ClientCalls, call: steps.Call) -> None:
        put_back = pull(stage.lab, machine) if calls.run.armed else lambda: None
        try:
            start(calls, call)
        finally:
            put_back()

    def ran(name: str, tries: int) -> Result:
        folder = tmp_path / name / "drill" / "service" / "pair"
        folder.mkdir(parents=True)
        return run(stage, cell, folder, tries=tries)

    with monkeypatch.context() as patched:
        patched.setattr(ClientCalls, "start", unplugged)
        results = (ran(f"pulled-{number}", 1) for number in range(TRIES))
        result = next((each for each in results if each.checks[-1].rule == "the links of the lab"), None)
    assert result, f"the machine stood still each of {TRIES} times"
    assert result.verdict is Verdict.UNPROVEN
    assert result.sentence.startswith("a cable was pulled, by no fault of the drill: the links of the lab: ")
    assert re.search(rf"eth0 of {machine} lost or got its carrier \d+ times", result.sentence)
    assert combine(result.checks[:-1]) is Verdict.FAIL, "without the look at the links it would be red"
    assert ran("plugged", TRIES).verdict is Verdict.PASS
