"""Where a server listens, as ss(8) prints it, and whether another host reaches it there."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from scenarios.calls import serving
from scenarios.calls.serving import _why_out_of_reach
from scenarios.lab.box import Box
from scenarios.lab.topology import Family, topology
from scenarios.spec.service import resolve, services

ALL = "0.0.0.0"  # noqa: S104 (as ss prints it)


@pytest.mark.parametrize(
    ("found", "family", "wrong"),
    [
        (["127.0.0.1"], None, "loopback"),
        (["127.0.0.1", "[::1]"], "ipv4", "loopback"),
        (["[::ffff:127.0.0.1]"], "ipv4", "loopback"),
        (["[::]"], "ipv4", r"over IPv4 nobody .*asyncio.*`families: \[ipv4\]`"),
        (["[::]"], "ipv4", r"^over IPv4 nobody reaches it there; `families: \[ipv6\]` says that it speaks no other\."),
        (["[2001:db8::1]"], "ipv4", "over IPv4 nobody"),
        (["127.0.0.1", "[::]"], "ipv4", "over IPv4 nobody"),
        ([ALL], "ipv6", r"over IPv6 nobody .*; `families: \[ipv4\]` says"),
        (["198.18.1.138", "[::1]"], "ipv6", "over IPv6 nobody"),
        (["*"], "ipv4", ""),
        (["*"], "ipv6", ""),
        (["[::ffff:198.18.1.138]"], "ipv4", ""),
        ([ALL, "[::]"], "ipv4", ""),
        ([ALL, "[::]"], "ipv6", ""),
        (["[::]"], None, ""),
        ([ALL], None, ""),
        (["127.0.0.1", "198.18.1.138%eth0"], "ipv4", ""),
        (["[fe80::1]%eth0"], "ipv6", ""),
    ],
)
def test_it_is_said_why_no_other_host_reaches_a_server(found: list[str], family: Family | None, wrong: str) -> None:
    said = _why_out_of_reach(found, family)
    assert re.search(wrong, said) if wrong else said == ""
    of_composition = _why_out_of_reach(found, family, has_bind=False)  # it has its own command, and no {bind}
    assert bool(of_composition) is bool(said)
    assert "bind" not in of_composition.lower()


SNAKE = """
service: snake
about: a program in Python
port: 4000
python: .
servers: {one: {run: "python server.py {bind}", about: answers}}
clients: {ask: {run: "python client.py {host} {port}", about: asks}}
"""


@pytest.mark.parametrize(("host", "image"), [("client", "faultwire/python"), ("client-be", "faultwire/python-ppc")])
def test_a_program_in_python_is_called_on_the_machine_of_its_host(tmp_path: Path, host: str, image: str) -> None:
    (tmp_path / "snake").mkdir()
    (tmp_path / "snake" / "service.yaml").write_text(SNAKE, encoding="utf-8")
    boxes: list[Box] = []
    lab = SimpleNamespace(run_guest=lambda _host, box, _argv, timeout_s: boxes.append(box))  # noqa: ARG005
    hosts = topology().hosts
    chosen = resolve("snake", known=services(tmp_path))
    serving.call(lab, chosen, hosts[host], hosts["server"], "ipv4")  # type: ignore[arg-type]
    assert [box.image for box in boxes] == [image]
