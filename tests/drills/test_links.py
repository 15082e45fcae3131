"""A cable that somebody pulls from outside, and no drill: nothing of a program is told from what follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.run.cell import run
from scenarios.run.client_calls import ClientCalls
from scenarios.run.session import Stage
from scenarios.spec import steps
from scenarios.spec.catalogue import chosen_service, load_drill
from scenarios.spec.cell import Cell
from scenarios.verdict.check import Verdict, combine
from scenarios.verdict.result import Result
from tests.pulled_cable import pull

DRILL = """\
drill: unplugged
claim: The call is answered at once.
why: It is for the test of links.
source: [RFC 9293]
tags: [reaching]
service: search/selectors
script:
  - fault: {name: late, delay: {of: syn, from: client, to: server, by: 1ms}}
  - call: {name: hello, within: 20s}
expect:
  - outcome: {call: hello, is: answered}
  - packets: {at: client-leg, where: tcp.flags.syn == 1}
  - duration: {call: hello, is: 0ms to 600ms}
control:
  - outcome: {call: hello, is: answered}
"""


@pytest.mark.parametrize("machine", ["client", "firewall"])
def test_a_cable_that_is_pulled_from_outside_makes_no_red_word(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    path = tmp_path / "unplugged.yaml"
    path.write_text(DRILL, encoding="utf-8")
    drill, start = load_drill(path), ClientCalls.start
    cell = Cell(drill, chosen_service(drill, None), "le-le")

    def unplugged(calls: ClientCalls, call: steps.Call) -> None:
        put_back = pull(stage.lab, machine) if calls.run.armed else lambda: None
        try:
            start(calls, call)
        finally:
            put_back()

    def ran(name: str) -> Result:
        folder = tmp_path / name / "drill" / "service" / "pair"
        folder.mkdir(parents=True)
        return run(stage, cell, folder)

    with monkeypatch.context() as patched:
        patched.setattr(ClientCalls, "start", unplugged)
        result = ran("pulled")
    assert result.verdict is Verdict.UNPROVEN, result.sentence
    assert result.sentence == (
        "the links of the lab: expected as they were before, saw "
        f"eth0 of {machine} lost or got its carrier 2 times, by no fault of the drill"
    )
    assert combine(result.checks[:-1]) is Verdict.FAIL, "without the look at the links it would be red"
    assert ran("plugged").verdict is Verdict.PASS
