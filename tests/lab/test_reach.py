"""What ping and traceroute print is read to the letter."""

from __future__ import annotations

import pytest

from scenarios.lab.ping import Hop, RoundTrips, parse_ping, parse_traceroute

ANSWERED = """PING 198.18.1.138 (198.18.1.138) 56(84) bytes of data.
64 bytes from 198.18.1.138: icmp_seq=1 ttl=63 time=0.410 ms

--- 198.18.1.138 ping statistics ---
3 packets transmitted, 2 received, 33.3333% packet loss, time 408ms
rtt min/avg/max/mdev = 0.077/0.085/0.091/0.005 ms
"""
LOST = """--- 198.18.1.155 ping statistics ---
3 packets transmitted, 0 received, 100% packet loss, time 408ms
"""
TRACED = """traceroute to 198.18.1.138 (198.18.1.138), 30 hops max, 60 byte packets
 1  198.18.1.62  0.177 ms
 2  *
 3  198.18.1.138  0.059 ms
"""


def test_loss_and_round_trip_times_are_read() -> None:
    assert parse_ping(ANSWERED) == RoundTrips(3, 2, 0.077, 0.085, 0.091)
    assert round(parse_ping(ANSWERED).loss_percent, 1) == 33.3


def test_when_all_is_lost_there_are_no_times() -> None:
    assert parse_ping(LOST) == RoundTrips(3, 0, None, None, None)
    assert parse_ping(LOST).loss_percent == 100


def test_what_is_no_statistics_is_an_error_that_holds_it() -> None:
    with pytest.raises(ValueError, match="Network is unreachable"):
        parse_ping("ping: connect: Network is unreachable")


def test_hops_are_read_with_their_names() -> None:
    assert parse_traceroute(TRACED, {"198.18.1.62": "firewall", "198.18.1.138": "server"}) == [
        Hop(1, "198.18.1.62", "firewall", 0.177),
        Hop(2, None, "no answer", None),
        Hop(3, "198.18.1.138", "server", 0.059),
    ]


def test_a_line_that_is_no_hop_is_an_error() -> None:
    with pytest.raises(ValueError, match="connect"):
        parse_traceroute("traceroute to x\nconnect: refused\n", {})
