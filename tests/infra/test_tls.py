"""TLS in the lab: the certificates that it made for itself, and calls of every pair of byte orders, as captured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import product
from typing import Literal

import pytest
from testinfra.host import Host as Machine

from scenarios.evidence import tshark
from scenarios.evidence.capture import Capture
from scenarios.lab import engine
from scenarios.lab.lab import Lab
from scenarios.lab.topology import topology
from tests.infra.listening import listening

CLIENTS, SERVERS = ["client", "client-be", "client-be64"], ["server", "server-be", "server-be64"]
KEYS = ["elsewhere.pem", "expired.pem", "server-be.pem", "server-be64.pem", "server-m68k.pem", "server.pem"]
KEYS += ["stranger.pem"]
RABBIT = "Follow the white rabbit. 🐰"
SERVE = ["python", "-m", "services.search.server_tls", "", "65433"]
GetMachine = Callable[[str], Machine]


@pytest.fixture(scope="module")
def tls_lab(lab: Lab) -> Iterator[Lab]:
    """The lab with the service over TLS on both servers."""
    with ExitStack() as services:
        running = [services.enter_context(lab.running(server, SERVE)) for server in SERVERS]
        for service in running:
            service.wait_for_line("listening")
        yield lab


def search(server: str, *flags: str, port: str = "65433") -> list[str]:
    return ["python", "-m", "services.search.client_tls", server, port, "search", "morpheus", *flags]


@pytest.mark.parametrize(("client", "server"), list(product(CLIENTS, SERVERS)))
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_call_over_tls_is_answered_for_every_pair_and_family(
    tls_lab: Lab, client: str, server: str, family: Literal["ipv4", "ipv6"]
) -> None:
    address = tls_lab.topology.hosts[server].address(family)
    ran = tls_lab.run(client, search(address, "--name", f"{server}.lab"), timeout_s=20)
    assert (ran.status, ran.stdout.strip()) == (0, RABBIT), ran.stderr


def test_a_server_is_taken_by_its_name_and_its_address_and_by_no_other(tls_lab: Lab) -> None:
    for called in ("server", tls_lab.topology.hosts["server"].ipv6):
        assert tls_lab.run("client", search(called), timeout_s=20).status == 0
    wrong = tls_lab.run("client", search("server.lab", "--name", "server-be.lab"), timeout_s=20)
    assert (wrong.status, wrong.stdout) == (16, "")
    assert "Hostname mismatch, certificate is not valid for 'server-be.lab'" in wrong.stderr


@pytest.mark.parametrize(
    ("shows", "says"),
    [
        ("expired", "certificate has expired"),
        ("stranger", "unable to get local issuer certificate"),
        ("elsewhere", "Hostname mismatch"),
    ],
)
def test_the_bad_certificates_of_the_lab_are_found_out_from_both_byte_orders(lab: Lab, shows: str, says: str) -> None:
    serve = ["python", "-m", "services.search.server_tls", "", "65434", "--certificate", f"/run/keys/{shows}.pem"]
    with listening(lab, serve):
        for client in CLIENTS:
            ran = lab.run(client, search("server.lab", port="65434"), timeout_s=20)
            assert (ran.status, ran.stdout) == (16, "")
            assert says in ran.stderr


def test_a_capture_shows_tls_1_3_for_the_name_and_nothing_of_what_was_said(tls_lab: Lab) -> None:
    with Capture(tls_lab) as capture:
        ran = tls_lab.run("client-be", search("server.lab"), timeout_s=20)
        captures = capture.stop()
    assert ran.stdout.strip() == RABBIT, ran.stderr
    for leg in captures.values():
        frames = tshark.frames(tls_lab, leg.pcapng, "tcp.port == 65433")
        assert [frame.info for frame in frames if "Client Hello (SNI=server.lab)" in frame.info]
        assert [frame.info for frame in frames if "Server Hello" in frame.info]
        assert len([frame for frame in frames if "Application Data" in frame.info]) >= 2
        # The ClientHello of OpenSSL 3.5 is 1,470 bytes, two segments; the first is not named until the second is there.
        assert {frame.protocol for frame in frames if frame.payload and frame.source_port == 65433} == {"TLSv1.3"}
        assert [frame for frame in frames if "RST" in frame.flags] == []
        assert b"server.lab" in leg.pcapng, "the name is in the clear, or this would show nothing"
        for secret in (b"morpheus", b"white rabbit", b"byteorder"):
            assert secret not in leg.pcapng


@pytest.mark.parametrize("name", sorted(topology().usual_hosts))
def test_every_host_has_the_certificate_of_the_authority_and_only_servers_have_keys(
    machine: GetMachine, name: str
) -> None:
    host = machine(name)
    assert host.check_output("cat /run/authority/ca.pem").count("BEGIN CERTIFICATE") == 1
    assert "Read-only file system" in host.run("touch /run/authority/x").stderr
    assert host.run("ls /run/keys").stdout.split() == (KEYS if name in SERVERS else [])
    if name in SERVERS:
        assert set(host.check_output("stat -c '%a %u' /run/keys/*").splitlines()) == {"600 1000"}
        assert "Read-only file system" in host.run("touch /run/keys/x").stderr


def test_nobody_has_the_key_of_the_authority(machine: GetMachine) -> None:
    names = machine("names")
    keys = names.check_output("grep -rl 'PRIVATE KEY' /run /tmp").split()
    assert len(keys) == len(KEYS)
    assert all(key.startswith("/run/keys/") for key in keys)
    own = names.check_output("openssl x509 -in /run/authority/ca.pem -noout -pubkey")
    for key in keys:
        assert names.check_output(f"openssl pkey -in {key} -pubout") != own


def test_the_authority_is_as_old_as_this_lab(lab: Lab, machine: GetMachine) -> None:
    text = machine("names").check_output("openssl x509 -in /run/authority/ca.pem -noout -startdate -dateopt iso_8601")
    began = datetime.fromisoformat(text.removeprefix("notBefore=").replace(" ", "T", 1))
    created = engine.client().containers.get(lab.container("names")).attrs["Created"]
    age_s = (began - datetime.fromisoformat(f"{created[:19]}+00:00")).total_seconds()
    assert 0 <= age_s < 60
