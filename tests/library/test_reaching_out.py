"""While this machine plays a side of a lab, nothing else of it can be reached from there: no address, port or lab.

The firewall tries it, as root and with a route through this machine's address: more than any program of a test may do.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence

import pytest

from scenarios.lab.lab import Lab as Machines
from scenarios.library import Lab
from scenarios.library.here import Side, giving_this_machine_an_address, host_of
from tests.conftest import lab_for_a_while
from tests.library.opening import lab_of_library

pytestmark = [pytest.mark.engine, pytest.mark.long]
FOUND = b"found"
WITHIN_S = 1.5
# Tries to reach each address@port, all at once, and prints those where somebody says `found`, or takes a connection.
TRY = """
import socket, sys, threading
def attempt(word):
    host, port = word.rsplit("@", 1)
    try:
        with socket.create_connection((host, int(port)), WITHIN_S) as connection:
            print(word, flush=True)
    except OSError:
        pass
threads = [threading.Thread(target=attempt, args=(word,)) for word in sys.argv[1:]]
for each in threads: each.start()
for each in threads: each.join()
""".replace("WITHIN_S", str(WITHIN_S))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with lab_of_library() as lab:
        yield lab


@pytest.fixture
def listening() -> Iterator[dict[bool, int]]:
    """The ports of servers of this process at every address: by whether it is IPv6."""
    with contextlib.ExitStack() as stack:
        ports = {}
        for family, everywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104
            server = stack.enter_context(socket.create_server((everywhere, 0), family=family))
            ports[family == socket.AF_INET6] = server.getsockname()[1]

            def serve(server: socket.socket = server) -> None:
                with contextlib.suppress(OSError):
                    while True:
                        server.accept()[0].close()

            threading.Thread(target=serve, daemon=True).start()
        yield ports


def addresses() -> list[str]:
    """Every address of this machine, but those of its loopback and of a link alone."""
    said = subprocess.run(["ip", "-o", "address"], capture_output=True, text=True, check=True, timeout=10).stdout
    found = [line.split()[3].partition("/")[0] for line in said.splitlines()]
    return [each for each in dict.fromkeys(found) if not each.startswith(("127.", "fe80:")) and each != "::1"]


def reached(machines: Machines, host: str, words: Sequence[str]) -> list[str]:
    """Those of address@port that take a connection from a host."""
    return machines.run(host, ["python3", "-c", TRY, *words], timeout_s=WITHIN_S + 20).stdout.split()


@contextlib.contextmanager
def routed(machines: Machines, side: Side, targets: Sequence[str]) -> Iterator[None]:
    """The firewall's way to these addresses leads through this machine's own address."""
    here = host_of(machines.topology, side)
    through = {False: here.ipv4, True: here.ipv6}
    ways = [[f"-{6 if ':' in each else 4}", each, through[":" in each]] for each in targets]
    try:
        for family, each, way in ways:
            machines.run("firewall", ["ip", family, "route", "replace", each, "via", way], timeout_s=10)
        yield
    finally:
        for family, each, _ in ways:
            machines.run("firewall", ["ip", family, "route", "delete", each], timeout_s=10)


@pytest.mark.parametrize("side", ["client", "server"])
def test_no_address_of_the_machine_can_be_reached_and_without_the_rules_it_could(
    lab: Lab, listening: dict[bool, int], side: Side
) -> None:
    machines = lab._session.stage.lab
    with lab.host(side):
        here = host_of(machines.topology, side)
        words = [f"{each}@{listening[':' in each]}" for each in addresses()]
        others = [each for each in addresses() if each not in (here.ipv4, here.ipv6)]
        assert others
        with routed(machines, side, others):
            for host in ("firewall", "client", "server", "client-be"):
                assert reached(machines, host, words) == []
            table = f"faultwire_here_{lab.number}"
            machines.run("cables", ["nft", "delete", "table", "inet", table], timeout_s=10)
            assert f"{here.ipv4}@{listening[False]}" in (came := reached(machines, "firewall", words))
            assert len(came) > 1, "the way to other addresses of the machine is what was closed"


def test_a_port_that_was_named_can_be_reached_at_this_one_address(lab: Lab, listening: dict[bool, int]) -> None:
    machines = lab._session.stage.lab
    with lab.host("server", ports=tuple(listening.values())):
        here = host_of(machines.topology, "server")
        words = [f"{each}@{listening[':' in each]}" for each in addresses()]
        with routed(machines, "server", [each for each in addresses() if each not in (here.ipv4, here.ipv6)]):
            expected = {f"{here.ipv4}@{listening[False]}", f"{here.ipv6}@{listening[True]}"}
            assert {*reached(machines, "firewall", words)} == expected


def test_another_lab_cannot_be_reached_through_this_machine(lab: Lab) -> None:
    machines = lab._session.stage.lab
    with lab_for_a_while() as other:
        names = [other.topology.places["names"].ipv4, other.topology.hosts["server"].ipv4]
        with lab.host("client"), giving_this_machine_an_address(other, host_of(other.topology, "client"), ()):
            assert reached(other, "client", [f"{names[0]}@53"]) == [f"{names[0]}@53"]
            with routed(machines, "client", names):
                assert reached(machines, "firewall", [f"{each}@53" for each in names]) == []
