"""A proxy in the middle, with the firewall on both of its ways: which of them errs, by the packets of both."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.calls import compositions
from scenarios.cli.picture import picture
from scenarios.evidence import frames_json
from scenarios.faults.link_down import LinkDown
from scenarios.faults.no_neighbours import NoNeighbours
from scenarios.faults.rate_limit import Rate
from scenarios.faults.recovery import remove_all
from scenarios.lab import engine
from scenarios.lab.lab import Lab
from scenarios.lab.topology import ROOT
from scenarios.report import read_run
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import chosen_service, drills, load_drill
from scenarios.spec.cell import Cell
from scenarios.spec.service import Service, read_service, services
from scenarios.verdict.check import Verdict
from tests.conftest import lab_for_a_while

FOLDER = ROOT / "tests" / "compositions" / "proxied"
NO_LINK = "no-link-behind-the-proxy"
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
        # a fault of the one leg that the way to the visitor does not cross
        (NO_LINK, "haproxy", Verdict.PASS, "wrong answer"),
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
    check_legs(tmp_path / "runs" / "one" / "cell" / "le-le")
    heads, _, *drawn = (line.plain for line in picture(stage.lab, result, result.seen["control"]))
    middle = server.partition(":")[0]
    assert heads.split() == ["proxied-visitor", f"proxied-{middle}", "proxied-app"]
    assert {line[12:].count("│") + line[12:].count("┊") for line in drawn if line[12:].endswith("│")} == {5}


def check_legs(cell: Path) -> None:
    """Three captures, and of the control each packet on both legs of its way and on no third one."""
    assert [*read_run.result(cell)["runs"]["control"]["captures"]] == ["client-leg", "server-leg", "backend-leg"]
    assert all((cell / "control" / f"{leg}.pcapng").is_file() for leg in frames_json.LEGS)
    kept = read_run.packets(cell / "control")
    assert kept
    ways: dict[str, set[tuple[str, ...]]] = {"client": set(), "backend": set()}
    for packet in kept.packets:
        for role, found in ways.items():
            frame = next(iter(packet.frames.values()))
            if frame.transport == "tcp" and {frame.source, frame.destination} & {*kept.addresses[role]}:
                found.add((*packet.frames,))
    assert ways == {"client": {("client-leg", "server-leg")}, "backend": {("server-leg", "backend-leg")}}


def test_a_client_and_a_backend_do_not_reach_one_another_without_the_firewall(stage: Stage, proxied: Service) -> None:
    stage.compose(proxied)
    assert stage.composition
    visitor, asks = (
        stage.composition.container("visitor"),
        "import socket, sys; socket.create_connection(sys.argv[1:], 2)",
    )

    def reaches(name: str, port: int) -> bool:
        words = ["docker", "exec", visitor, "python3", "-c", asks, name, str(port)]
        return subprocess.run(words, capture_output=True, timeout=20, check=False).returncode == 0

    assert reaches("app", 8000)
    with LinkDown(stage.lab, "pulled", "backend-leg"):
        assert not reaches("app", 8000)
        assert reaches("haproxy", 8080)
    assert reaches("app", 8000)
    hosts = {each.name: each.network for each in stage.lab.topology.places.values()}
    assert [hosts[f"proxied-{each}"] for each in ("visitor", "haproxy", "app")] == [*stage.lab.topology.networks]


def test_a_plain_drill_beside_a_composition_with_a_middle_has_two_captures(
    stage: Stage, proxied: Service, tmp_path: Path
) -> None:
    stage.compose(proxied)
    drill = drills()["lost-syn"]
    chosen = chosen_service(drill, drill.service, services())
    cell = tmp_path / "runs" / "one" / "cell" / "le-le"
    result = run(stage, Cell(drill, chosen, "le-le"), cell)
    assert result.verdict is Verdict.PASS, result.sentence
    assert [*read_run.result(cell)["runs"]["fault"]["captures"]] == ["client-leg", "server-leg"]


def test_what_a_killed_run_left_of_the_third_leg_is_swept_with_the_fault_that_was_in_force_on_it(
    stage: Stage, proxied: Service
) -> None:
    stage.compose(proxied)
    for left in (Rate(stage.lab, "slow", "backend-leg", 256_000), NoNeighbours(stage.lab, "deaf", "backend-leg")):
        left.__enter__()
    next_one = Lab(stage.lab.number)
    next_one._sweep()
    assert remove_all(next_one) == []
    stage.composition = None
    looked = next_one.run("firewall", ["sh", "-c", "ls /run/legs /run/faults; ip -o link"], timeout_s=10)
    assert "server-leg" in looked.stdout
    assert "backend-leg" not in looked.stdout
    assert "eth2" not in looked.stdout
    networks = engine.client().networks.list(filters={"label": f"{engine.LAB_LABEL}={stage.lab.number}"})
    assert sorted(str(each.name).rpartition("_")[2] for each in networks) == ["client-net", "server-net"]
