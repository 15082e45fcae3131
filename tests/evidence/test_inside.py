"""What services and the world say to each other is no part of the evidence; all that is of the lab is."""

from __future__ import annotations

import pytest

from scenarios.evidence.frame import Frame
from scenarios.evidence.inside import within

LAB = ("198.18.7.0/26", "2001:db8:7:1::/64", "198.18.7.128/26", "2001:db8:7:2::/64")


@pytest.mark.parametrize(
    ("source", "destination", "is_kept"),
    [
        ("198.18.7.32", "198.18.7.160", True),
        ("198.18.7.62", "198.18.7.32", True),  # the firewall, of an ICMP error say
        ("2001:db8:7:1::120", "2001:db8:7:2::120", True),
        ("fe80::1", "ff02::1", True),
        ("0.0.0.0", "255.255.255.255", True),  # noqa: S104 (of DHCP)
        ("", "", True),
        ("198.18.7.32", "192.0.2.80", False),
        ("192.0.2.80", "198.18.7.32", False),
        ("198.18.7.32", "198.18.8.160", False),  # another lab
        ("2001:db8:7:1::120", "2001:db8:8::1", False),
    ],
)
def test_a_frame_is_of_the_lab_where_neither_end_is_out_in_the_world(
    source: str, destination: str, is_kept: bool
) -> None:
    frame = Frame(
        number=1,
        time_ns=0,
        length=66,
        transport="other",
        source=source,
        destination=destination,
        source_port=None,
        destination_port=None,
        identification=None,
        ttl=64,
        flags=frozenset(),
        seq=None,
        ack=None,
        window=None,
        options="",
        payload=b"",
        protocol="IP",
        info="",
        notes=(),
        messages=(),
        byteorders=(),
        checksum_good=True,
    )
    assert within({"client-leg": [frame]}, LAB) == {"client-leg": [frame] if is_kept else []}
