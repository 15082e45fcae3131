"""What every test may ask for: a lab of the tests' own, and its machines as testinfra sees them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

import pytest
import testinfra
from hypothesis import settings
from testinfra.host import Host as Machine

from scenarios.lab import Lab, labs_in_use
from scenarios.topology import topology
from tests import telling
from tests.services.running import has_ipv6_loopback

# A shared machine may take a second for an example: the time of one says nothing of the code.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

# From the far end: a person's own labs are left alone. Of several test processes (pytest-xdist) each has its own.
_WORKER, _WORKERS = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
TEST_LABS = range(255, 199, -1)[int(_WORKER.removeprefix("gw")) :: int(_WORKERS)]

# What a shell starts with `&` ignores Ctrl-C, and so would every program that these tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run what takes more than a minute too")


def pytest_configure(config: pytest.Config) -> None:
    """No ten seconds without a word."""
    telling.add_to(config)


def _end(*_: object) -> None:
    """SIGTERM ends the tests as Ctrl-C does: labs are taken down. The status is 143, as a shell has it."""
    pytest.exit("ended by SIGTERM", returncode=128 + signal.SIGTERM)


signal.signal(signal.SIGTERM, _end)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long is skipped, and counted, unless it is asked for.

    So are tests on ::1 where the machine that runs them has none. The lab has its own IPv6.
    """
    if not config.getoption("long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes more than a minute; --long runs it"))
    if not has_ipv6_loopback():
        absent = pytest.mark.skip(reason="this machine has no IPv6 loopback address, ::1")
        for item in items:
            parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
            if "::1" in parameters.values():
                item.add_marker(absent)


def free_lab(*profiles: str) -> Lab:
    """A lab of a number that nobody on this engine uses; with the machines of these profiles of compose.yaml too."""
    taken = labs_in_use()
    return Lab(next(number for number in TEST_LABS if number not in taken), *profiles)


@contextlib.contextmanager
def lab_for_a_while(*, up: bool = True) -> Iterator[Lab]:
    """A lab that no other test holds, for the time of the `with` block; `up`: it is, from the start."""
    found = free_lab()
    try:
        if up:
            found.up()
        yield found
    finally:
        found.down()


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A lab that is up with all its usual machines, for the session, held against other runs, and removed after it."""
    found = free_lab(*topology().usual_profiles)
    try:
        found.up()
        with found.held():
            yield found
    finally:
        found.down()


@pytest.fixture(scope="session")
def machine(lab: Lab) -> Callable[[str], Machine]:
    """testinfra's view of a machine of the lab, by the machine's name."""
    return lambda name: testinfra.get_host(f"docker://{lab.container(name)}")
