"""Messages as nobody should send them, to servers on a native and on an emulated host of a lab."""

from __future__ import annotations

import pytest

from scenarios.lab.lab import Lab
from scenarios.spec.service import resolve
from scenarios.stress import fuzz
from scenarios.stress.fuzz_messages import dialect_of
from scenarios.stress.fuzz_places import OnHost


@pytest.mark.parametrize("name", ["search/selectors", "search_tls/threads", "qotd/udp"])
@pytest.mark.parametrize("host", ["server", "server-be"])
def test_a_server_on_a_host_stands_a_batch(own_lab: Lab, name: str, host: str) -> None:
    place = OnHost(own_lab, own_lab.topology.hosts[host])
    place.batch = 20
    chosen = resolve(name)
    dialect = dialect_of(chosen.service.service, chosen.server_name)
    assert dialect
    target = fuzz.ServerTarget(place, chosen, dialect)
    target.turn(5, 0)
    assert target.tally.is_well, target.tally.problems
    assert target.tally.sent >= place.batch
