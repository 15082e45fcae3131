"""The name server: what it answers, to hosts of both byte orders, across the firewall, and how it is changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from testinfra.host import Host as Machine

from scenarios.evidence import tshark
from scenarios.evidence.capture import Capture
from scenarios.lab import engine
from scenarios.lab.lab import Lab
from scenarios.lab.topology import topology
from scenarios.lab.waiting import wait_for
from tests.infra.listening import listening

ASKERS = ["client", "client-be", "client-be64"]
# Of one's own network Docker's resolver answers for the addresses.
FAR = ["server", "server-be", "server-be64", *topology().standing]
# What the resolver says of each name and address on the command line, in one process: an emulated one starts slowly.
RESOLVE = """
import json, socket, sys
errors = {value: name for name, value in vars(socket).items() if name.startswith("EAI_")}
said = {}
for asked in sys.argv[1:]:
    try:
        if asked[-1].isdigit() or ":" in asked:
            said[asked] = [socket.gethostbyaddr(asked)[0]]
        else:
            said[asked] = [row[4][0] for row in socket.getaddrinfo(asked.encode(), 80, type=socket.SOCK_STREAM)]
    except socket.herror as error:
        said[asked] = [str(error.strerror)]
    except OSError as error:
        said[asked] = [errors[error.errno]]
print(json.dumps(said))
"""
CapSets = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def resolve(lab: Lab, asker: str, *asked: str) -> dict[str, list[str]]:
    ran = lab.run(asker, ["python", "-c", RESOLVE, *asked], timeout_s=30)
    said: dict[str, list[str]] = json.loads(ran.stdout)
    return said


@contextmanager
def answered_with(lab: Lab, name: str, *addresses: str) -> Iterator[None]:
    program = "/usr/local/lib/faultwire/answer"
    try:
        assert lab.run("names", [program, name, *addresses], timeout_s=5).status == 0
        yield
    finally:
        assert lab.run("names", [program], timeout_s=5).status == 0


@contextmanager
def questions_dropped(lab: Lab) -> Iterator[None]:
    rule = "add table inet test_names; add chain inet test_names c { type filter hook forward priority 0; }; "
    rule += "add rule inet test_names c udp dport 53 counter drop"
    assert lab.run("firewall", ["nft", rule], timeout_s=5).status == 0
    try:
        yield
        counted = lab.run("firewall", ["nft", "list", "table", "inet", "test_names"], timeout_s=5).stdout
        assert "counter packets" in counted
        assert "counter packets 0 " not in counted, "no question was dropped, so nothing was shown"
    finally:
        assert lab.run("firewall", ["nft", "delete table inet test_names"], timeout_s=5).status == 0


@pytest.mark.parametrize("asker", ASKERS)
def test_every_host_has_its_name_forward_and_reverse_in_both_families(lab: Lab, asker: str) -> None:
    hosts = {**lab.topology.hosts, **lab.topology.standing}
    far = [hosts[name] for name in FAR]
    said = resolve(
        lab,
        asker,
        *(f"{name}.lab" for name in [*hosts, "firewall"]),
        *(each for host in far for each in (host.ipv4, host.ipv6)),
    )
    for name, host in hosts.items():
        assert said[f"{name}.lab"] == [host.ipv6, host.ipv4]
    for name in FAR:
        assert said[hosts[name].ipv4] == said[hosts[name].ipv6] == [f"{name}.lab"]
    legs = lab.topology.legs.values()
    assert sorted(said["firewall.lab"]) == sorted([leg.ipv4 for leg in legs] + [leg.ipv6 for leg in legs])


def test_the_hosts_of_the_client_network_have_reverse_names_too(lab: Lab) -> None:
    clients = [lab.topology.hosts[name] for name in ASKERS]
    said = resolve(lab, "server-be", *(each for host in clients for each in (host.ipv4, host.ipv6)))
    for host in clients:
        assert said[host.ipv4] == said[host.ipv6] == [f"{host.name}.lab"]


@pytest.mark.parametrize("asker", ASKERS)
def test_a_plain_name_is_one_of_the_domain_and_what_is_not_there_does_not_exist(lab: Lab, asker: str) -> None:
    server = lab.topology.hosts["server"]
    said = resolve(lab, asker, "server", "nowhere.lab", "debian.org", "198.18.255.254", "2001:db8::1")
    assert said["server"] == [server.ipv6, server.ipv4]
    assert said["nowhere.lab"] == said["debian.org"] == ["EAI_NONAME"]
    assert said["198.18.255.254"] == said["2001:db8::1"] == ["Unknown host"]


def test_several_addresses_come_in_the_order_of_the_zone_each_time(lab: Lab) -> None:
    server, server_be = lab.topology.hosts["server"], lab.topology.hosts["server-be"]
    seen = [resolve(lab, "client", "many.lab", "dead.lab") for _ in range(3)]
    dead6, dead4 = seen[0]["dead.lab"]
    assert dead4 not in [host.ipv4 for host in lab.topology.hosts.values()]
    for said in seen:
        assert said["many.lab"] == [dead6, server.ipv6, server_be.ipv6, dead4, server.ipv4, server_be.ipv4]


@pytest.mark.parametrize("asker", ASKERS)
def test_get_ip_shows_both_functions_side_by_side(lab: Lab, asker: str) -> None:
    server, server_be = lab.topology.hosts["server"], lab.topology.hosts["server-be"]
    ran = lab.run(asker, ["python", "-m", "services.names.get_ip", "many.lab", "80", "--reverse"], timeout_s=20)
    dead4 = resolve(lab, asker, "dead.lab")["dead.lab"][1]
    assert ran.status == 0, ran.stderr
    rows = [line.split("   ") for line in ran.stdout.splitlines()]
    cells = [tuple(cell.strip() for cell in row if cell.strip()) for row in rows]
    assert cells[0] == ("gethostbyname", "getaddrinfo", "getnameinfo")
    assert cells[2] == ("(shows no IPv6)", f"AF_INET6 ('{server.ipv6}', 80, 0, 0)", "server.lab")
    assert cells[4] == (dead4, f"AF_INET  ('{dead4}', 80)", "dead.lab")
    assert cells[6] == ("(shows one address)", f"AF_INET  ('{server_be.ipv4}', 80)", "server-be.lab")
    missing = lab.run(asker, ["python", "-m", "services.names.get_ip", "nowhere.lab"], timeout_s=20)
    assert (missing.status, missing.stdout) == (68, "")
    assert missing.stderr == "not resolved: nowhere.lab: Name or service not known\n"


def test_a_client_tries_every_address_that_getaddrinfo_gives(lab: Lab) -> None:
    """Of the six, in this order: nobody has the first, nobody listens at the second, the third answers."""
    with listening(lab, ["python", "-m", "services.search.server_selectors", "", "65432"], on="server-be"):
        words = ["python", "-m", "services.search.client", "many.lab", "65432", "search", "ring", "--timeout", "4"]
        with Capture(lab) as capture:
            ran = lab.run("client-be", words, timeout_s=15)
            legs = capture.stop()
    assert (ran.status, ran.stdout) == (0, "In the caves beneath the Misty Mountains. 💍\n"), ran.stderr
    segments = tshark.frames(lab, legs["client-leg"].pcapng, "tcp.dstport == 65432 && !icmpv6")
    tried = [frame.destination for frame in segments if frame.flags == {"SYN"}]
    dead6 = resolve(lab, "client", "dead.lab")["dead.lab"][0]
    hosts = lab.topology.hosts
    assert list(dict.fromkeys(tried)) == [dead6, hosts["server"].ipv6, hosts["server-be"].ipv6]


@pytest.mark.parametrize("asker", ASKERS)
def test_the_question_and_its_answer_cross_the_firewall_as_packets_of_the_host_that_asks(lab: Lab, asker: str) -> None:
    with Capture(lab) as capture:
        resolve(lab, asker, "server.lab")
        captures = capture.stop()
    names, own = lab.topology.standing["names"].ipv4, lab.topology.hosts[asker].ipv4
    for leg in captures.values():
        crossed = tshark.frames(lab, leg.pcapng, 'dns.qry.name == "server.lab"')
        assert {(frame.source, frame.destination) for frame in crossed} == {(own, names), (names, own)}
        for kind in (" A server.lab", " AAAA server.lab"):
            assert len([frame for frame in crossed if kind in frame.info]) == 2, "a question and its answer"


def test_with_questions_dropped_at_the_firewall_the_call_times_out_resolving(lab: Lab) -> None:
    words = ["python", "-m", "services.names.get_ip", "server.lab", "--timeout", "0.7"]
    with questions_dropped(lab):
        silent = lab.run("client", words, timeout_s=15)
    assert (silent.status, silent.stderr) == (12, "timed out: not done within 0.7 s, resolving server.lab\n")
    assert lab.run("client", words, timeout_s=15).status == 0


def test_a_name_can_be_changed_removed_and_put_back_while_it_is_served(lab: Lab) -> None:
    server, server_be = lab.topology.hosts["server"], lab.topology.hosts["server-be"]
    before = resolve(lab, "client", "server.lab")
    with answered_with(lab, "server", server_be.ipv4):
        assert resolve(lab, "client", "server.lab") == {"server.lab": [server_be.ipv4]}
    with answered_with(lab, "server"):
        assert resolve(lab, "client", "server.lab") == {"server.lab": ["EAI_NONAME"]}
    assert resolve(lab, "client", "server.lab") == before == {"server.lab": [server.ipv6, server.ipv4]}


def test_the_name_server_is_an_unprivileged_user_on_a_read_only_root(machine: Callable[[str], Machine]) -> None:
    names = machine("names")
    process = names.check_output("cat /proc/$(cat /run/dnsmasq.pid)/status")
    status = dict(line.split(":\t", 1) for line in process.splitlines())
    assert status["Name"] == "dnsmasq"
    assert status["Uid"].split() == ["1000"] * 4
    assert {kind: int(status[kind], 16) for kind in CapSets} == dict.fromkeys(CapSets, 0)
    assert status["NoNewPrivs"] == "1"
    assert "Read-only file system" in names.run("touch /etc/x").stderr


def test_a_restarted_name_server_serves_again_with_the_same_authority(
    lab: Lab, machine: Callable[[str], Machine]
) -> None:
    before = machine("client").check_output("cat /run/authority/ca.pem")
    engine.client().containers.get(lab.container("names")).restart(timeout=1)
    wait_for(
        lambda: resolve(lab, "client", "names.lab")["names.lab"] != ["EAI_AGAIN"],
        "the name server to answer",
        within_s=10,
    )
    assert machine("client").check_output("cat /run/authority/ca.pem") == before
