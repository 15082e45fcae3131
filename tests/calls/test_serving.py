"""Where a server listens, as ss(8) prints it, and whether another host reaches it there."""

from __future__ import annotations

import re

import pytest

from scenarios.calls.serving import _why_out_of_reach
from scenarios.lab.topology import Family

ALL = "0.0.0.0"  # noqa: S104 (as ss prints it)


@pytest.mark.parametrize(
    ("found", "family", "wrong"),
    [
        (["127.0.0.1"], None, "loopback"),
        (["127.0.0.1", "[::1]"], "ipv4", "loopback"),
        (["[::ffff:127.0.0.1]"], "ipv4", "loopback"),
        (["[::]"], "ipv4", r"over IPv4 nobody .*asyncio.*`families: \[ipv4\]`"),
        (["[2001:db8::1]"], "ipv4", "over IPv4 nobody"),
        (["127.0.0.1", "[::]"], "ipv4", "over IPv4 nobody"),
        ([ALL], "ipv6", "over IPv6 nobody"),
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
