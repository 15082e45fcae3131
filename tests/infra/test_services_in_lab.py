"""Every service that the lab starts itself: each server, from each byte order, over both families: the right outcome.

The programs begin in the warm interpreters of the hosts, as those of drills do: an emulated Python needs seconds to
start. That a program begins by itself there is in test_endian.py and test_demo.py.

Between the little-endian hosts each server is called over both families; between the big-endian ones, where a Python
starts in a second, over one, in turns; between those of 64 bits by its first client only. The cells run some at once,
before the first test asks for its own; two servers of a service on one address would want the same port, so those run
one after another. Nothing is captured here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from scenarios.calls.call import Call
from scenarios.calls.caller import Caller
from scenarios.calls.serving import wait_for_socket
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Family
from scenarios.spec.command_line import words
from scenarios.spec.service import Service, ServiceChoice, resolve, services

LITTLE = ("client", "server")
BIG = ("client-be", "server-be")
BIG_64 = ("client-be64", "server-be64")
AT_ONCE = 4
SERVES_ONE = ("echo/once",)  # it ends after one client, which must make one connection only
KNOWN = services()


@dataclass(frozen=True, slots=True)
class Cell:
    """A server on a host, and the clients that call it, one after another."""

    service: str
    server: str
    client_host: str
    server_host: str
    family: Family

    @property
    def name(self) -> str:
        return f"{self.service}/{self.server}-{self.client_host}-{self.server_host}-{self.family}"


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one call of a cell."""

    chosen: ServiceChoice
    called: Call
    log: str


def callers(cell: Cell) -> list[str]:
    """The clients that fit a server; only the first of them where the server serves one connection, and on 64 bits."""
    found = KNOWN[cell.service].callers(cell.server)
    only_one = f"{cell.service}/{cell.server}" in SERVES_ONE or cell.client_host == BIG_64[0]
    return found[:1] if only_one else found


def families(service: Service, number: int, pair: tuple[str, str]) -> tuple[Family, ...]:
    """The families over which the server of this number is called: see above."""
    if pair in (BIG, BIG_64):
        return (service.families[number % len(service.families)],)
    return service.families


CELLS = [
    Cell(service.service, server, *pair, family)
    for service in KNOWN.values()
    if not service.images
    for number, server in enumerate(service.servers)
    if service.servers[server].runs_on is None
    for pair in (LITTLE, BIG, BIG_64)
    for family in families(service, number, pair)
]


def run(caller: Caller, lab: Lab, cell: Cell) -> list[Came] | LabProblem:
    hosts = lab.topology.hosts
    client, server = hosts[cell.client_host], hosts[cell.server_host]
    all_chosen = [resolve(f"{cell.service}/{cell.server}", name) for name in callers(cell)]
    chosen, address = all_chosen[0], server.address(cell.family)
    assert chosen.server.run is not None
    try:
        argv = words(chosen.server.run, bind=address, host=address, port=chosen.port)
        with caller.running(server.name, argv) as program:
            if chosen.server.ready is not None:
                program.wait_for_line(chosen.server.ready)
            else:
                wait_for_socket(lab, chosen, server, program)
            called = [
                caller.call(
                    client.name,
                    words(each.client.run, bind=address, host=address, port=each.port),
                    timeout_s=each.client.timeout_s,
                )
                for each in all_chosen
            ]
    except LabProblem as problem:
        return problem
    return [Came(each, call, program.printed) for each, call in zip(all_chosen, called, strict=True)]


@pytest.fixture(scope="module")
def outcomes(lab: Lab, request: pytest.FixtureRequest) -> Mapping[Cell, list[Came] | LabProblem]:
    """What came of each cell that a test of this session asks for."""
    asked = [item.callspec.params.get("cell") for item in request.session.items if hasattr(item, "callspec")]
    lanes: dict[tuple[str, str, Family], list[Cell]] = defaultdict(list)
    for cell in CELLS:
        if cell in asked:
            lanes[cell.service, cell.server_host, cell.family].append(cell)
    # The slowest first: the emulated hosts, and the services of most servers.
    ordered = sorted(lanes.values(), key=lambda lane: (lane[0].server_host == "server", -len(lane)))
    with Caller(lab) as caller, ThreadPoolExecutor(AT_ONCE) as pool:
        caller.open(*{host for cell in asked if cell for host in (cell.client_host, cell.server_host)})
        done = pool.map(lambda lane: [(cell, run(caller, lab, cell)) for cell in lane], ordered)
        return dict(pair for lane in done for pair in lane)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_each_client_of_a_service_is_answered_rightly_by_each_server_in_the_lab(
    cell: Cell, outcomes: Mapping[Cell, list[Came] | LabProblem]
) -> None:
    came = outcomes[cell]
    assert not isinstance(came, LabProblem), str(came)
    assert came, "a client calls it"
    for each in came:
        about = f"{each.chosen.client_name}: {each.called.printed}\nserver: {each.log}"
        assert each.called.status == each.chosen.client.status, about
        assert re.search(each.chosen.client.prints, each.called.printed, re.MULTILINE), about
        assert "Traceback" not in each.log, about
