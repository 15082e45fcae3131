"""A composition of the user's own, in a lab: its services meet failures at the firewall, and nothing of it stays."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from scenarios.calls import compositions
from scenarios.lab import engine
from scenarios.lab.composition import Composition
from scenarios.lab.errors import CommandFailed
from scenarios.lab.lab import Lab
from scenarios.lab.sweep import COMPOSITION_LABEL
from scenarios.lab.topology import Family
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.cell import Cell
from scenarios.spec.service import Service, read_service, services
from scenarios.stress.remains import differences, of_lab
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result
from tests.composed import service_file
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
    command: python -m services.echo.server_threads "::" 7000
    environment: {PYTHONPATH: /opt/faultwire}
    user: "1234"  # neither the lab's own nor root: whoever ends it while it is paused needs the right to
    volumes: ["data:/data"]
  init:
    image: faultwire/host
    command: "true"
volumes: {data: {}}
"""
# Docker Compose takes it after the other: what it says of a key wins, and maps are joined.
MORE = """
services:
  web:
    hostname: front
    environment: {ONE: of the second file}
"""
SERVICE = service_file(
    *("composed", "an echo server and its client, as services of a composition"),
    server="an echo server",
    client='run: "python -m services.echo.client_blocking db {port} hello", about: asks, prints: hello',
)


pytestmark = pytest.mark.long


def service_of(tmp_path_factory: pytest.TempPathFactory, service: str, **compose: str) -> Service:
    """A service of this service.yaml, whose composition is in these files."""
    name = str(yaml.safe_load(service)["service"])
    folder = tmp_path_factory.mktemp("compositions") / name
    folder.mkdir()
    for file, content in (compose or {"compose": COMPOSE}).items():
        (folder / f"{file}.yaml").write_text(content, encoding="utf-8")
    (folder / "service.yaml").write_text(service, encoding="utf-8")
    return read_service(folder, services())


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Service:
    return service_of(tmp_path_factory, SERVICE)


@pytest.fixture(scope="module")
def reaching(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """The same, of two files; its services may reach the world, and speak IPv6 to each other."""
    service = SERVICE.replace("service: composed", "service: reaching").replace("[ipv4]", "[ipv4, ipv6]")
    service = service.replace("compose: compose.yaml", "compose: [compose.yaml, lab.yaml]\noutside: true")
    return service_of(
        tmp_path_factory, service.replace("client_blocking db", "client_blocking {host}"), compose=COMPOSE, lab=MORE
    )


@pytest.fixture(scope="module")
def stage(docker_engine: None, composed: Service, reaching: Service) -> Iterator[Stage]:  # noqa: ARG001
    with lab_for_a_while() as lab:
        compositions.ready([composed, reaching], print)
        with Stage(lab) as found:
            yield found
        assert left_of(lab) == []


def left_of(lab: Lab) -> list[str]:
    """What there is of a composition on the engine, of this lab."""
    labels = [f"{engine.LAB_LABEL}={lab.number}", COMPOSITION_LABEL]
    volumes = engine.client().volumes.list(filters={"label": labels})
    return [*(str(each.name) for each in engine.containers(*labels)), *(str(each.name) for each in volumes)]


def ran(stage: Stage, folder: Path, name: str, service: Service, family: Family = "ipv4") -> Result:
    known = {**services(), service.service: service}
    drill = replace(drills(known=known)[name], family=family)
    return run(stage, Cell(drill, chosen_service(drill, service.service, known), "le-le"), folder)


@pytest.mark.parametrize("name", ["any-lost-syn", "any-refused", "any-killed-unread", "any-paused"])
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


@pytest.fixture(scope="module")
def world(stage: Stage) -> Iterator[str]:  # noqa: ARG001 (the image is there then)
    """A listener out in the world, as `address port`: on this machine, at an address that no network of a lab has."""
    docker = engine.client()
    config = docker.networks.get("bridge").attrs["IPAM"]["Config"][0]
    # An engine that found docker0 at its start does not tell its gateway, which is the first address all the same.
    address = config.get("Gateway") or str(next(ipaddress.ip_network(config["Subnet"]).hosts()))
    container = docker.containers.run(
        "faultwire/host",
        ["python3", "-c", LISTEN, address],
        network_mode="host",
        detach=True,
        init=True,
        name=f"faultwire-world-{secrets.token_hex(4)}",
    )
    try:
        yield f"{address} {int(next(container.logs(stream=True, follow=True)))}"
    finally:
        container.remove(force=True)


LISTEN = """
import socket, sys
listener = socket.create_server((sys.argv[1], 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection = listener.accept()[0]
    connection.sendall(b"the world")
    connection.close()
"""
REACH = """
import socket, sys
for name in "web", "db":
    print(name, socket.gethostbyname(name))
try:
    print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).recv(99).decode())
except OSError as error:
    print(error.strerror)
"""
# On the gate: what comes of the sides, to the world and to each other. On the firewall: what crosses is dropped.
COUNT = """
nft 'add table ip seen
add counter ip seen to-the-world
add counter ip seen to-a-side
add chain ip seen look { type filter hook prerouting priority -300; }
add rule ip seen look ip saddr {SIDES} ip daddr != {SIDES} counter name to-the-world
add rule ip seen look ip saddr {SIDES} ip daddr {SIDES} counter name to-a-side'
"""
DROP = """
nft 'add table ip seen
add counter ip seen dropped
add chain ip seen look { type filter hook forward priority -300; }
add rule ip seen look ip saddr {SIDES} ip daddr {SIDES} counter name dropped drop'
"""


def inside(container: str, *argv: str) -> str:
    return engine.docker_command("exec", container, *argv, timeout_s=30)


def reached(stage: Stage, service: str, world: str) -> list[str]:
    """What a program inside a service of the composition finds of the others' names, and then of the world."""
    assert stage.composition
    return inside(stage.composition.container(service), "python3", "-c", REACH, *world.split()).splitlines()


def test_a_composition_reaches_the_world_only_where_it_may_and_the_other_side_only_across_the_firewall(
    stage: Stage, composed: Service, reaching: Service, world: str, tmp_path: Path
) -> None:
    lab = stage.lab
    names = [f"web 198.18.{lab.number}.32", f"db 198.18.{lab.number}.160"]
    stage.compose(composed)
    for service in ("web", "db"):
        assert reached(stage, service, world) == [*names, "Network is unreachable"]
    stage._composed.close()
    stage.composition = None
    before = of_lab(lab)

    result = ran(stage, tmp_path / "runs" / "one" / "cell" / "reaching", "any-lost-syn", reaching, "ipv6")
    assert (result.verdict, result.sentence) == (Verdict.PASS, result.cell.drill.claim)
    ends = {(frame.source, frame.destination) for frame in result.seen["fault"].frames["server-leg"] if frame.flags}
    across = f"2001:db8:{lab.number}:1::120", f"2001:db8:{lab.number}:2::120"
    assert across in ends
    assert all(":" in source for source, _ in ends)
    assert stage.composition
    of_second = inside(stage.composition.container("web"), "sh", "-c", 'echo "$ONE on $(hostname)"')
    assert of_second == "of the second file on front\n"

    sides = "{ " + ", ".join(ipv4 for ipv4, _ in lab.topology.networks.values()) + " }"
    gate = f"{lab.topology.project}-outside-1"
    inside(gate, "sh", "-c", COUNT.replace("{SIDES}", sides))
    for service in ("web", "db"):
        assert reached(stage, service, world) == [*names, "the world"]
    inside(lab.container("firewall"), "sh", "-c", DROP.replace("{SIDES}", sides))
    calling = f"import socket; socket.create_connection(('198.18.{lab.number}.160', 7000), 1)"
    with pytest.raises(CommandFailed, match="TimeoutError"):
        inside(stage.composition.container("web"), "python3", "-c", calling)
    counters = inside(gate, "nft", "list", "counters", "table", "ip", "seen")
    counters += inside(lab.container("firewall"), "nft", "list", "counters", "table", "ip", "seen")
    packets = {name: int(count) for name, count in re.findall(r"counter (\S+) {\s+packets (\d+)", counters)}
    assert packets["to-a-side"] == 0, counters
    assert min(packets["to-the-world"], packets["dropped"]) > 0, counters
    inside(lab.container("firewall"), "nft", "delete", "table", "ip", "seen")

    stage._composed.close()
    stage.composition = None
    left = differences(before, of_lab(lab))
    ours = re.compile(r": (process|/run/capture-\S+|/tmp/\S+)")  # the captures of the stage, and its dissector
    assert [each for each in left if not ours.search(each)] == [], left


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
