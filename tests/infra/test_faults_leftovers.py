"""Faults of runs that were killed, faults of one name, and faults that a kernel or a firewall cannot make."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from scenarios.faults import Unsupported
from scenarios.faults.capacity import Limit, Police, SynProxy
from scenarios.faults.conntrack import Stateful
from scenarios.faults.dns_answer import Answer
from scenarios.faults.forged_neighbour import ForgedNeighbour
from scenarios.faults.host_addresses import NoAddress, SecondAddress
from scenarios.faults.host_settings import HostSettings
from scenarios.faults.icmp_mute import Mute
from scenarios.faults.idle_timeout import IdleTimeout
from scenarios.faults.kernel_fault import Chain, Standing
from scenarios.faults.link_down import LinkDown
from scenarios.faults.mtu import Mtu
from scenarios.faults.nat import Nat
from scenarios.faults.nft_rules import Rules, Selection, Silence
from scenarios.faults.no_neighbours import NoNeighbours
from scenarios.faults.no_querier import NoQuerier
from scenarios.faults.no_route import NoRoute
from scenarios.faults.one_network import OneNetwork
from scenarios.faults.rate_limit import Rate
from scenarios.faults.recovery import remove_all
from scenarios.faults.resolver import Resolver
from scenarios.faults.rogue_router import RogueRouter
from scenarios.faults.second_interface import SecondInterface
from scenarios.faults.vip import Vip
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.process import Finished
from scenarios.lab.topology import Family

pytestmark = pytest.mark.usefixtures("no_orphans")
ASKED = {"ipv4/ip_local_port_range": "40000 40007", "ipv4/tcp_retries2": "3"}
BOTH: Sequence[Family] = ("ipv4", "ipv6")
SAY_ALL = """
for family in -4 -6; do ip $family route | sort; done
ip -o address | sed 's/ valid_lft.*//; s/ nodad.*//; s/ tentative//; s/ proto .*//'
tc qdisc
ip neigh show nud permanent
nft list tables
ls -dA /run/faults /run/faults/* 2>/dev/null
true
"""


ZONE = "cat /run/zone; ls /run/zone*; ls -A /run/faults 2>/dev/null || true"
ADDRESSES = "ip -o address | sed 's/ valid_lft.*//' | sort; ip route | sort; ip -6 route | sort"


def configured(lab: Lab) -> str:
    """All that a fault can have changed, on the firewall, on the name server, and of what a host goes by."""
    firewall = lab.run("firewall", ["sh", "-c", SAY_ALL], timeout_s=5).stdout
    names = lab.run("names", ["sh", "-c", ZONE], timeout_s=5).stdout
    asked = f"cd /proc/sys/net; cat {' '.join(ASKED)} /etc/resolv.conf"
    settings = lab.run("client", ["sh", "-c", asked], timeout_s=5).stdout
    addresses = "".join(lab.run(host, ["sh", "-c", ADDRESSES], timeout_s=5).stdout for host in ("client", "server"))
    return firewall + names + settings + addresses


def test_whatever_a_killed_run_left_is_undone_at_once_and_only_that(lab: Lab) -> None:
    remove_all(lab)
    before = configured(lab)
    ends = lab.topology.hosts["client"], lab.topology.hosts["server"]
    left: Sequence[Standing] = [
        ForgedNeighbour(lab, "forged", ends[0], lab.topology.hosts["client-be"]),  # it asks where that one is
        *(Stateful(lab, "stateful"), IdleTimeout(lab, "idle", 60), Nat(lab, "nat"), Mute(lab, "mute")),
        *(Mtu(lab, "narrow", "server-leg", 1300), Rate(lab, "slow", "client-leg", 10**6)),
        *(NoRoute(lab, "no-route", lab.topology.hosts["server-be"]), Answer(lab, "liar", "server", "198.18.255.1")),
        *(LinkDown(lab, "pulled", "server-leg"), HostSettings(lab, "few-ports", "client", ASKED)),
        *(Limit(lab, "full", 5), Police(lab, "bucket", *ends, 10**6, 1514), SynProxy(lab, "proxy", 1460)),
        *(Nat(lab, "cone", kind="restricted-cone"), Nat(lab, "symmetric", kind="symmetric"), Vip(lab, "vip", ends[1])),
        *(Vip(lab, "turned", ends[0], "external"), Vip(lab, "straight", ends[0], "none")),
        *(Nat(lab, "open", kind="full-cone", ports="10000-10003"), Limit(lab, "few-new", new_per_s=2)),
        *(
            Stateful(lab, "half", sees="client-leg"),
            Resolver(lab, "asks-itself", "client", "nameserver 198.18.255.1\n"),
        ),
        Rules(lab, "no-later", Silence(), Selection(*ends, "later-fragment")),
        *(NoNeighbours(lab, "unheard", "client-leg"), NoQuerier(lab, "unasked", "server-leg")),
        RogueRouter(lab, "rogue", "client-leg"),
        *(SecondAddress(lab, "second", ends[1], BOTH), NoAddress(lab, "lost", ends[0], BOTH)),
        SecondInterface(lab, "second-card", ends[1]),
    ]
    for fault in left:
        fault.__enter__()
    assert "pulled" in configured(lab)
    assert set(remove_all(lab)) == {fault.name for fault in left}
    assert configured(lab) == before
    for fault in left:
        fault.__exit__()  # undone by another, it has nothing left to undo
    assert configured(lab) == before


def test_what_a_killed_run_left_of_one_network_is_undone(lab: Lab) -> None:
    remove_all(lab)
    before = configured(lab)
    fault = OneNetwork(lab, "bridge", lab.topology.hosts["client"], lab.topology.hosts["server"])
    fault.__enter__()
    assert configured(lab) != before
    assert set(remove_all(lab)) == {"bridge", "bridge-bridge"}
    assert configured(lab) == before
    assert lab.run("firewall", ["ip", "link", "show", "type", "bridge"], timeout_s=5).stdout == ""
    fault.__exit__()  # undone by another, it has nothing left to undo
    assert configured(lab) == before


def test_a_fault_may_have_the_name_of_a_word_of_nft(lab: Lab) -> None:
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    before = configured(lab)
    for word in ("drop", "bridge", "ip", "counter"):
        with Rules(lab, word, Silence(), Selection(client, server, "syn")) as fault:
            assert fault.hits() == 0
    assert configured(lab) == before


def test_the_last_fault_takes_the_table_and_the_folder_of_the_journals_with_it_and_no_other(lab: Lab) -> None:
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    before = configured(lab)
    first = Rules(lab, "first", Silence(), Selection(client, server, "later-fragment"))
    with Mute(lab, "second") as second, first:
        between = configured(lab)
        assert "table inet faultwire" in between
        assert "table netdev faultwire" in between
        with Mute(lab, "third"):
            pass
        assert configured(lab) == between
        assert (first.hits(), second.hits()) == (0, 0)
    assert configured(lab) == before
    assert "/run/faults" not in before


def test_a_host_forgets_the_path_mtu_that_a_killed_run_taught_it(lab: Lab) -> None:
    server = lab.topology.hosts["server"].ipv4
    ping = ["ping", "-M", "do", "-c", "1", "-W", "1", "-s", "1400", server]
    Mtu(lab, "narrow", "server-leg", 1300).__enter__()
    assert "Frag needed" in lab.run("client", ping, timeout_s=5).stdout
    assert "mtu 1300" in lab.run("client", ["ip", "route", "get", server], timeout_s=5).stdout
    assert remove_all(lab) == ["narrow"]
    assert lab.run("client", ping, timeout_s=5).status == 0


class Counting(Lab):
    """A lab that notes where programs are run."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.ran: list[str] = []

    def run(self, machine: str, argv: Sequence[str], *, timeout_s: float, mark: bool = True) -> Finished:
        self.ran.append(machine)
        return super().run(machine, argv, timeout_s=timeout_s, mark=mark)


def test_where_there_is_nothing_to_undo_it_takes_one_program_on_each_machine(lab: Lab) -> None:
    counting = Counting(lab.number)
    assert remove_all(counting) == []
    assert sorted(counting.ran) == ["cables", "firewall", "names"]


def test_what_cannot_be_undone_is_said_and_stays_to_be_undone(lab: Lab) -> None:
    stuck = Broken(lab, "stuck", "defer test -e /run/unstuck")
    stuck.__enter__()
    try:
        with pytest.raises(LabProblem, match="stuck could not be undone on the firewall"):
            stuck.__exit__()
        with pytest.raises(LabProblem, match="could not all be undone on the firewall: fault: stuck"):
            remove_all(lab)
    finally:
        lab.run("firewall", ["touch", "/run/unstuck"], timeout_s=5)
    stuck.__exit__()
    lab.run("firewall", ["rm", "/run/unstuck"], timeout_s=5)
    assert remove_all(lab) == []


class Broken(Standing):
    """A fault that is a script, and chains."""

    needs = "a kernel that has everything"

    def __init__(self, lab: Lab, name: str, script: str = "", *chains: Chain) -> None:
        super().__init__(lab, name)
        self._script = script
        self._made = chains

    def _chains(self) -> Sequence[Chain]:
        return self._made

    def _change(self) -> Sequence[str]:
        return (self._script,)


def test_a_fault_that_fails_halfway_undoes_its_first_half(lab: Lab) -> None:
    before = configured(lab)
    script = "defer ip route delete 192.0.2.1; ip route add unreachable 192.0.2.1; ip route add unreachable nonsense"
    with pytest.raises(LabProblem, match=r"refused the fault halved.*nonsense"):
        Broken(lab, "halved", script, Chain("halved", "forward priority 0", ["counter"])).__enter__()
    assert configured(lab) == before


def test_two_faults_of_one_name_cannot_be_in_force_together(lab: Lab) -> None:
    with Mute(lab, "twice") as first:
        with pytest.raises(LabProblem, match="a fault of that name is in force"):
            Stateful(lab, "twice").__enter__()
        assert first.hits() == 0, "the first one is still there"
    with Stateful(lab, "twice") as second:
        assert second.hits() == 0


def test_what_the_kernel_lacks_is_unsupported_and_what_is_nonsense_is_not(lab: Lab) -> None:
    lacking = Broken(lab, "lacking", "tc qdisc add dev lo root no-such-discipline")
    with pytest.raises(Unsupported, match=r"(?s)kind is unknown.*needs a kernel that has everything"):
        lacking.__enter__()
    nonsense = Broken(lab, "nonsense", "", Chain("nonsense", "forward priority 0", ["counter frobnicate"]))
    with pytest.raises(LabProblem, match="syntax error") as problem:
        nonsense.__enter__()
    assert not isinstance(problem.value, Unsupported)


def test_the_settings_of_a_host_stand_until_the_end_and_no_other_fault_may_change_them_meanwhile(lab: Lab) -> None:
    before = configured(lab)
    with HostSettings(lab, "few-ports", "client", ASKED) as set_so:
        assert set_so.hits() == 2
        assert "\n40000\t40007\n3\n" in configured(lab)
        with pytest.raises(LabProblem, match="settings-of-client is in the hands of the fault few-ports"):
            HostSettings(lab, "others", "client", {"ipv4/tcp_ecn": "1"}).__enter__()
        assert set_so.hits() == 2
    assert configured(lab) == before
    with pytest.raises(LabProblem, match="few-ports is not in force: client has the settings that it had before"):
        set_so.hits()


def test_a_setting_that_the_kernel_does_not_take_leaves_the_host_as_it_was(lab: Lab) -> None:
    before = configured(lab)
    with pytest.raises(LabProblem, match="the settings of client could not be changed"):
        HostSettings(lab, "wrong", "client", {"ipv4/tcp_retries2": "3", "ipv4/tcp_ecn": "99"}).__enter__()
    assert configured(lab) == before
    with pytest.raises(Unsupported, match="client lacks a setting that new changes"):
        HostSettings(lab, "new", "client", {"ipv4/tcp_of_tomorrow": "1"}).__enter__()
    assert configured(lab) == before


def test_a_second_address_is_there_until_the_end_and_lost_ones_come_back_with_their_routes(lab: Lab) -> None:
    before = configured(lab)
    client, server = lab.topology.hosts["client"], lab.topology.hosts["server"]
    ping = ["ping", "-c", "1", "-W", "1", lab.topology.nobody[0]]
    assert lab.run("client", ping, timeout_s=5).status != 0
    with SecondAddress(lab, "second", server, BOTH) as second:
        assert second.hits() == 2
        assert lab.run("client", ping, timeout_s=5).status == 0
        with pytest.raises(LabProblem, match="the-addresses-of-server is in the hands of the fault second"):
            NoAddress(lab, "lost", server, BOTH).__enter__()
        assert lab.run("client", ping, timeout_s=5).status == 0
    assert configured(lab) == before
    with pytest.raises(LabProblem, match="second is not in force: server has the addresses that it had before"):
        second.hits()
    with NoAddress(lab, "lost", client, ["ipv4"]) as lost:
        assert lost.hits() == 1
        assert "Network is unreachable" in lab.run("client", ["ping", "-c", "1", server.ipv4], timeout_s=5).printed
        assert lab.run("client", ["ping", "-c", "1", "-W", "1", server.ipv6], timeout_s=5).status == 0
    assert configured(lab) == before
