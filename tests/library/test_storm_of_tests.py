"""Runs of pytest with the plugin, ended by kill -9, SIGTERM and Ctrl-C at random moments: nothing of them is left.

After SIGTERM and Ctrl-C that is so at once; after kill -9, when the next run has begun on the lab.
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.lab.lab import Lab
from scenarios.stress.blows import SIGNALS
from tests.conftest import lab_for_a_while
from tests.library.broken_off import Runs

pytestmark = [pytest.mark.engine, pytest.mark.long]
BLOWS = 9
SEED = 16
ENDS_WITHIN_S = 60.0
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


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    with lab_for_a_while() as found:
        yield found


def test_nothing_is_left_of_a_run_of_pytest_that_was_ended_at_any_moment(own_lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "test_long.py").write_text(TESTS)
    (tmp_path / "test_next.py").write_text(NEXT)
    runs = Runs(own_lab, tmp_path)
    runs.whole("test_next.py")  # the first run of a lab takes longer
    began_s = time.monotonic()
    said = runs.whole("test_long.py")
    took_s = time.monotonic() - began_s
    assert "3 passed" in said or "error" in said, said  # an error is of a machine that stood still
    runs.whole("test_next.py")
    runs.note()
    dice = random.Random(SEED)  # noqa: S311 (that it can be repeated is what it is for)
    struck = 0
    for number in range(BLOWS):
        sent = SIGNALS[number % len(SIGNALS)]
        delay_s = dice.uniform(0.5, took_s)
        run = runs.started("test_long.py")
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(delay_s)
        about = f"blow {number}: {signal.Signals(sent).name} after {delay_s:.2f} s of {took_s:.1f} s"
        if run.poll() is None:
            run.send_signal(sent)
            struck += 1
        else:
            about += ", when it was over"
        printed, _ = run.communicate(timeout=ENDS_WITHIN_S)
        assert "INTERNALERROR" not in printed, f"{about}\n{printed}"
        if sent != signal.SIGKILL:  # of which pytest knows nothing: the next run ends what is left of it
            assert runs.left_over() == [], f"{about}, before the next run\n{printed}"
        said = runs.whole("test_next.py")
        assert "1 passed" in said or "unproven" in said, f"{about}\n{said}"
        assert runs.left_over() == [], f"{about}, after the next run\n{printed}"
        print(f"{about}, status {run.returncode}: nothing is left")
    assert struck > BLOWS / 2, "most of the runs were over before their blow"
