"""Faults of the way itself: what fits through it, how fast, whether there is one, and whether anybody says so."""

from __future__ import annotations

import json
import time

import pytest

from scenarios.faults.icmp_mute import Mute
from scenarios.faults.link_down import LinkDown
from scenarios.faults.mtu import Mtu
from scenarios.faults.nft_rules import Refuse, Rules, Selection, Silence, SpendTtl
from scenarios.faults.no_route import NoRoute
from scenarios.faults.one_network import OneNetwork
from scenarios.faults.rate_limit import Rate
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.topology import Family
from scenarios.lab.waiting import wait_for
from scenarios.spec.kernel_faults import Route
from tests.infra.listening import listening

pytestmark = pytest.mark.usefixtures("no_orphans")
PORT = 5311
FAMILIES: list[Family] = ["ipv4", "ipv6"]
# Takes as many bytes as are announced, then says that it has them, for one connection.
TAKE = f"""
import socket
listener = socket.create_server(("", {PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    size = int(connection.recv(8))
    while size > 0 and (data := connection.recv(65536)):
        size -= len(data)
    connection.sendall(b"whole")
"""
# Gives so many bytes; prints how long it took until they were had, and the largest segment, or the error.
GIVE = f"""
import json, socket, sys, time
connection = socket.create_connection((sys.argv[1], {PORT}), timeout=3)
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
size = int(sys.argv[2])
started = time.monotonic()
try:
    connection.sendall(b"%8d" % size)
    connection.sendall(bytes(size))
    said = connection.recv(10).decode()
except OSError as error:
    said = type(error).__name__
print(json.dumps([said, time.monotonic() - started, connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)]))
"""
CONNECT = """
import errno, socket, sys
try:
    socket.create_connection((sys.argv[1], 4321), timeout=float(sys.argv[2]))
except OSError as error:
    print(errno.errorcode.get(error.errno, type(error).__name__))
"""


@pytest.fixture(autouse=True, scope="module")
def settled(lab: Lab) -> None:
    """In a lab that is new, the firewall's link-local addresses are tentative for two seconds (RFC 4862, 5.4)."""
    wait_for(
        lambda: "tentative" not in lab.run("firewall", ["ip", "address"], timeout_s=5).stdout,
        "the end of duplicate address detection",
        within_s=10,
    )


def give(lab: Lab, size: int, family: Family = "ipv4") -> tuple[str, float, int]:
    """Send so many bytes from client to server; "whole" or the error, the seconds, the largest segment."""
    server = lab.topology.hosts["server"].address(family)
    with listening(lab, ["python", "-c", TAKE]):
        said = lab.run("client", ["python", "-c", GIVE, server, str(size)], timeout_s=10)
    assert said.status == 0, said.printed
    word, took_s, segment = json.loads(said.stdout)
    return word, took_s, segment


def ping(lab: Lab, source: str, destination: str, family: Family, size: int = 56, fragment: str = "do") -> str:
    """What ping prints of one request, which may not be fragmented unless it is said (ping(8), -M)."""
    address = lab.topology.hosts[destination].address(family)
    words = ["ping", "-M", fragment, "-c", "1", "-W", "1", "-s", str(size), address]
    return lab.run(source, words, timeout_s=5).printed


def answered(printed: str) -> bool:
    return "1 received" in printed


def connect(lab: Lab, family: Family, within_s: float = 3) -> str:
    """The errno that connecting got.

    An ICMP error that is back before connect(2) lets go of its socket, as happens where a lab is one machine, is left
    for the next SYN, a second later (LockDroppedIcmps of nstat(8)). Over IPv6 it nearly always is.
    """
    server = lab.topology.hosts["server"].address(family)
    return lab.run("client", ["python", "-c", CONNECT, server, str(within_s)], timeout_s=5).stdout.strip()


def configured(lab: Lab) -> dict[str, object]:
    """Addresses, routes and disciplines of the firewall. What is said of an address is whether it is usable at once."""

    def told(*argv: str) -> str:
        said = lab.run("firewall", argv, timeout_s=5)
        assert said.status == 0, said.printed
        return said.stdout

    links = json.loads(told("ip", "-json", "address"))
    return {
        "links": {link["ifname"]: (link["mtu"], link["operstate"], link["flags"]) for link in links},
        "addresses": [
            (
                link["ifname"],
                each["local"],
                each["prefixlen"],
                each["scope"],
                each.get("secondary"),
                each.get("tentative"),
            )
            for link in links
            for each in link["addr_info"]
        ],
        "routes": sorted(told("ip", "-4", "route").splitlines() + told("ip", "-6", "route").splitlines()),
        "disciplines": told("tc", "qdisc"),
        "journals": told("sh", "-c", "mkdir -p /run/faults; ls -A /run/faults"),
    }


def test_what_is_larger_than_the_mtu_of_a_leg_is_refused_with_its_size(lab: Lab) -> None:
    before = configured(lab)
    for family in FAMILIES:
        assert answered(ping(lab, "client", "server", family, 1400)), "the control"
    with Mtu(lab, "narrow", "server-leg", 1300) as narrow:
        assert answered(ping(lab, "server", "client", "ipv4", 1400, "dont")), "it takes in, and fragments the answer"
        assert narrow.hits() == 0
        for hits, family in enumerate(FAMILIES, start=1):
            printed = ping(lab, "client", "server", family, 1400)
            assert "mtu = 1300" in printed or "mtu=1300" in printed
            assert answered(ping(lab, "client", "server", family, 1200))
            assert narrow.hits() == hits
    for family in FAMILIES:
        assert answered(ping(lab, "client", "server", family, 1400)), "healed, and no host remembers it"
    assert configured(lab) == before


@pytest.mark.parametrize("family", FAMILIES)
def test_path_mtu_discovery_finds_the_size_unless_the_firewall_is_mute(lab: Lab, family: Family) -> None:
    with Mtu(lab, "narrow", "server-leg", 1280) as narrow:
        word, _, segment = give(lab, 20_000, family)
        assert word == "whole", "the control: it sends smaller segments"
        assert segment < 1280
        assert narrow.hits() >= 1
    with Mute(lab, "mute", "too-big") as mute, Mtu(lab, "narrow", "server-leg", 1280) as narrow:
        assert give(lab, 20_000, family)[0] == "TimeoutError", "a black hole"
        assert 2 <= narrow.hits() <= mute.hits(), "counted before it is dropped"
    word, _, segment = give(lab, 20_000, family)
    assert word == "whole"
    assert segment > 1400


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mute_firewall_keeps_back_the_errors_that_are_named_and_no_others(lab: Lab, family: Family) -> None:
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    with Rules(lab, "spent", SpendTtl(), Selection(client, server, "icmp")):
        with Mute(lab, "mute", "too-big", "unreachable") as mute:
            assert "exceeded" in ping(lab, "client", "server", family)
            assert mute.hits() == 0
        with Mute(lab, "mute") as mute:
            assert "exceeded" not in ping(lab, "client", "server", family)
            assert mute.hits() == 1


def test_a_rate_makes_what_leaves_by_a_leg_as_slow_as_it_says_and_nothing_else(lab: Lab) -> None:
    before = configured(lab)
    word, unlimited_s, _ = give(lab, 50_000)
    assert word == "whole"
    with Rate(lab, "slow", "server-leg", 400_000) as slow:
        assert answered(ping(lab, "client", "server", "ipv4"))
        assert slow.hits() == 0, "one packet need not wait"
        word, limited_s, _ = give(lab, 50_000)
        assert word == "whole"
        assert slow.hits() >= 20
    # 50 kB and 40 bytes of headers or more for each segment, less the burst, at 50 kB/s
    assert unlimited_s < 0.9 < 0.97 < limited_s < 3
    assert configured(lab) == before
    with pytest.raises(LabProblem, match="slow is not in force"):
        slow.hits()


@pytest.mark.parametrize(
    ("kind", "errors"),
    [
        ("unreachable", ["EHOSTUNREACH", "ENETUNREACH"]),
        ("prohibit", ["EHOSTUNREACH", "EACCES"]),
        ("blackhole", ["TimeoutError", "TimeoutError"]),
    ],
)
def test_a_host_without_a_route_is_told_of_as_the_route_says(lab: Lab, kind: Route, errors: list[str]) -> None:
    before = configured(lab)
    assert connect(lab, "ipv4") == "ECONNREFUSED", "the control: the server's own kernel refuses"
    with NoRoute(lab, "no-route", lab.topology.hosts["server"], kind) as no_route:
        assert no_route.hits() == 0
        within_s = 0.6 if kind == "blackhole" else 3
        assert connect(lab, "ipv4", within_s) == errors[0]
        assert no_route.hits() >= 1
        met = no_route.hits()
        assert connect(lab, "ipv6", within_s) == errors[1]
        assert no_route.hits() > met
        assert answered(ping(lab, "client", "server-be", "ipv4")), "the other server"
    assert [connect(lab, family) for family in FAMILIES] == ["ECONNREFUSED"] * 2
    assert configured(lab) == before


def test_an_icmp_error_of_a_rule_takes_none_of_the_routers_own_away(lab: Lab) -> None:
    """Linux keeps one account of errors for each receiver; a rate limit of 0 emptied it (net.ipv4.icmp_ratemask)."""
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    with Rules(lab, "refused", Refuse("host-unreachable"), Selection(client, server, "syn")):
        assert connect(lab, "ipv4") == "EHOSTUNREACH"
    with NoRoute(lab, "no-route", server, "throw") as no_route:
        assert [connect(lab, "ipv4") for _ in range(3)] == ["ENETUNREACH"] * 3
        assert no_route.hits() == 3, "each was told at once"


def test_what_an_earlier_one_told_takes_nothing_from_the_next(lab: Lab) -> None:
    """The kernel tells one sender five times, then once a second: a lab that did a drill again and again was mute."""
    for _ in range(3):
        with NoRoute(lab, "no-route", lab.topology.hosts["server"], "throw") as no_route:
            assert [connect(lab, "ipv4") for _ in range(3)] == ["ENETUNREACH"] * 3
            assert no_route.hits() == 3, "each was told at once"


@pytest.mark.parametrize("leg", ["client-leg", "server-leg"])
def test_a_link_that_was_down_is_as_it_was_at_once(lab: Lab, leg: str) -> None:
    ping(lab, "client", "server", "ipv6")
    before = configured(lab)
    with LinkDown(lab, "pulled", leg) as pulled:
        for family in FAMILIES:
            assert not answered(ping(lab, "client", "server", family))
        assert pulled.hits() == 1
    healed = time.monotonic()
    assert [answered(ping(lab, "client", "server", family)) for family in FAMILIES] == [True, True]
    assert time.monotonic() - healed < 2, "no address had to wait for duplicate address detection"
    assert "Time to live exceeded" in exceeded(lab, "ipv4"), "the claimed address is the first again"
    assert "Time exceeded" in exceeded(lab, "ipv6")
    assert configured(lab) == before
    with pytest.raises(LabProblem, match="pulled is not in force"):
        pulled.hits()


def exceeded(lab: Lab, family: Family) -> str:
    """What ping prints when one hop is all that it has, if the leg's claimed address answered."""
    address = lab.topology.hosts["server"].address(family)
    printed = lab.run("client", ["ping", "-t", "1", "-c", "1", "-W", "1", address], timeout_s=5).printed
    leg = lab.topology.legs["client-leg"]
    return printed if f"From {leg.ipv4 if family == 'ipv4' else leg.ipv6}" in printed else ""


def test_of_a_leg_one_thing_is_changed_by_one_fault_at_a_time(lab: Lab) -> None:
    before = configured(lab)
    with Mtu(lab, "narrow", "server-leg", 1300), Rate(lab, "slow", "server-leg", 10**6):
        with pytest.raises(LabProblem, match="the-mtu-of-server-leg is in the hands of the fault narrow"):
            Mtu(lab, "narrower", "server-leg", 1290).__enter__()
        with Mtu(lab, "narrower", "client-leg", 1290), LinkDown(lab, "pulled", "server-leg"):
            pass
        assert "mtu lock 1300" in str(configured(lab)["routes"]), "a link that comes up has its MTU still"
    assert configured(lab) == before


@pytest.mark.parametrize("mtu", [1279, 1501])
def test_an_mtu_that_ip_or_ethernet_does_not_have_is_refused(lab: Lab, mtu: int) -> None:
    with pytest.raises(ValueError, match="1280 to 1500"):
        Mtu(lab, "narrow", "server-leg", mtu)


def test_a_leg_that_the_firewall_does_not_have_is_refused(lab: Lab) -> None:
    with pytest.raises(ValueError, match="the lab has client-leg, server-leg"):
        LinkDown(lab, "pulled", "north-leg")


@pytest.mark.parametrize("ends", [("client", "server"), ("client-be", "server-be")], ids="-".join)
def test_neighbours_are_bridged_with_the_firewalls_rules_between_them_and_others_are_routed(
    lab: Lab, ends: tuple[str, str]
) -> None:
    before = configured(lab)
    client, server = (lab.topology.hosts[each] for each in ends)
    others = ("client-be", "server-be") if ends[0] == "client" else ("client", "server")
    with OneNetwork(lab, "bridge", client, server) as bridge:
        for address in (server.ipv4, server.ipv6, f"{server.link_local}%eth0"):
            printed = lab.run(client.name, ["ping", "-n", "-c", "1", "-W", "2", address], timeout_s=5).stdout
            assert " ttl=64 " in printed, "no router took one away"
        assert bridge.hits() == 3
        for family in FAMILIES:
            address = lab.topology.hosts[others[1]].address(family)
            routed = lab.run(others[0], ["ping", "-n", "-c", "1", "-W", "2", address], timeout_s=5).stdout
            assert " ttl=63 " in routed
        if ends[0] == "client":
            for family in FAMILIES:
                assert connect(lab, family) == "ECONNREFUSED"
                with Rules(lab, "silent", Silence(), Selection(client, server, "tcp")) as silent:
                    assert connect(lab, family, 1.0) == "TimeoutError"
                    assert silent.hits() >= 1
                with Rules(lab, "refused", Refuse("host-unreachable"), Selection(client, server, "syn")) as refused:
                    assert connect(lab, family) == "EHOSTUNREACH"
                    assert refused.hits() >= 1
    assert (bridge.final or 0) >= 3
    assert configured(lab) == before
    for family in FAMILIES:
        address = server.address(family)
        assert " ttl=63 " in lab.run(client.name, ["ping", "-n", "-c", "1", "-W", "2", address], timeout_s=5).stdout
