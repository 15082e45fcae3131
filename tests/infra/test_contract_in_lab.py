"""The contract of every server and every client, between the hosts of a lab: the tests are those of tests/services.

This only says in which place they run. A server under test is on `server`, then on `server-be`, and the peers that a
test plays are sockets of `client`, across the firewall. A client under test is on `client`, then on `client-be`, and
the peer that it calls is a socket of `server`. Entering the hosts is for root (`entering` says how it is done).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from scenarios.calls.caller import Caller
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Host
from tests.infra import entering
from tests.infra.entering import Between, Inside
from tests.services.contract import CLIENTS, SERVERS, Client
from tests.services.running import PATIENCE_S
from tests.services.test_contract_clients import *  # noqa: F403
from tests.services.test_contract_clients import Ran
from tests.services.test_contract_servers import *  # noqa: F403

pytestmark = pytest.mark.skipif(bool(entering.why_not()), reason=entering.why_not())


@pytest.fixture(name="place", scope="module", params=["server", "server-be"])
def place_in_lab(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Between]:
    """Where the servers are: instead of loopback."""
    servers, peers = entering.inside(lab, request.param), entering.inside(lab, "client")
    modules = {f"services.{subject.module}" for subject in SERVERS}
    with entering.between(servers, peers, sorted(modules)) as found:
        yield found


class FromHost:
    """Clients on one host, called by its fork server; the peer that they call is on another."""

    def __init__(self, caller: Caller, client: Host, peer: Inside) -> None:
        self._caller, self._client, self._peer = caller, client, peer
        self.host, self.byteorder = peer.host.ipv4, client.byteorder

    def main(self, client: Client, *words: str) -> Ran:
        argv = ["python", "-m", f"services.{client.module}", *words]
        called = self._caller.call(self._client.name, argv, timeout_s=PATIENCE_S)
        assert called.status is not None, called
        return Ran(called.status, called.stdout, called.stderr)

    program = main

    def peers(self) -> AbstractContextManager[None]:
        return self._peer.network()


@pytest.fixture(name="clients_place", scope="module", params=["client", "client-be"])
def clients_place_in_lab(request: pytest.FixtureRequest, lab: Lab) -> Iterator[FromHost]:
    """Where the clients are: instead of this process."""
    with Caller(lab, sorted({f"services.{client.module}" for client in CLIENTS})) as caller:
        caller.open(request.param)
        yield FromHost(caller, lab.topology.hosts[request.param], entering.inside(lab, "server"))
