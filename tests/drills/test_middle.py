"""A proxy in the middle, with the firewall on both of its ways: which of them errs, by the packets of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.calls import compositions
from scenarios.lab.topology import ROOT
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import chosen_service, load_drill
from scenarios.spec.cell import Cell
from scenarios.spec.service import Service, read_service, services
from scenarios.verdict.check import Verdict
from tests.conftest import lab_for_a_while

FOLDER = ROOT / "tests" / "compositions" / "proxied"
CLOSED, HALF_CLOSE = "closed-behind-the-proxy", "half-close-through-the-proxy"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def proxied() -> Service:
    return read_service(FOLDER, services())


@pytest.fixture(scope="module")
def stage(docker_engine: None, proxied: Service) -> Iterator[Stage]:  # noqa: ARG001
    with lab_for_a_while() as lab:
        compositions.ready([proxied], print)
        with Stage(lab) as found:
            yield found


@pytest.mark.parametrize(
    ("name", "server", "verdict", "did"),
    [
        # HAProxy as it comes sends a request once, and then closes; told to ask again, it does; nginx does by itself
        (CLOSED, "haproxy:curl", Verdict.FAIL, "broken off"),
        (CLOSED, "haproxy:curl-repeating", Verdict.PASS, "answered"),
        (CLOSED, "nginx:curl", Verdict.PASS, "answered"),
        # nginx's stream proxy takes the visitor's FIN for the end of all; HAProxy keeps the way back
        (HALF_CLOSE, "haproxy", Verdict.PASS, "answered"),
        (HALF_CLOSE, "nginx", Verdict.FAIL, "broken off"),
    ],
)
def test_a_proxy_meets_a_failure_on_either_of_its_ways(
    stage: Stage, proxied: Service, tmp_path: Path, name: str, server: str, verdict: Verdict, did: str
) -> None:
    known = {**services(), proxied.service: proxied}
    drill = load_drill(FOLDER / f"{name}.yaml", known)
    chosen = chosen_service(drill, f"proxied/{server}" + ("" if ":" in server else f":{drill.client}"), known)
    result = run(stage, Cell(drill, chosen, "le-le"), tmp_path / "runs" / "one" / "cell" / "le-le")
    assert (result.verdict, result.did and result.did.kind) == (verdict, did), result.sentence
