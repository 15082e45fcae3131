"""The contract of every server and every client, between the hosts of a lab: the tests are those of tests/services.

Nothing is tested here that is not there: this only says in which place. The server under test is on `server`, then on
`server-be`, and the peers that a test plays are sockets of `client`, across the firewall (`entering` says how, and why
only for root); a client under test is on `client`, then on `client-be`, and the peer that it calls is a socket of `server`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from scenarios.caller import Caller
from scenarios.lab import Lab
from tests.infra import entering
from tests.infra.entering import Between, Inside
from tests.services.contract import CLIENTS, SERVERS, Client
from tests.services.running import PATIENCE_S
from tests.services.test_contract_clients import *  # noqa: F403
from tests.services.test_contract_clients import Ran
from tests.services.test_contract_servers import *  # noqa: F403


@pytest.fixture(scope="module", autouse=True)
def _can_enter() -> None:
    if reason := entering.why_not():
        pytest.skip(reason)


@pytest.fixture(scope="module", params=["server", "server-be"])
def place(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Between]:
    """Where the servers are: instead of loopback."""
    servers, peers = entering.inside(lab, request.param), entering.inside(lab, "client")
    modules = {f"services.{subject.module}" for subject in SERVERS}
    with entering.between(servers, peers, sorted(modules)) as found:
        yield found


class FromHost:
    """Clients on one host, called by its resident; the peer that they call is on another."""

    def __init__(self, caller: Caller, client: str, peer: Inside) -> None:
        self._caller, self._client, self._peer = caller, client, peer
        self.host = peer.host.ipv4

    def main(self, subject: Client, *words: str) -> Ran:
        argv = ["python", "-m", f"services.{subject.module}", *words]
        called = self._caller.call(self._client, argv, timeout_s=PATIENCE_S)
        assert called.status is not None, called
        return Ran(called.status, called.stdout, called.stderr)

    program = main

    def peers(self) -> AbstractContextManager[None]:
        return self._peer.network()


@pytest.fixture(scope="module", params=["client", "client-be"])
def clients_place(request: pytest.FixtureRequest, lab: Lab) -> Iterator[FromHost]:
    """Where the clients are: instead of this process."""
    with Caller(lab, sorted({f"services.{subject.module}" for subject in CLIENTS})) as caller:
        caller.open(request.param)
        yield FromHost(caller, request.param, entering.inside(lab, "server"))
