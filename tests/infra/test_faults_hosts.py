"""What is changed of a host, or seen on it: the clock of one program, and the packets on its loopback."""

from __future__ import annotations

import time
from typing import get_args

import pytest

from scenarios.faults import Unsupported
from scenarios.faults.clock import Clock
from scenarios.faults.loopback import Loopback
from scenarios.faults.second_interface import SecondInterface, beside
from scenarios.lab import engine
from scenarios.lab.lab import Lab
from scenarios.spec.loopback_faults import Kind

# A connection of each family from the host to itself: one message of five bytes, and an end from both sides; then one
# that is refused over IPv4, and a datagram.
TALK = """
import socket
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    with socket.create_server((address, 0), family=family) as listening:
        with socket.create_connection(listening.getsockname()[:2]) as calling:
            called, _ = listening.accept()
            calling.sendall(b"hello")
            assert called.recv(5) == b"hello"
            calling.close()
            assert called.recv(5) == b""
            called.close()
with socket.socket() as nobody:
    nobody.bind(("127.0.0.1", 0))
    with socket.socket() as calling:
        assert calling.connect_ex(nobody.getsockname()) != 0
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
    sending.sendto(b"x", ("127.0.0.1", 7777))
"""
SEEN: dict[Kind, int] = {"syn": 3, "syn-ack": 2, "data": 2, "fin": 4, "rst": 1, "udp": 1}


def test_each_kind_of_packet_on_a_loopback_is_counted_and_has_a_line(lab: Lab) -> None:
    kinds: tuple[Kind, ...] = get_args(Kind)
    host = lab.topology.hosts["client"]
    watching = {kind: Loopback(lab, f"own-{kind}", host, kind) for kind in kinds}
    try:
        assert {kind: each.read_hits().hits for kind, each in watching.items()} == dict.fromkeys(kinds, 0)
        said = lab.run("client", ["python", "-c", TALK], timeout_s=10)
        assert said.status == 0, said.printed
        caught = {kind: each.end() for kind, each in watching.items()}
    finally:
        for each in watching.values():
            each.end()
    assert {kind: caught[kind].hits for kind in SEEN} == SEEN, caught
    assert caught["any"].hits == caught["tcp"].hits + caught["udp"].hits
    assert all(each.unsure == "" and len(each.details) == each.hits for each in caught.values())
    assert all("Flags [S.]" in line for line in caught["syn-ack"].details)
    left = [str(each.name) for each in engine.containers(f"{engine.LAB_LABEL}={lab.number}")]
    assert not [name for name in left if "-loopback-" in name]


def test_a_burst_on_a_loopback_is_counted_whole(lab: Lab) -> None:
    burst = "import socket\nfor _ in range(500): socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 7))"
    watching = Loopback(lab, "burst", lab.topology.hosts["client"], "udp")
    try:
        assert lab.run("client", ["python", "-c", burst], timeout_s=10).status == 0
    finally:
        caught = watching.end()
    assert (caught.hits, caught.unsure) == (500, "")


@pytest.mark.parametrize(("told", "ahead_s"), [("+34560000", 34_560_000), ("-34560000", -34_560_000)])
def test_one_program_reads_another_time_of_day_and_the_machine_its_own(lab: Lab, told: str, ahead_s: int) -> None:
    clock = Clock(lab, "wrong", lab.topology.hosts["client"], told)
    asked = ["python", "-c", "import time; print(time.time(), time.monotonic())"]
    before_s = time.monotonic()
    assert clock.read_hits().hits == 0
    wrong, passing = lab.run("client", clock.argv_of(asked), timeout_s=5).stdout.split()
    assert abs(float(wrong) - ahead_s - time.time()) < 60
    assert before_s <= float(passing) <= time.monotonic()  # of one kernel, and right
    assert abs(float(lab.run("client", asked, timeout_s=5).stdout.split()[0]) - time.time()) < 60
    assert clock.end().hits >= 1
    assert lab.run("client", ["sh", "-c", "ls /tmp/faultwire-clock-*"], timeout_s=5).status != 0


def test_the_next_run_removes_what_a_program_with_a_wrong_clock_left_that_was_killed(lab: Lab) -> None:
    clock = Clock(lab, "wrong", lab.topology.hosts["client"], "+400d")
    lab.run("client", clock.argv_of(["sh", "-c", "date; kill -KILL $$"]), timeout_s=5)
    files = ["sh", "-c", "ls /dev/shm/*faketime* /tmp/faultwire-clock-*"]
    assert "faketime_shm_" in lab.run("client", files, timeout_s=5).stdout
    lab._sweep()  # the lab is held already
    assert lab.run("client", files, timeout_s=5).stdout == ""


def test_a_clock_begins_at_the_moment_that_it_is_to_read(lab: Lab) -> None:
    clock = Clock(lab, "wrong", lab.topology.hosts["server"], "@2038-01-19 03:14:00")
    said = lab.run("server", clock.argv_of(["date", "+%F %H:%M"]), timeout_s=5)
    assert said.stdout == "2038-01-19 03:14\n"
    clock.end()


def test_what_runs_on_an_emulated_cpu_keeps_its_clock_and_the_reason_is_told(lab: Lab) -> None:
    with pytest.raises(
        Unsupported, match=r"the clock of a program on client-be cannot be changed: .* does not load it"
    ):
        Clock(lab, "wrong", lab.topology.hosts["client-be"], "+60")


@pytest.mark.parametrize("name", ["client", "server-be"])
def test_a_second_interface_has_a_network_of_its_own_and_the_firewall_there(lab: Lab, name: str) -> None:
    host = lab.topology.hosts[name]
    leg = next(each for each in lab.topology.legs.values() if each.network == host.network)
    look = [
        "sh",
        "-c",
        "ip -o link | sed 's/^[0-9]*: //'; ip -o address | sed 's/ valid_lft.*//; s/^[0-9]*: //' | sort",
    ]
    before = [lab.run(machine, look, timeout_s=5).stdout for machine in (name, "firewall")]
    card = SecondInterface(lab, "card", host)
    with card:
        assert card.hits() == 1
        for address in (beside(leg.ipv4), beside(leg.ipv6)):
            printed = lab.run(name, ["ping", "-n", "-c", "1", "-W", "2", address], timeout_s=5).stdout
            assert " ttl=64 " in printed, printed
        route = lab.run(name, ["ip", "-o", "route", "get", beside(leg.ipv4)], timeout_s=5).stdout
        assert " dev lan1 " in route
        assert " dev eth0 " in lab.run(name, ["ip", "-o", "route", "get", leg.ipv4], timeout_s=5).stdout
    assert card.hits() == 0
    assert [lab.run(machine, look, timeout_s=5).stdout for machine in (name, "firewall")] == before
