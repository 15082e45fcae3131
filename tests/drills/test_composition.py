"""A composition of the user's own, in a lab: its services meet failures at the firewall, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.calls import compositions
from scenarios.lab import engine
from scenarios.lab.composition import Composition
from scenarios.lab.lab import Lab
from scenarios.lab.sweep import COMPOSITION_LABEL
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.cell import Cell
from scenarios.spec.service import Service, read_service, services
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result
from tests.conftest import lab_for_a_while

COMPOSE = """
services:
  web:
    image: faultwire/host
    command: sleep infinity
    init: true
    depends_on: [db]
    ports: ["18080:80"]
  db:
    image: faultwire/host
    command: python -m services.echo.server_threads "" 7000
    environment: {PYTHONPATH: /opt/faultwire}
    volumes: ["data:/data"]
  init:
    image: faultwire/host
    command: "true"
volumes: {data: {}}
"""
SERVICE = """
service: composed
about: an echo server and its client, as services of a composition
compose: compose.yaml
client_side: [web]
server_side: [db]
families: [ipv4]
port: 7000
servers:
  db: {in: db, about: an echo server}
clients:
  ask: {in: web, run: "python -m services.echo.client_blocking db {port} hello", about: asks, prints: hello}
"""


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Service:
    folder = tmp_path_factory.mktemp("compositions") / "composed"
    folder.mkdir()
    (folder / "compose.yaml").write_text(COMPOSE, encoding="utf-8")
    (folder / "service.yaml").write_text(SERVICE, encoding="utf-8")
    return read_service(folder, services())


@pytest.fixture(scope="module")
def stage(docker_engine: None, composed: Service) -> Iterator[Stage]:  # noqa: ARG001
    with lab_for_a_while() as lab:
        compositions.ready([composed], print)
        with Stage(lab) as found:
            yield found
        assert left_of(lab) == []


def left_of(lab: Lab) -> list[str]:
    """What there is of a composition on the engine, of this lab."""
    labels = [f"{engine.LAB_LABEL}={lab.number}", COMPOSITION_LABEL]
    volumes = engine.client().volumes.list(filters={"label": labels})
    return [*(str(each.name) for each in engine.containers(*labels)), *(str(each.name) for each in volumes)]


def ran(stage: Stage, folder: Path, name: str, service: Service) -> Result:
    known = {**services(), service.service: service}
    drill = drills(known=known)[name]
    return run(stage, Cell(drill, chosen_service(drill, service.service, known), "le-le"), folder)


@pytest.mark.parametrize("name", ["any-lost-syn", "any-refused", "any-paused"])
def test_a_drill_between_two_services_of_a_composition_passes(
    stage: Stage, composed: Service, tmp_path: Path, name: str
) -> None:
    result = ran(stage, tmp_path / "runs" / "one" / "cell" / name, name, composed)
    assert (result.verdict, result.sentence) == (Verdict.PASS, result.cell.drill.claim)


def test_its_services_have_the_firewall_between_them_and_no_way_around_it(stage: Stage, composed: Service) -> None:
    stage.compose(composed)
    lab, composition = stage.lab, stage.composition
    assert composition
    route = lab.run("composed-web", ["ip", "-4", "route", "show", "default"], timeout_s=5).stdout
    assert f"via {lab.topology.legs['client-leg'].ipv4}" in route
    web = engine.client().containers.get(composition.container("web"))
    assert web.attrs["HostConfig"]["PortBindings"] in ({}, None)
    assert web.attrs["HostConfig"]["Memory"] == 512 << 20
    assert lab.run("composed-web", ["getent", "hosts", "db"], timeout_s=5).stdout.split()[0] == (
        f"198.18.{lab.number}.160"
    )


def test_a_service_that_died_between_two_drills_is_started_again_and_that_is_told(
    stage: Stage, composed: Service, tmp_path: Path
) -> None:
    stage.compose(composed)
    assert stage.composition
    engine.client().containers.get(stage.composition.container("db")).kill()
    result = ran(stage, tmp_path / "runs" / "one" / "cell" / "killed", "any-lost-syn", composed)
    assert result.verdict is Verdict.PASS, result.sentence
    told = [event.what for event in result.seen["control"].events]
    assert any(each.startswith("db was restarted: Exited (137)") for each in told), told


def test_what_a_killed_run_left_of_a_composition_is_swept_when_the_next_takes_the_lab(
    stage: Stage, composed: Service
) -> None:
    stage.compose(composed)
    assert len(left_of(stage.lab)) == 7  # three containers in three seats, and a volume
    left = Composition(Lab(stage.lab.number), compositions.plan_of(composed))  # of a process that is no more
    assert left.lab.number == stage.lab.number
    left.lab._sweep()
    assert left_of(stage.lab) == []
    stage.composition = None  # so that the next has it anew
