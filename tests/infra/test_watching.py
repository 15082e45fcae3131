"""`make watch` in a lab: what crosses is drawn within a second, beside a drill, and after Ctrl-C nothing is left."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.calls.serving import call, serving
from scenarios.lab.lab import Lab
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.cell import Cell
from scenarios.spec.service import resolve
from scenarios.verdict.check import Verdict
from tests import processes
from tests.conftest import lab_for_a_while
from tests.services.running import eventually

SEEN_WITHIN_S = 1.0
ON_A_BUSY_MACHINE_S = 4.0  # what a test waits before it says that nothing came


class Watcher:
    """`make watch`, with each line that it prints and when it came."""

    def __init__(self, lab: Lab) -> None:
        self.process = processes.start([sys.executable, "-m", "scenarios", "watch", "--lab", str(lab.number)])
        self.lines: list[tuple[float, str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.rstrip("\n")))

    def has(self, text: str) -> bool:
        return any(text in line for _, line in self.lines)

    def wait_for(self, text: str, within_s: float = 30) -> None:
        eventually(lambda: self.has(text), f"{text!r} among the lines", within_s)

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(20)
        self._reader.join(5)
        return status


@contextlib.contextmanager
def watched(lab: Lab) -> Iterator[Watcher]:
    watcher = Watcher(lab)
    try:
        watcher.wait_for("is watched; Ctrl-C ends it")
        yield watcher
    finally:
        watcher.process.kill()
        watcher.process.wait()


def of_watching(lab: Lab) -> list[str]:
    """The processes of the firewall that capture or decode, and what is in its folders."""
    said = lab.run("firewall", ["sh", "-c", "ps ax -o args; ls /run /tmp"], timeout_s=10).stdout
    return [line for line in said.splitlines() if any(word in line for word in ("watch", "tshark", "tcpdump", "pcap"))]


def test_a_call_is_drawn_decoded_within_a_second_and_ctrl_c_leaves_nothing(lab: Lab) -> None:
    before = of_watching(lab)
    client, server = lab.topology.hosts["client-be"], lab.topology.hosts["server"]
    with watched(lab) as watcher:
        assert any("watch" in line for line in of_watching(lab))
        with serving(lab, resolve("search"), server, "ipv4"):
            call(lab, resolve("search"), client, server, "ipv4")
            ended_s = time.monotonic()
            watcher.wait_for("Follow the white rabbit", ON_A_BUSY_MACHINE_S)
        answered_s = next(at_s for at_s, line in watcher.lines if "Follow the white rabbit" in line)
        assert answered_s - ended_s < SEEN_WITHIN_S
        assert watcher.end() == 0
    lines = [line for _, line in watcher.lines]
    (heading,) = [line.split() for line in lines if "198.18." in line]
    assert (heading[0], heading[2]) == ("client-be", "server")
    assert any("── SYN ─" in line and "▶│──" in line for line in lines)
    assert any("✉ big text/json utf-8" in line for line in lines)
    assert not any("╳" in line or "\x1b" in line for line in lines)
    assert "packets were seen; nothing is left" in lines[-1]
    assert of_watching(lab) == before


def test_one_that_is_killed_leaves_nothing_either(lab: Lab) -> None:
    before = of_watching(lab)
    with watched(lab) as watcher:
        watcher.process.kill()
        watcher.process.wait()
        eventually(lambda: of_watching(lab) == before, "the firewall to be as before", 10)


def test_neighbour_discovery_and_the_captures_own_frames_are_not_drawn(lab: Lab) -> None:
    with watched(lab) as watcher:
        lab.run("client", ["ping", "-n", "-c", "1", lab.topology.hosts["server"].ipv6], timeout_s=10)
        watcher.wait_for("Echo (ping) reply", ON_A_BUSY_MACHINE_S)
        assert watcher.end() == 0
    lines = [line for _, line in watcher.lines]
    assert sum("Echo (ping)" in line for line in lines) == 2
    assert not any(word in line for line in lines for word in ("Neighbor", "Multicast", "ARP", "0x88b5", "Router"))


@pytest.fixture
def lab_of_its_own() -> Iterator[Lab]:
    """A lab that nobody holds, so that a stage may."""
    with lab_for_a_while() as lab:
        yield lab


def test_drills_run_beside_it_and_neither_disturbs_the_other(lab_of_its_own: Lab, tmp_path: Path) -> None:
    lab = lab_of_its_own
    found = drills()
    with watched(lab) as watcher:
        for name in ("lost-syn", "loss-ten-percent"):
            with Stage(lab) as stage:
                folder = tmp_path / name
                folder.mkdir()
                made = run(stage, Cell(found[name], chosen_service(found[name], None), "le-le"), folder)
            assert made.verdict is Verdict.PASS, made.sentence
        eventually(lambda: watcher.has("╳"), "the lost SYN among the lines", ON_A_BUSY_MACHINE_S)
        assert watcher.process.poll() is None
        assert watcher.end() == 0
    cut = [line for _, line in watcher.lines if "╳" in line]
    assert "SYN" in cut[0]
