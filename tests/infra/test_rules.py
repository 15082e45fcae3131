"""Faults made of rules do what they say, can be seen on the two legs, are counted, and leave nothing."""

from __future__ import annotations

import pytest

from scenarios import dissect
from scenarios.capture import Capture
from scenarios.faults.rules import REFUSALS, Refusal, Refuse, Rules, Selection, Silence, SpendTtl
from scenarios.lab import Lab
from scenarios.programs import LabProblem
from scenarios.topology import Host

CONNECT = """
import errno, socket, sys
try:
    socket.create_connection((sys.argv[1], 4321), timeout=float(sys.argv[2])).close()
except OSError as error:
    print(errno.errorcode.get(error.errno, type(error).__name__))
else:
    print("connected")
"""
# What connect(2) says of each refusal (icmp_err_convert in Linux's net/ipv4/icmp.c; tcp(7)).
ERRNOS: dict[Refusal, tuple[str, str]] = {
    "net-unreachable": ("ENETUNREACH", "ENETUNREACH"),
    "host-unreachable": ("EHOSTUNREACH", "EHOSTUNREACH"),
    "prot-unreachable": ("ENOPROTOOPT", "EACCES"),
    "port-unreachable": ("ECONNREFUSED", "ECONNREFUSED"),
    "admin-prohibited": ("EHOSTUNREACH", "EACCES"),
    "tcp-reset": ("ECONNREFUSED", "ECONNREFUSED"),
}


@pytest.fixture
def ends(lab: Lab) -> tuple[Host, Host]:
    return lab.topology.hosts["client"], lab.topology.hosts["server"]


def connect(lab: Lab, client: Host, address: str, within_s: float = 3) -> str:
    return lab.run(client.name, ["python", "-c", CONNECT, address, str(within_s)], timeout_s=10).stdout.strip()


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_reaches_the_program_as_its_errno(lab: Lab, ends: tuple[Host, Host], refusal: Refusal) -> None:
    client, server = ends
    with Rules(lab, "refused", Refuse(refusal), Selection(client, server, "syn", 4321)) as fault:
        assert fault.hits() == 0
        assert connect(lab, client, server.ipv4) == ERRNOS[refusal][0]
        assert fault.hits() >= 1
        assert connect(lab, client, server.ipv6) == ERRNOS[refusal][1]
    assert connect(lab, client, server.ipv4) == "ECONNREFUSED", "healed: the server's own kernel refuses"


def test_who_refused_can_be_told_by_the_ttl(lab: Lab, ends: tuple[Host, Host]) -> None:
    client, server = ends
    resets: dict[str, list[int]] = {}
    for by in ("firewall", "server"):
        rules = Rules(lab, "refused", Refuse("tcp-reset"), Selection(client, server, "syn", 4321))
        with Capture(lab) as capture:
            if by == "firewall":
                with rules:
                    connect(lab, client, server.ipv4)
            else:
                connect(lab, client, server.ipv4)
            leg = capture.stop()["client-leg"]
        resets[by] = [frame.ttl for frame in dissect.frames(lab, leg.pcapng, "tcp.flags.reset == 1")]
    assert resets == {"firewall": [64], "server": [63]}


def test_silence_lets_nothing_through_and_says_nothing(lab: Lab, ends: tuple[Host, Host]) -> None:
    client, server = ends
    with Rules(lab, "silence", Silence(), Selection(client, server)) as fault, Capture(lab) as capture:
        assert connect(lab, client, server.ipv4, within_s=1.5) == "TimeoutError"
        captures = capture.stop()
        legs = {name: dissect.frames(lab, leg.pcapng, "tcp.port == 4321") for name, leg in captures.items()}
        assert fault.hits() == len(legs["client-leg"]) == 2, "the SYN and its first repetition, after a second"
        assert legs["server-leg"] == []
    assert connect(lab, client, server.ipv4) == "ECONNREFUSED"


def test_a_fault_in_one_direction_leaves_the_other_alone(lab: Lab, ends: tuple[Host, Host]) -> None:
    client, server = ends
    ping = ["ping", "-c", "1", "-W", "1"]
    with Rules(lab, "one-way", Silence(), Selection(server, client, "tcp")) as fault:
        assert connect(lab, client, server.ipv4, within_s=0.5) == "TimeoutError"
        assert fault.hits() >= 1, "the server's resets"
        assert lab.run(client.name, [*ping, server.ipv4], timeout_s=5).status == 0


def test_a_spent_ttl_is_answered_by_the_firewall(lab: Lab, ends: tuple[Host, Host]) -> None:
    client, server = ends
    for version, address in (("-4", server.ipv4), ("-6", server.ipv6)):
        with Rules(lab, "spent", SpendTtl(), Selection(client, server, "icmp")) as fault:
            said = lab.run(client.name, ["ping", version, "-c", "1", "-W", "1", address], timeout_s=5)
            assert fault.hits() == 1
        assert "Time to live exceeded" in said.stdout or "Time exceeded" in said.stdout


def test_two_faults_are_in_force_together_and_healed_apart(lab: Lab, ends: tuple[Host, Host]) -> None:
    client, server = ends
    ping = ["ping", "-c", "1", "-W", "1", server.ipv4]
    with Rules(lab, "no-tcp", Refuse("host-unreachable"), Selection(client, server, "tcp")):
        with Rules(lab, "no-icmp", Silence(), Selection(client, server, "icmp")):
            assert connect(lab, client, server.ipv4) == "EHOSTUNREACH"
            assert lab.run(client.name, ping, timeout_s=5).status != 0
        assert lab.run(client.name, ping, timeout_s=5).status == 0
        assert connect(lab, client, server.ipv4) == "EHOSTUNREACH"


def test_what_a_dead_run_left_is_removed_and_only_that(lab: Lab, ends: tuple[Host, Host]) -> None:
    client, server = ends
    Rules(lab, "left", Silence(), Selection(client, server)).__enter__()
    before = lab.run("firewall", ["nft", "list", "tables"], timeout_s=5).stdout
    remove_all(lab)
    after = lab.run("firewall", ["nft", "list", "tables"], timeout_s=5).stdout
    assert set(before.split("\n")) - set(after.split("\n")) == {"table inet faultwire"}
    assert connect(lab, client, server.ipv4) == "ECONNREFUSED"


def test_a_fault_that_is_not_in_force_has_no_hits_to_tell(lab: Lab, ends: tuple[Host, Host]) -> None:
    rules = Rules(lab, "healed", Silence(), Selection(*ends))
    with rules:
        pass
    with pytest.raises(LabProblem, match="not in force"):
        rules.hits()
    rules.__exit__()


@pytest.mark.parametrize("name", ["", "Loud", "a b", "x;flush ruleset", "-x"])
def test_a_fault_with_a_name_that_nft_could_misread_is_refused(lab: Lab, ends: tuple[Host, Host], name: str) -> None:
    with pytest.raises(ValueError, match="small letters"):
        Rules(lab, name, Silence(), Selection(*ends))


def test_a_reset_of_what_is_not_tcp_is_refused(lab: Lab, ends: tuple[Host, Host]) -> None:
    with pytest.raises(ValueError, match="TCP only"):
        Rules(lab, "reset", Refuse("tcp-reset"), Selection(*ends, "udp"))
