"""What crosses between the networks, and what a capture of it shows."""

from __future__ import annotations

import pytest

from scenarios.evidence import tcp_stream, tshark
from scenarios.evidence.capture import Capture
from scenarios.evidence.pairing import rungs
from scenarios.lab.lab import Lab
from scenarios.lab.ping import ping, trace
from scenarios.lab.process import Finished
from scenarios.lab.topology import Family
from scenarios.lab.waiting import wait_for
from tests.conftest import lab_for_a_while
from tests.infra.listening import listening

MEGABYTES = 1  # each way: a capture has at most 4 MiB of a leg
# The service of this test: takes what comes until the peer has finished, and sends as much back.
SWALLOW = """
import socket
listener = socket.create_server(("", 5000))
print("listening", flush=True)
connection, _ = listener.accept()
count = 0
while data := connection.recv(65536):
    count += len(data)
connection.sendall(bytes(count))
connection.close()
"""
POUR = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 5000), timeout=10)
connection.sendall(bytes(int(sys.argv[2])))
connection.shutdown(socket.SHUT_WR)
count = 0
while data := connection.recv(65536):
    count += len(data)
print(count)
"""
CONNECT = """
import errno, socket, sys
try:
    socket.create_connection((sys.argv[1], 5000), timeout=8)
except OSError as error:
    print(errno.errorcode.get(error.errno, error))
else:
    print("connected")
"""


def connect(lab: Lab, source: str, address: str) -> Finished:
    return lab.run(source, ["python", "-c", CONNECT, address], timeout_s=15)


@pytest.mark.parametrize("client", ["client", "client-be"])
def test_captured_frames_are_what_a_wire_would_carry(lab: Lab, client: str) -> None:
    server = lab.topology.hosts["server"].ipv4
    size = MEGABYTES * 1_000_000
    with listening(lab, ["python", "-c", SWALLOW]), Capture(lab) as capture:
        poured = lab.run(client, ["python", "-c", POUR, server, str(size)], timeout_s=30)
        captures = capture.stop()
    assert poured.stdout.strip() == str(size), poured.stderr
    legs = {name: tshark.frames(lab, leg.pcapng, "tcp.port == 5000") for name, leg in captures.items()}
    for name, frames in legs.items():
        assert captures[name].dropped == 0
        assert max(frame.length for frame in frames) == 1514, "full-sized frames, and none larger than the MTU"
        assert [(frame.number, frame.info) for frame in frames if not frame.checksum_good] == [], name
        for source in (server, lab.topology.hosts[client].ipv4):
            carried = tcp_stream.stream_bytes([frame for frame in frames if frame.source == source])
            assert len(carried) == size, f"every byte from {source} is in the capture of the {name}"
    pictured = rungs(legs["client-leg"], legs["server-leg"], {lab.topology.hosts[client].ipv4})
    assert [rung for rung in pictured if rung.client_leg is None or rung.server_leg is None] == []


def test_a_capture_holds_the_first_and_the_last_packet_however_short_it_is(lab: Lab) -> None:
    server = lab.topology.hosts["server"].ipv4
    for _ in range(3):
        with Capture(lab) as capture:
            lab.run("client", ["ping", "-c", "1", "-W", "2", server], timeout_s=5)
            captures = capture.stop()
        for leg in captures.values():
            pings = tshark.frames(lab, leg.pcapng, "icmp.type == 8 || icmp.type == 0")
            assert [frame.info.split()[2] for frame in pings] == ["request", "reply"]


def test_nothing_crosses_when_the_firewall_stops_and_all_does_when_it_is_back(lab: Lab) -> None:
    server = lab.topology.hosts["server"]
    with listening(lab, ["python", "-c", SWALLOW]):
        lab.stop("firewall")
        try:
            assert connect(lab, "client", server.ipv4).stdout.strip() in ("EHOSTUNREACH", "timed out")
            assert lab.run("client", ["ping", "-c", "1", "-W", "1", server.ipv6], timeout_s=5).status != 0
        finally:
            lab.up()
        assert connect(lab, "client", server.ipv4).stdout.strip() == "connected"


def test_the_offloads_are_off_on_legs_that_came_back(lab: Lab) -> None:
    lab.stop("firewall")
    lab.up()
    wait_for(lab.is_up, "the lab to be up again", within_s=10)
    test_captured_frames_are_what_a_wire_would_carry(lab, "client")


def test_two_labs_run_side_by_side_and_do_not_see_each_other(lab: Lab) -> None:
    with lab_for_a_while() as other:
        assert other.number != lab.number
        for one in (lab, other):
            there = one.topology.hosts["server"].ipv4
            assert one.run("client", ["ping", "-c", "1", "-W", "2", there], timeout_s=5).status == 0
        stranger = other.topology.hosts["server"].ipv4
        assert "Net Unreachable" in lab.run("client", ["ping", "-c", "1", "-W", "2", stranger], timeout_s=5).stdout


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_every_host_reaches_every_other_and_the_firewall_is_the_hop_between_networks(lab: Lab, family: Family) -> None:
    hosts = list(lab.topology.usual_hosts.values())
    routes = [(one, other) for one in hosts for other in hosts if one is not other]
    for source, destination in routes:
        assert ping(lab, source, destination, family, count=1).received == 1, f"{source.name} to {destination.name}"
    leg = next(leg for leg in lab.topology.legs.values() if leg.network == lab.topology.hosts["client-be"].network)
    hops = trace(lab, lab.topology.hosts["client-be"], lab.topology.hosts["server"], family)
    gateway = leg.ipv4 if family == "ipv4" else leg.ipv6
    assert [(hop.address, hop.name) for hop in hops] == [
        (gateway, f"firewall ({leg.name})"),
        (lab.topology.hosts["server"].address(family), "server"),
    ]
