"""The settings of a host's kernel as a drill writes them: a closed list, each value within bounds, and said aloud."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from scenarios.lab.topology import ROOT
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.drill import Drill
from scenarios.spec.host_settings import NUMBERS, HostSettings, PortRange
from scenarios.spec.strict_yaml import load

DRILL = (ROOT / "scenarios" / "drills" / "client-ports-used-up.yaml").read_text("utf-8")
ASKED = "host: {who: client, ports: 40000-40007}"


def read(tmp_path: Path, host: str) -> Drill:
    """The drill with other settings of the client."""
    file = tmp_path / "client-ports-used-up.yaml"
    assert ASKED in DRILL
    file.write_text(DRILL.replace(ASKED, f"host: {{who: client{host}}}"), encoding="utf-8")
    return load(file, Drill)


def test_every_number_is_a_key_and_every_key_a_setting() -> None:
    keys = {field.name for field in dataclasses.fields(HostSettings)}
    assert keys == {"who", "ports", *NUMBERS}


def test_what_is_set_is_what_the_kernel_is_told(tmp_path: Path) -> None:
    (fault,) = read(tmp_path, ", ports: 40000-40007, tcp_ecn: 1, somaxconn: 5").faults
    assert fault.host is not None
    assert fault.host.by_place == {
        "ipv4/tcp_ecn": "1",
        "core/somaxconn": "5",
        "ipv4/ip_local_port_range": "40000 40007",
    }
    assert (
        fault.says == "the kernel of the client has tcp_ecn 1 and somaxconn 5 and the ports 40000-40007 for its clients"
    )


@pytest.mark.parametrize("name", NUMBERS)
def test_the_bounds_of_each_setting_are_taken_and_the_numbers_beyond_are_not(tmp_path: Path, name: str) -> None:
    _, least, most = NUMBERS[name]
    for value in (least, most):
        (fault,) = read(tmp_path, f", {name}: {value}").faults
        assert fault.host is not None
        assert fault.host.numbers == {name: value}
    for value in (least - 1, most + 1):
        with pytest.raises(DeclarationError, match=f"{name}: expected {least} to {most}, got {value}") as caught:
            read(tmp_path, f", {name}: {value}")
        assert ":13: " in str(caught.value)


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("", "expected one or more of: ports, tcp_ecn, "),
        (", tcp_retrys2: 3", "unknown key 'tcp_retrys2'.*tcp_retries2"),
        (", tcp_ecn: often", "expected a whole number"),
        (", ports: 40000", "expected a range of ports such as 40000-40007, got '40000'"),
        (", ports: 40007-40000", "the range of ports '40007-40000' ends before it begins"),
        (", ports: 1023-2000", "expected ports of 1024 to 65535"),
        (", ports: 1024-65536", "expected ports of 1024 to 65535"),
    ],
)
def test_what_cannot_be_set_is_told_with_what_can(tmp_path: Path, host: str, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        read(tmp_path, host)


def test_the_outermost_ports_can_be_given() -> None:
    assert PortRange.parse("1024-65535") == (1024, 65535)
    assert str(PortRange.parse("1024 - 1024")) == "1024-1024"
