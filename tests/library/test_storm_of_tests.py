"""Runs of pytest with the plugin, ended by kill -9, SIGTERM and Ctrl-C at random moments: nothing of them is left."""

from __future__ import annotations

import contextlib
import os
import random
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from scenarios.lab.errors import DeadlinePassed
from scenarios.lab.lab import Lab
from scenarios.lab.topology import ROOT
from scenarios.lab.waiting import wait_for
from scenarios.stress import remains
from scenarios.stress.blows import SIGNALS
from tests import processes
from tests.conftest import lab_for_a_while

pytestmark = [pytest.mark.engine, pytest.mark.long]
BLOWS = 9
SEED = 16
MARK = "FAULTWIRE_STORM_OF_TESTS"
ENDS_WITHIN_S = 60.0
SETTLES_WITHIN_S = 20.0
TESTS = """
import socket

ACROSS = dict(from_="client", to="server")


def test_this_process_is_the_client(lab):
    with lab.serve(service="echo/select") as server, lab.host("client"), lab.recording():
        with lab.fault(drop="syn", first=1, **ACROSS), lab.given(mtu=1300, at="server-leg"):
            with socket.create_connection((lab.address("server"), server.port), timeout=10) as connection:
                connection.sendall(b"hello")
                assert connection.recv(5)


def test_this_process_is_the_server(lab):
    with lab.host("server", ports=(4321,)), lab.fault(refuse="syn", by="tcp-reset", **ACROSS):
        lab.call("python -m services.echo.client_blocking {host} {port}", port=4321, within_s=5)


def test_a_client_waits(lab):
    with lab.serve(service="echo/select"), lab.fault(silence="data", **ACROSS), lab.given(pause="server"):
        lab.call(service="echo/select", within_s=1)
"""
NEXT = """
def test_next(lab):
    with lab.serve(service="echo/select"):
        assert lab.call(service="echo/select").outcome == "answered"
"""
PROGRAM = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import pytest; sys.exit(pytest.main(sys.argv[1:]))"
PLUGIN = ("-p", "scenarios.library.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:xdist", "-q")


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    with lab_for_a_while() as found:
        yield found


def started(file: str, lab: Lab, place: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", PROGRAM, *PLUGIN, f"--faultwire-lab={lab.number}", file]
    return processes.start(argv, cwd=place, env={**os.environ, **environment})


def test_nothing_is_left_of_a_run_of_pytest_that_was_ended_at_any_moment(own_lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "test_long.py").write_text(TESTS)
    (tmp_path / "test_next.py").write_text(NEXT)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    variable = f"{MARK}={secrets.token_hex(8)}"
    environment = {MARK: variable.partition("=")[2], "TMPDIR": str(temporary)}

    def whole(file: str) -> tuple[float, str]:
        began_s = time.monotonic()
        said, _ = started(file, own_lab, tmp_path, environment).communicate(timeout=180)
        return time.monotonic() - began_s, said

    whole("test_next.py")  # the first run of a lab takes longer
    took_s, said = whole("test_long.py")
    assert "3 passed" in said or "error" in said, said  # an error is of a machine that stood still
    whole("test_next.py")
    before = remains.of_lab(own_lab)
    dice = random.Random(SEED)  # noqa: S311 (that it can be repeated is what it is for)
    struck = 0
    for number in range(BLOWS):
        sent = SIGNALS[number % len(SIGNALS)]
        delay_s = dice.uniform(0.5, took_s)
        run = started("test_long.py", own_lab, tmp_path, environment)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(delay_s)
        if run.poll() is None:
            run.send_signal(sent)
            struck += 1
        printed, _ = run.communicate(timeout=ENDS_WITHIN_S)
        about = f"blow {number}: {signal.Signals(sent).name} after {delay_s:.2f} s of {took_s:.1f} s"
        assert "INTERNALERROR" not in printed, f"{about}\n{printed}"
        _, said = whole("test_next.py")
        assert "1 passed" in said or "unproven" in said, f"{about}\n{said}"
        if (now := remains.of_lab(own_lab)) and images(now) != images(before):
            before = now  # somebody else built an image meanwhile, so the run made machines of the new one
        assert left_over(own_lab, before, variable, temporary) == [], f"{about}\n{printed}"
        print(f"{about}: nothing is left")
    assert struck > BLOWS / 2, "most of the runs were over before their blow"


def images(told: list[str]) -> set[tuple[str, ...]]:
    """Which image each container is of."""
    return {found.groups() for each in told if (found := re.match(r"container (\S+) \S+ of (\S+),", each))}


def left_over(lab: Lab, before: list[str], variable: str, temporary: Path) -> list[str]:
    """What is left when it has had some time to end."""
    found: list[str] = []

    def nothing() -> bool:
        found[:] = [f"left: process {each}" for each in remains.processes_with(variable)]
        found.extend(f"left: {each.name}" for each in temporary.iterdir())
        found.extend(remains.differences(before, remains.of_lab(lab)))
        return not found

    with contextlib.suppress(DeadlinePassed):
        wait_for(nothing, "nothing to be left", SETTLES_WITHIN_S, every_s=1)
    return found
