"""Packets picked by what they hold: in a payload, across the segments of a stream, again, and within bounds."""

from __future__ import annotations

import ipaddress

import pytest

from images.firewall.inject.content import HOLDS_LIMIT, REMEMBERED
from images.firewall.inject.declared import Pick, read_pick, to_json
from tests.faults.test_injector import CLIENT, SERVER, a_pick, datagram, packets_of, parsed, picked

WORD = b"Host: "
FIRST = 3  # SYN, SYN-ACK and ACK come before the pieces


def test_what_a_payload_holds_is_found_at_its_beginning_and_at_its_end() -> None:
    said = packets_of(b"Host: a", b"GET / Host:", b" b", b"xHost: ")
    assert picked(a_pick(holds="Host: "), said) == [FIRST, FIRST + 3]
    assert picked(a_pick(matches=r"Host: [a-f]$"), said) == [FIRST]
    assert picked(a_pick(holds="Host: ", nth=2), said) == [FIRST + 3]
    assert picked(a_pick(of="udp", holds="Host: "), [datagram(b"Host: a"), datagram(b"host: ")]) == [0]


@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("sequence", [1_000, (1 << 32) - 5])
@pytest.mark.parametrize("cut", range(1, len(WORD)))
def test_across_a_stream_the_segment_that_ends_it_is_picked_wherever_it_is_cut(
    cut: int, sequence: int, ipv6: bool
) -> None:
    said = packets_of(b"GET /" + WORD[:cut], WORD[cut:] + b"here", b"more", ipv6=ipv6, sequence=sequence)
    source, destination = (str(ipaddress.ip_address(each)) for each in _ends(said[0]))
    assert picked(Pick(source, destination, holds="Host: ", across="stream"), said) == [FIRST + 1]


def _ends(data: bytes) -> tuple[bytes, bytes]:
    packet = parsed(data)
    return packet.source, packet.destination


def test_each_byte_by_itself_is_found_too() -> None:
    said = packets_of(*(bytes([byte]) for byte in b"x Host: y"))
    assert picked(a_pick(holds="Host: ", across="stream"), said) == [FIRST + 7]
    assert picked(a_pick(holds="Host: "), said) == []


def test_a_segment_that_is_sent_again_is_found_again_and_one_behind_a_gap_is_not() -> None:
    said = packets_of(b"GET /Ho", b"st: here", b"more")
    first, second, third = said[FIRST : FIRST + 3]
    pick = a_pick(holds="Host: ", across="stream")
    assert picked(pick, [*said[:FIRST], first, second, second, third, second]) == [4, 5, 7]
    assert picked(pick, [*said[:FIRST], first, third, second]) == [5]  # in any order: what was before it is known
    assert picked(pick, [*said[:FIRST], second, third]) == []


def test_a_repetition_that_is_cut_in_another_place_is_found_too() -> None:
    first, second = packets_of(b"GET /Ho", b"st: here")[FIRST:], packets_of(b"GET ", b"/Host: here")[FIRST:]
    syn = packets_of()[:1]
    assert picked(a_pick(holds="Host: ", across="stream"), [*syn, first[0], first[1], second[1]]) == [2, 3]


def test_of_a_stream_so_many_bytes_are_remembered_and_no_more() -> None:
    for size, found in ((REMEMBERED - 2, [FIRST + 2]), (REMEMBERED - 1, [])):
        said = packets_of(b"Ho", b"s" * size, b"t")
        assert picked(a_pick(matches=r"Hos+t", across="stream"), said) == found


def test_what_would_pick_everything_or_cannot_is_refused() -> None:
    for words, problem in (
        ({"holds": ""}, "holds is 1 to 256 characters, not 0"),
        ({"holds": "x" * (HOLDS_LIMIT + 1)}, "holds is 1 to 256 characters, not 257"),
        ({"matches": "("}, "matches is a regular expression for bytes, not '\\('"),
        ({"matches": "x*"}, "matches is an expression that needs a byte"),
        ({"holds": "x", "matches": "y"}, "either holds or matches"),
        ({"holds": "x", "of": "syn"}, "holds is of what has a payload, and syn has none"),
        ({"across": "stream"}, "across is for holds or matches"),
        ({"holds": "x", "across": "stream", "of": "udp"}, "across is of a stream, and udp is none"),
    ):
        with pytest.raises(ValueError, match=problem):
            a_pick(**words)
    whole = Pick(CLIENT, SERVER, holds="x" * HOLDS_LIMIT, across="stream")
    assert read_pick(to_json(whole)) == whole
