"""Faults made of rules do what they say, can be seen on the two legs, are counted, and leave nothing."""

from __future__ import annotations

import pytest

from scenarios.evidence import tshark
from scenarios.evidence.capture import Capture
from scenarios.faults.nft_rules import REFUSALS, Refuse, Rules, Selection, Side, Silence, SpendTtl, partition
from scenarios.faults.recovery import remove_all
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Host
from scenarios.spec.kernel_faults import KernelRefusal, Kind
from tests.infra.listening import listening

pytestmark = pytest.mark.usefixtures("no_orphans")
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
ERRNOS: dict[KernelRefusal, tuple[str, str]] = {
    "net-unreachable": ("ENETUNREACH", "ENETUNREACH"),
    "host-unreachable": ("EHOSTUNREACH", "EHOSTUNREACH"),
    "prot-unreachable": ("ENOPROTOOPT", "EACCES"),
    "port-unreachable": ("ECONNREFUSED", "ECONNREFUSED"),
    "net-prohibited": ("ENETUNREACH", "EACCES"),
    "host-prohibited": ("EHOSTUNREACH", "EACCES"),
    "admin-prohibited": ("EHOSTUNREACH", "EACCES"),
    "tcp-reset": ("ECONNREFUSED", "ECONNREFUSED"),
}


@pytest.fixture
def ends(lab: Lab) -> tuple[Host, Host]:
    return lab.topology.hosts["client"], lab.topology.hosts["server"]


def connect(lab: Lab, client: Host, address: str, within_s: float = 3) -> str:
    return lab.run(client.name, ["python", "-c", CONNECT, address, str(within_s)], timeout_s=10).stdout.strip()


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_reaches_the_program_as_its_errno(lab: Lab, ends: tuple[Host, Host], refusal: KernelRefusal) -> None:
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
        resets[by] = [frame.ttl for frame in tshark.frames(lab, leg.pcapng, "tcp.flags.reset == 1")]
    assert resets == {"firewall": [64], "server": [63]}


def test_silence_lets_nothing_through_and_says_nothing(lab: Lab, ends: tuple[Host, Host]) -> None:
    client, server = ends
    with Rules(lab, "silence", Silence(), Selection(client, server)) as fault, Capture(lab) as capture:
        assert connect(lab, client, server.ipv4, within_s=1.5) == "TimeoutError"
        captures = capture.stop()
        legs = {name: tshark.frames(lab, leg.pcapng, "tcp.port == 4321") for name, leg in captures.items()}
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


# Answers one connection by what it gets, and closes it when the other end does.
ECHO = """
import socket
listener = socket.create_server(("", 4322))
print("listening", flush=True)
connection, _ = listener.accept()
while data := connection.recv(100):
    connection.sendall(data)
connection.close()
"""
# From a source port, if one is given: connects, sends a word, and says how far it came.
ASK = """
import socket, sys
connection = socket.socket()
connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
connection.settimeout(0.7)
connection.bind(("", int(sys.argv[2])))
said = "nothing"
try:
    connection.connect((sys.argv[1], 4322))
    said = "connected"
    connection.sendall(b"word")
    connection.recv(100)
    said = "answered"
    connection.shutdown(socket.SHUT_WR)
    said = "closed" if connection.recv(100) == b"" else "more"
except TimeoutError:
    pass
print(said)
"""


def ask(lab: Lab, client: Host, server: Host, source_port: int = 0) -> str:
    with listening(lab, ["python", "-c", ECHO]):
        return lab.run(client.name, ["python", "-c", ASK, server.ipv4, str(source_port)], timeout_s=5).stdout.strip()


@pytest.mark.parametrize(("kind", "said"), [("syn", "nothing"), ("data", "connected"), ("fin", "answered")])
def test_each_kind_of_segment_is_lost_by_itself(lab: Lab, ends: tuple[Host, Host], kind: Kind, said: str) -> None:
    assert ask(lab, *ends) == "closed", "the control"
    with Rules(lab, "lost", Silence(), Selection(*ends, kind, 4322)) as fault:
        assert ask(lab, *ends) == said
        assert fault.hits() >= 1


def test_packets_are_selected_by_their_source_port_too(lab: Lab, ends: tuple[Host, Host]) -> None:
    with Rules(lab, "lost", Silence(), Selection(*ends, "tcp", 4322, source_port=20001)) as fault:
        assert ask(lab, *ends, source_port=20002) == "closed"
        assert fault.hits() == 0
        assert ask(lab, *ends, source_port=20001) == "nothing"
        assert fault.hits() >= 1


def test_a_selection_of_one_family_leaves_the_other_alone(lab: Lab, ends: tuple[Host, Host]) -> None:
    client, server = ends
    with Rules(lab, "only-6", Silence(), Selection(client, server, family="ipv6")) as fault:
        assert connect(lab, client, server.ipv4) == "ECONNREFUSED"
        assert connect(lab, client, server.ipv6, within_s=0.5) == "TimeoutError"
        assert fault.hits() == 1


@pytest.mark.parametrize(("kind", "each"), [("fragment", 3), ("later-fragment", 2)])
def test_fragments_are_selected_before_they_are_put_together(
    lab: Lab, ends: tuple[Host, Host], kind: Kind, each: int
) -> None:
    client, server = ends
    pings = [["ping", "-M", "dont", "-s", "3000", "-c", "1", "-W", "1", to] for to in (server.ipv4, server.ipv6)]
    assert [lab.run(client.name, ping, timeout_s=5).status for ping in pings] == [0, 0], "the control"
    with Rules(lab, "lost", Silence(), Selection(client, server, kind)) as fault:
        assert [lab.run(client.name, ping, timeout_s=5).status for ping in pings] == [1, 1]
        assert fault.hits() == 2 * each
        with Capture(lab) as capture:
            lab.run(client.name, pings[0], timeout_s=5)
            legs = {
                leg: tshark.frames(lab, of.pcapng, "icmp || ip.flags.mf == 1") for leg, of in capture.stop().items()
            }
        crossed = [frame.fragment for frame in legs["server-leg"]]
        assert [frame.fragment for frame in legs["client-leg"]][:3] == [(0, True), (185, True), (370, False)]
        assert crossed == ([(0, True)] if kind == "later-fragment" else []), "the first has ports, and passes a filter"
        assert connect(lab, client, server.ipv4) == "ECONNREFUSED"


def test_a_partition_cuts_all_of_one_side_from_all_of_the_other(lab: Lab, ends: tuple[Host, Host]) -> None:
    client, server = ends
    clients, servers = (Side.of(lab.topology, host.network) for host in ends)
    ways = [("client", server.ipv4), ("client-be", server.ipv6), ("server", client.ipv4), ("server-be", client.ipv6)]

    def reached() -> list[bool]:
        pings = [lab.run(host, ["ping", "-c", "1", "-W", "1", to], timeout_s=5) for host, to in ways]
        return [ping.status == 0 for ping in pings]

    assert reached() == [True] * 4
    with partition(lab, "partition", clients, servers) as fault:
        assert reached() == [False] * 4
        assert fault.hits() == 4
    with partition(lab, "partition", clients, server, both_ways=False) as fault:
        assert reached() == [False, False, False, True]
        assert fault.hits() == 3, "two questions, and the answer to one"
    assert reached() == [True] * 4


def test_two_hosts_of_one_network_cannot_be_cut_by_the_firewall(lab: Lab, ends: tuple[Host, Host]) -> None:
    with pytest.raises(ValueError, match="do not cross the firewall"):
        partition(lab, "partition", ends[0], lab.topology.hosts["client-be"])


def test_fragments_have_no_ports_and_no_refusal(lab: Lab, ends: tuple[Host, Host]) -> None:
    with pytest.raises(ValueError, match="not selected by port"):
        Selection(*ends, "fragment", 4322)
    with pytest.raises(ValueError, match="dropped only"):
        Rules(lab, "lost", Refuse("host-unreachable"), Selection(*ends, "fragment"))
    with pytest.raises(ValueError, match="apart from other packets"):
        Rules(lab, "lost", Silence(), Selection(*ends, "fragment"), Selection(*ends, "tcp"))
