"""What each machine of the lab is, may do, and can reach: asked on the machine, by testinfra."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testinfra.host import Host as Machine

from scenarios.lab import architecture, engine
from scenarios.lab.cpus import CPUS
from scenarios.lab.lab import Lab
from scenarios.lab.topology import topology
from scenarios.verdict import check
from scenarios.verdict.check import Verdict
from tests.infra.listening import listening

END_HOSTS = sorted(topology().usual_hosts)
BOTH_SIDES = [
    *(("client", "server"), ("client-be", "server-be"), ("server", "client-be"), ("server-be", "client")),
    *(("client-be64", "server-be64"), ("server-be64", "client")),
]
BIG = [name for name in END_HOSTS if "-be" in name]
CapSets = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
GetMachine = Callable[[str], Machine]


@pytest.mark.parametrize("name", END_HOSTS)
def test_a_host_has_the_byte_order_that_its_name_promises(machine: GetMachine, lab: Lab, name: str) -> None:
    said = machine(name).check_output("python -c 'import sys; print(sys.byteorder, (1).to_bytes(2, sys.byteorder))'")
    assert said == ("big b'\\x00\\x01'" if name in BIG else "little b'\\x01\\x00'")
    assert lab.topology.hosts[name].byteorder == said.split()[0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("client", "little-endian, 64 bits, x86_64"),
        ("server", "little-endian, 64 bits, x86_64"),
        ("client-be", "big-endian, 32 bits, ppc"),
        ("server-be", "big-endian, 32 bits, ppc"),
        ("client-be64", "big-endian, 64 bits, s390x"),
        ("server-be64", "big-endian, 64 bits, s390x"),
        ("web", "little-endian, 64 bits, x86_64"),
    ],
)
def test_a_machine_says_itself_which_byte_order_word_size_and_cpu_it_has(lab: Lab, name: str, said: str) -> None:
    host = lab.topology.places[name]
    assert architecture.query_architecture(lab, host) == str(host.promised) == said
    assert check.check_architecture(host, said).holds is Verdict.PASS


@pytest.mark.parametrize(("name", "cpu"), [(name, "s390x" if name.endswith("64") else "ppc") for name in BIG])
def test_the_big_endian_python_passes_its_smoke_test_as_the_lab_runs_it(
    machine: GetMachine, name: str, cpu: str
) -> None:
    promised = CPUS[cpu]
    words = f"{promised.machine} {promised.bits} {promised.emulator}"
    smoke = machine(name).run(f"python /usr/local/lib/faultwire/smoke.py {words}")
    assert smoke.rc == 0, smoke.stdout + smoke.stderr


def test_the_smoke_test_fails_on_a_machine_that_is_another_than_promised(machine: GetMachine) -> None:
    smoke = machine("client-be64").run("python /usr/local/lib/faultwire/smoke.py ppc 64 qemu-s390x")
    assert smoke.rc == 1
    assert "FAIL  machine: AssertionError: expected 'ppc', saw 's390x'" in smoke.stdout
    assert machine("client-be64").run("python /usr/local/lib/faultwire/smoke.py").rc == 64


@pytest.mark.parametrize("name", END_HOSTS)
def test_a_host_is_an_unprivileged_user_without_any_capability(machine: GetMachine, name: str) -> None:
    host = machine(name)
    assert host.check_output("id -u") == "1000"
    status = dict(line.split(":\t", 1) for line in host.check_output("cat /proc/self/status").splitlines())
    assert {kind: int(status[kind], 16) for kind in CapSets} == dict.fromkeys(CapSets, 0)
    assert status["NoNewPrivs"] == "1"


@pytest.mark.parametrize("name", END_HOSTS)
def test_a_host_has_a_read_only_root_and_a_writable_tmp(machine: GetMachine, name: str) -> None:
    host = machine(name)
    for path in ("/opt/faultwire/x", "/home/lab/x", "/var/tmp/x"):  # noqa: S108 (tried, not used)
        assert "Read-only file system" in host.run(f"touch {path}").stderr
    assert host.run("touch /tmp/x && rm /tmp/x").rc == 0


@pytest.mark.parametrize("name", END_HOSTS)
def test_a_host_is_bounded_in_processes_and_memory_and_has_an_init(lab: Lab, name: str) -> None:
    settings = engine.client().containers.get(lab.container(name)).attrs["HostConfig"]
    assert 0 < settings["PidsLimit"] <= 1024
    assert 0 < settings["Memory"] <= 2**30
    assert settings["Init"] is True


@pytest.mark.parametrize("name", END_HOSTS)
def test_the_only_router_a_host_knows_is_the_firewall(machine: GetMachine, lab: Lab, name: str) -> None:
    host, network = machine(name), lab.topology.hosts[name].network
    leg = next(leg for leg in lab.topology.legs.values() if leg.network == network)
    for version, gateway in (("-4", leg.ipv4), ("-6", leg.ipv6)):
        routers = [
            line.split() for line in host.check_output(f"ip {version} route show").splitlines() if " via " in line
        ]
        assert [words[:3] for words in routers] == [["default", "via", gateway]]


@pytest.mark.parametrize(("near", "far"), BOTH_SIDES)
def test_one_router_lies_between_the_networks_so_a_ttl_of_64_arrives_as_63(
    machine: GetMachine, lab: Lab, near: str, far: str
) -> None:
    for address in (lab.topology.hosts[far].ipv4, lab.topology.hosts[far].ipv6):
        pinged = machine(near).check_output(f"ping -c 1 -W 2 {address}")
        assert "ttl=63 " in pinged


def test_hosts_of_one_network_see_each_other_without_a_router(machine: GetMachine, lab: Lab) -> None:
    assert "ttl=64 " in machine("client").check_output(f"ping -c 1 -W 2 {lab.topology.hosts['client-be'].ipv4}")


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("name", ["server", "server-be", "server-be64"])
def test_a_service_listens_at_its_exact_address_and_nowhere_else(
    machine: GetMachine, lab: Lab, name: str, family: str
) -> None:
    address = getattr(lab.topology.hosts[name], family)
    socket = f"tcp://{f'[{address}]' if family == 'ipv6' else address}:65432"
    with listening(lab, ["python", "-m", "services.search.server_selectors", address, "65432"], on=name):
        lines = machine(name).check_output("ss --no-header --listening --tcp --numeric").splitlines()
        assert [line.split()[3] for line in lines if ":65432" in line] == [socket.removeprefix("tcp://")]
    assert not [line for line in machine(name).check_output("ss -Hltn").splitlines() if ":65432" in line]


@pytest.mark.parametrize("name", END_HOSTS)
def test_there_is_no_way_out_to_the_machine_that_runs_the_lab(machine: GetMachine, lab: Lab, name: str) -> None:
    addresses = [
        line.split() for line in machine("cables").check_output("ip -o address show scope global").splitlines()
    ]
    ours = [words[1] for words in addresses if words[1].startswith(f"fw{lab.number}-")]
    assert ours == [], "the machine has an address on a bridge of the lab: a way around the firewall"
    ipv4 = [words[3].split("/")[0] for words in addresses if words[2] == "inet"]
    assert ipv4, "the machine has addresses, or this would show nothing"
    for address in ipv4:
        out = machine(name).run(f"ping -c 1 -W 2 {address}")
        assert out.rc != 0
        assert "Destination Net Unreachable" in out.stdout, "the firewall itself must say that there is no route"


# By addresses of the hypervisor, of this machine itself and of others on it, at a few ports; what each said.
ASK_BY_VSOCK = """
import socket
for cid in (0, socket.VMADDR_CID_HOST, getattr(socket, "VMADDR_CID_LOCAL", 1), 3):
    for port in (1, 22, 1024, 9999):
        try:
            with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as asking:
                asking.settimeout(0.3)
                asking.connect((cid, port))
                print("answered", cid, port)
        except OSError:
            pass
print("asked")
"""


@pytest.mark.parametrize("name", ["client", "server"])
def test_nothing_answers_by_the_way_past_all_networks(lab: Lab, name: str) -> None:
    """AF_VSOCK (vsock(7)) knows no network namespace. Docker's own profile refuses it from version 23 on."""
    assert lab.run(name, ["python", "-c", ASK_BY_VSOCK], timeout_s=30).stdout == "asked\n"


def test_the_machine_has_no_link_local_address_on_the_networks_of_the_lab(machine: GetMachine, lab: Lab) -> None:
    addresses = machine("cables").check_output("ip -o address show").splitlines()
    assert [line for line in addresses if line.split()[1].startswith(f"fw{lab.number}-")] == []
    assert [line for line in addresses if line.split()[1] == "lo"], "addresses are listed, or this would show nothing"


def test_the_firewall_has_no_route_but_to_its_own_networks(machine: GetMachine) -> None:
    firewall = machine("firewall")
    for version in ("-4", "-6"):
        routes = firewall.check_output(f"ip {version} route show").splitlines()
        assert routes
        assert not [route for route in routes if " via " in route or route.startswith("default")]


def test_the_firewall_has_two_capabilities_and_no_more(machine: GetMachine) -> None:
    status = dict(
        line.split(":\t", 1) for line in machine("firewall").check_output("cat /proc/self/status").splitlines()
    )
    net_admin_and_net_raw = 1 << 12 | 1 << 13
    assert int(status["CapBnd"], 16) == net_admin_and_net_raw
