"""What every test may ask for: a lab of the tests' own, and its machines as testinfra sees them."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
import testinfra
from hypothesis import settings
from testinfra.host import Host as Machine

from scenarios.lab import engine, locks
from scenarios.lab.cleanup import labs_in_use
from scenarios.lab.errors import NoEngine
from scenarios.lab.lab import Lab
from scenarios.lab.pool import default_jobs
from scenarios.lab.topology import topology
from tests import lending, telling
from tests.installing import Installed, installed, shared_folder
from tests.scheduling import WITH_LABS, WITHOUT_LABS, ByPart, is_without_labs, rank
from tests.services.running import has_ipv6_loopback

# A shared machine may take a second for an example: the time of one says nothing of the code.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

# From the far end: a person's own labs are left alone. Of several test processes (pytest-xdist) each has its own, and
# side by side: a run on two labs that is given one number takes the next one for the other.
_WORKER, _WORKERS = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
_EVERY, _NUMBER = range(255, 199, -1), int(_WORKER.removeprefix("gw")) % int(_WORKERS)
TEST_LABS = _EVERY[_NUMBER * len(_EVERY) // int(_WORKERS) : (_NUMBER + 1) * len(_EVERY) // int(_WORKERS)]

LENT_TO_TESTS = "tests"  # the lock on a number
_held: dict[int, int] = {}  # the numbers that this process has, with their locks

# Half a million objects of modules and tests live from the start to the end: looking through them costs a seventh.
gc.set_threshold(100_000, 50, 100)


def pytest_collection_finish() -> None:
    """What is there now stays, and is looked through no more: not by a test that has the garbage collected either.

    It is not looked through now for garbage either: there are some 12,000 of 360,000 objects, for 0.4 s a process.
    """
    gc.freeze()


WORKERS_A_CORE = 2  # a test mostly waits; where memory is short it is fewer
MORE_THAN_CORES = 0  # each has a lab; three on two cores took as long, and drills came late and had to be tried again
WITHOUT_LABS_A_CORE = 3  # test processes for `make check`: what needs no engine waits for sockets and clocks
MOST_WORKERS = 8  # each has numbers of labs for the catalogue and the rest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many test processes this machine can run side by side, each with a lab: by its cores and its free memory."""
    cores = len(os.sched_getaffinity(0))
    if is_without_labs(config):
        return min(default_jobs(WITHOUT_LABS_A_CORE), MOST_WORKERS)
    return min(default_jobs(WORKERS_A_CORE), cores + MORE_THAN_CORES, MOST_WORKERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByPart:
    """Hand out the tests as tests/scheduling.py says."""
    return ByPart(config, log)


# What a shell starts with `&` ignores Ctrl-C, and so would every program that these tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run what takes more than a minute too")


def pytest_configure(config: pytest.Config) -> None:
    """No ten seconds without a word."""
    telling.add_to(config)


_terminated = threading.Event()


def _end(*_: object) -> NoReturn:
    """SIGTERM ends the tests as Ctrl-C does: labs are taken down. The status is 143, as a shell has it."""
    _terminated.set()
    pytest.exit("ended by SIGTERM", returncode=128 + signal.SIGTERM)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begin no other test where what was running took that for an error of its own, as asyncio does in a callback."""
    if _terminated.is_set():
        _end()


signal.signal(signal.SIGTERM, _end)

WORKERS_END_WITHIN_S = 120  # each takes its labs down
_workers: list[Any] = []  # of xdist, in the process that hands out the tests


@pytest.hookimpl(optionalhook=True)
def pytest_testnodeready(node: object) -> None:
    _workers.append(node)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(exitstatus: int) -> None:
    """After a signal, have the test processes end in order: xdist would kill them, and leave their labs up."""
    if exitstatus not in (pytest.ExitCode.INTERRUPTED, 128 + signal.SIGTERM):
        return
    busy = [each for each in _workers if not each.channel.isclosed()]
    for each in busy:
        with contextlib.suppress(ProcessLookupError):
            each.gateway._io.popen.send_signal(signal.SIGTERM)
    for each in busy:
        with contextlib.suppress(Exception):  # it has ended with an error, which xdist tells, or not at all
            each.channel.waitclose(WORKERS_END_WITHIN_S)


NOWHERE = "unix:///nonexistent/no-test-without-the-fixture-docker_engine-reaches-docker.sock"


OF_LABS = ("infra", "drills")  # the folders whose tests are of labs


def needs_engine(item: pytest.Item) -> bool:
    """Whether it may reach the Docker Engine: by its folder, by a fixture that asks for it, or by the mark."""
    asks = "docker_engine" in getattr(item, "fixturenames", ()) or item.get_closest_marker("engine") is not None
    return asks or item.path.parent.name in OF_LABS


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """Ask for this, or for a fixture that does, to reach the Docker Engine; `make check` leaves those tests out."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel of this tree, in an environment with what it says that it needs; all test processes share it."""
    return installed(shared_folder(tmp_path_factory))


@pytest.fixture(autouse=True)
def _kept_from_docker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches the Docker Engine that has not asked for it. So `make check` leaves out just those that do."""
    if needs_engine(request.node):
        return

    def client() -> None:
        raise NoEngine("the test has neither the fixture `docker_engine` nor the mark `engine`")

    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    monkeypatch.setattr(engine, "client", client)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that need the Docker Engine, and skip what takes long, or cannot be done on this machine.

    Tests on ::1 are skipped, and counted, where that machine has none. The lab has its own IPv6.
    """
    if not config.getoption("long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes more than a minute; --long runs it"))
    order = WITHOUT_LABS if is_without_labs(config) else WITH_LABS
    items.sort(key=lambda item: rank(item.nodeid, order))
    for item in items:
        if needs_engine(item):
            item.add_marker("engine")
    if not has_ipv6_loopback():
        absent = pytest.mark.skip(reason="this machine has no IPv6 loopback address, ::1")
        for item in items:
            parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
            if "::1" in parameters.values():
                item.add_marker(absent)


def free_numbers(count: int) -> list[int]:
    """Numbers of labs that nobody on this engine uses. Other test runs have none of them until this process ends."""
    taken, found = labs_in_use(), []
    for number in TEST_LABS:
        if number not in taken and _is_ours(number):
            found.append(number)
        if len(found) == count:
            return found
    raise LookupError(f"{count} labs are wanted for tests, and {len(found)} are free")


def _is_ours(number: int) -> bool:
    """Whether this process has the number, by a lock which is taken if it is free."""
    if number not in _held:
        with contextlib.suppress(BlockingIOError):
            _held[number] = locks.take(locks.path_of(number, LENT_TO_TESTS))
    return number in _held


def pytest_unconfigure() -> None:
    lending.take_down()
    while _held:
        number, lock = _held.popitem()
        locks.path_of(number, LENT_TO_TESTS).unlink(missing_ok=True)
        os.close(lock)


def free_lab(*profiles: str) -> Lab:
    """A lab of a free number; with the machines of these profiles of compose.yaml too."""
    return Lab(free_numbers(1)[0], *profiles)


@contextlib.contextmanager
def lab_for_a_while(*, up: bool = True) -> Iterator[Lab]:
    """A lab that no other test holds, for the time of the `with` block; `up`: it is, from the start."""
    if up:
        with lending.lab(lambda: free_numbers(1)[0]) as lent:
            yield lent
        return
    found = free_lab()
    try:
        yield found
    finally:
        found.down()


@pytest.fixture(scope="session")
def lab(docker_engine: None) -> Iterator[Lab]:  # noqa: ARG001
    """A lab that is up with all its usual machines, for the session, held against other runs, and removed after it."""
    found = free_lab(*topology().usual_profiles)
    try:
        found.up()
        with found.hold_alone():
            yield found
    finally:
        found.down()


@pytest.fixture(scope="session")
def machine(lab: Lab) -> Callable[[str], Machine]:
    """testinfra's view of a machine of the lab, by the machine's name."""
    return lambda name: testinfra.get_host(f"docker://{lab.container(name)}")
