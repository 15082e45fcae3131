"""A lab is up when packets cross its firewall: what passes its bridges the machine may see, and drop."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess

import pytest

from scenarios.lab import machines
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.process import Finished
from scenarios.lab.topology import lab_document

MODES = {f"com.docker.network.bridge.gateway_mode_{family}": "routed" for family in ("ipv4", "ipv6")}


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose machines come up, where nothing is asked of an engine."""
    monkeypatch.setattr(machines, "CROSSES_WITHIN_S", 0)
    found = Lab(7)
    monkeypatch.setattr(found, "_unpause", lambda: None)
    monkeypatch.setattr(found, "_compose", lambda *_, **__: "names-1 | started")
    monkeypatch.setattr(found, "_is_ready", lambda: True)
    return found


@pytest.mark.parametrize(
    ("came", "lost"), [("IPv6\n", "IPv4"), ("IPv4\n", "IPv6"), ("", "IPv4 and IPv6")], ids=["IPv6", "IPv4", "nothing"]
)
def test_a_lab_that_no_packet_crosses_did_not_come_up(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, came: str, lost: str
) -> None:
    """As where Docker Engine 28 drops what passes between two bridges: each call of a drill was `timed out`."""
    monkeypatch.setattr(lab, "run", lambda *_, **__: Finished((), 0, came, "", 0.0))
    with pytest.raises(
        LabProblem, match=f"(?s)did not come up.*across the firewall, over {lost}: .*names-1"
    ) as problem:
        lab.up()
    assert "bridge-nf-call-iptables" in str(problem.value)


def test_a_lab_that_packets_of_both_families_cross_is_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "run", lambda *_, **__: Finished((), 0, "IPv4\nIPv6\n", "", 0.0))
    assert lab.up() >= 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash is here; the lab's hosts have it")
def test_the_families_that_take_a_connection_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asks = re.sub(r"/53\b", f"/{listener.getsockname()[1]}", machines.CONNECTS)
        argv = ["bash", "-c", asks, "127.0.0.1", "127.0.0.2"]
        told = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        assert told.stdout == "IPv4\n"


def test_every_network_of_the_firewall_is_a_routed_one() -> None:
    """Else Docker Engine 28 and later drop what goes to a container's address and does not come from its own bridge."""
    document = lab_document(7)
    networks = [*document["networks"].values(), document["x-backend"]["network"]]
    assert len(networks) == 3
    for network in networks:
        assert network["driver_opts"].items() >= MODES.items()
