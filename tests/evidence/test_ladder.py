"""The picture shows each packet once, and where it died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import pytest

from scenarios.evidence.frame import Frame
from scenarios.evidence.pairing import MARGIN, contents, draw, draw_middle, of_hosts, rungs
from scenarios.evidence.tcp_stream import stream_bytes
from scenarios.spec.roles import LegName

CLIENT, SERVER = "198.18.1.11", "198.18.1.138"


def segment(number: int, time_ms: float, *, back: bool = False, **changes: object) -> Frame:
    """A segment from the client (or back to it) as the client's leg would show it."""
    source, destination = (SERVER, CLIENT) if back else (CLIENT, SERVER)
    ports = (65432, 40000) if back else (40000, 65432)
    frame = Frame(
        number=number, time_ns=int(time_ms * 1e6), length=66, transport="tcp", source=source, destination=destination,
        source_port=ports[0], destination_port=ports[1], identification=None, ttl=63 if back else 64,
        flags=frozenset({"ACK"}), seq=1, ack=1,
        window=500, options="", payload=b"",
        protocol="TCP", info="", notes=(), messages=(), byteorders=(), checksum_good=True,
    )  # fmt: skip
    return replace(frame, **changes)  # type: ignore[arg-type]


def crossed(frame: Frame) -> Frame:
    """The same packet on the other leg: a little later, or earlier, with another TTL and frame number."""
    later = -10_000 if frame.source == SERVER else 10_000  # an answer passes the server's leg first
    return replace(frame, number=frame.number + 100, time_ns=frame.time_ns + later, ttl=127 - frame.ttl)


SYN = segment(1, 0, flags=frozenset({"SYN"}), seq=99)
SYN_ACK = segment(2, 1, back=True, flags=frozenset({"SYN", "ACK"}), seq=7)
DATA = segment(3, 2, flags=frozenset({"PSH", "ACK"}), seq=100, payload=b"abc", messages=("a message",))


def test_a_packet_on_both_legs_is_one_rung() -> None:
    ladder = rungs([SYN, SYN_ACK, DATA], [crossed(SYN), crossed(SYN_ACK), crossed(DATA)], {CLIENT})
    assert [rung.frame.seq for rung in ladder] == [99, 7, 100]
    assert all(rung.client_leg and rung.server_leg for rung in ladder)
    assert [rung.rightwards for rung in ladder] == [True, False, True]


def test_a_retransmission_of_a_lost_packet_pairs_with_the_one_that_arrived() -> None:
    again = replace(SYN, number=2, time_ns=1_000_000_000)
    first, second = rungs([SYN, again], [crossed(again)], {CLIENT})
    # Equal in all that crossing keeps: which of the two was lost, only the times can say.
    assert (first.client_leg, first.server_leg) == (SYN, None)
    assert (second.client_leg, second.server_leg) == (again, crossed(again))


@pytest.mark.parametrize(
    ("arrives_ms", "took_ms"),
    [((2000, 3000), (2000, 2000)), ((1001, 2000), (2000, 1)), ((0.1, 1000.1), (0.1, 0.1))],
    ids=["each was delayed", "the first was delayed", "none was"],
)
def test_equal_packets_of_which_none_was_lost_are_paired_by_what_their_crossing_took(
    arrives_ms: Sequence[float], took_ms: Sequence[float]
) -> None:
    """A question over UDP that is asked again: Linux gives a datagram that may not be fragmented no identification."""
    sent = [segment(number, number * 1000, transport="udp", seq=None, payload=b"?") for number in (0, 1)]
    arrived = [replace(sent[0], number=9 + n, time_ns=int(at * 1e6), ttl=63) for n, at in enumerate(arrives_ms)]
    found = [(rung.client_leg, rung.server_leg) for rung in rungs(sent, arrived, {CLIENT})]
    assert [(far.time_ns - near.time_ns) / 1e6 for near, far in found if near and far] == list(took_ms)


@pytest.mark.parametrize(("took_ms", "said"), [(0.01, ""), (9, ""), (10, "0.010 s"), (3000, "3.000 s")])
def test_of_a_packet_that_was_held_it_is_said_when_it_left(took_ms: float, said: str) -> None:
    far = replace(crossed(DATA), time_ns=DATA.time_ns + int(took_ms * 1e6))
    lines = [line.plain for line in draw(rungs([DATA], [far], {CLIENT}), ("client", ""), ("server", ""))]
    assert [line.strip(" │") for line in lines[2:] if "firewall" in line] == (
        [f"it left the firewall {said} later"] if said else []
    )


def asked(at_ms: float) -> Frame:
    """A question over UDP, each equal to the others: as over IPv6, where no datagram has an identification."""
    return segment(int(at_ms), at_ms, transport="udp", seq=None, payload=b"?")


def arrived(at_ms: float) -> Frame:
    return replace(asked(at_ms), ttl=63)


@pytest.mark.parametrize(
    ("sent_ms", "arrives_ms", "unsure"),
    [
        ((3, 2751), (3004,), [False, True]),
        ((3, 2751), (2751.1,), [False, False]),
        ((3, 2751), (3003, 5751), [False, False]),
        ((0, 1000), (1001, 2000), [True, False]),
        ((3,), (3004,), [False]),
        ((3, 2751), (1003,), [False, False]),
    ],
    ids=["one was lost", "it crossed at once", "none was lost", "in their order or at once", "one alone", "the first"],
)
def test_of_equal_packets_of_which_another_may_have_crossed_as_well_it_is_said(
    sent_ms: Sequence[float], arrives_ms: Sequence[float], unsure: Sequence[bool]
) -> None:
    ladder = rungs([asked(at) for at in sent_ms], [arrived(at) for at in arrives_ms], {CLIENT})
    assert [rung.is_unsure for rung in ladder] == unsure
    said = "\n".join(line.plain for line in draw(ladder, ("client", ""), ("server", "")))
    assert said.count("or an equal packet before it crossed, and this one did not") == sum(unsure)


def test_a_packet_that_died_at_the_firewall_is_drawn_cut() -> None:
    (line,) = [line.plain for line in draw(rungs([SYN], [], {CLIENT}), ("client", ""), ("server", ""))][2:]
    assert "SYN" in line
    assert "╳" in line
    assert "▶" not in line


def test_a_packet_that_the_firewall_made_begins_at_the_firewall() -> None:
    reset = segment(4, 3, back=True, flags=frozenset({"RST"}))
    (line,) = [line.plain for line in draw(rungs([reset], [], {CLIENT}), ("client", ""), ("server", ""))][2:]
    left, _, right = line.partition("│")[2].partition("│")
    assert "RST" in left
    assert right.strip(" │") == ""


def test_the_message_stands_under_the_packet_that_made_it_whole() -> None:
    lines = [line.plain for line in draw(rungs([DATA], [crossed(DATA)], {CLIENT}), ("client", ""), ("server", ""))]
    assert "PSH ACK 3 bytes" in lines[2]
    assert "a message" in lines[3]


def test_bytes_that_nobody_decodes_are_shown_and_the_rest_is_counted() -> None:
    assert list(contents(segment(3, 2, payload=b"abc"))) == ["b'abc'"]
    assert list(contents(segment(3, 2, payload=b"a" * 50))) == [f"b'{'a' * 48}' and 2 bytes more"]
    assert list(contents(segment(3, 2, payload=b"x", protocol="DNS", info="a query"))) == ["DNS: a query"]


def test_every_line_of_the_picture_has_its_uprights_in_the_same_columns() -> None:
    ladder = rungs([SYN, SYN_ACK, DATA], [crossed(SYN), crossed(DATA)], {CLIENT})
    lines = [line.plain for line in draw(ladder, ("client-be (big)", "a:1"), ("(little) server", "b:2"))]
    columns = {
        tuple(i for i, character in enumerate(line) if character == "│") for line in lines[2:] if "✉" not in line
    }
    assert len(columns) == 1
    assert len({len(line) for line in lines if "✉" not in line}) == 1


def test_a_long_exchange_is_folded_in_its_middle_and_says_how_much() -> None:
    many = [segment(number, number, seq=number) for number in range(100)]
    lines = [line.plain for line in draw(rungs(many, [], {CLIENT}), ("client", ""), ("server", ""))][2:]
    assert len(lines) == 61
    assert lines[40].strip() == "┊ 40 packets more ┊"
    few = [line.plain for line in draw(rungs(many[:61], [], {CLIENT}), ("client", ""), ("server", ""))][2:]
    assert len(few) == 61, "one packet is not worth a line that says so"


@pytest.mark.parametrize(
    ("segments", "carried"),
    [
        ([SYN, DATA], b"abc"),
        ([SYN, DATA, DATA], b"abc"),
        ([SYN, segment(4, 3, seq=103, payload=b"def"), DATA], b"abcdef"),
        ([SYN, segment(4, 3, seq=104, payload=b"def"), DATA], b"abc"),
        ([DATA], b""),
        ([replace(SYN, payload=b"abc"), segment(4, 3, seq=103, payload=b"def")], b"abcdef"),
        ([replace(SYN, payload=b"abc"), DATA], b"abc"),
        (
            [
                replace(SYN, seq=2**32 - 2),
                segment(3, 2, seq=2**32 - 1, payload=b"ab"),
                segment(4, 3, seq=1, payload=b"c"),
            ],
            b"abc",
        ),
    ],
    ids=[
        "once",
        "sent again",
        "out of order",
        "a hole",
        "no SYN",
        "in a SYN",
        "in a SYN, and again",
        "sequence numbers that wrap",
    ],
)
def test_a_stream_is_put_together_by_sequence_number(segments: list[Frame], carried: bytes) -> None:
    assert stream_bytes(segments) == carried


@pytest.mark.parametrize(
    ("client_leg", "server_leg"),
    [
        ("id=0x7f0b, seq=1/256, ttl=64 (reply in 2)", "id=0x7f0b, seq=1/256, ttl=63 (no response found!)"),
        ("id=0x7f0b, seq=1, hop limit=64 (reply in 9)", "id=0x7f0b, seq=1, hop limit=63 (reply in 4)"),
    ],
)
def test_an_echo_is_one_packet_on_both_legs_whatever_hops_are_left(client_leg: str, server_leg: str) -> None:
    echo = segment(1, 0, transport="icmp", info=f"Echo (ping) request  {client_leg}")
    across = replace(crossed(echo), info=f"Echo (ping) request  {server_leg}")
    another = replace(across, info=across.info.replace("seq=1", "seq=2"))
    (rung,) = rungs([echo], [across], {CLIENT})
    assert (rung.client_leg, rung.server_leg) == (echo, across)
    assert len(rungs([echo], [another], {CLIENT})) == 2


@pytest.mark.parametrize(
    "header", [{"seq": 10_100}, {"ack": 10_001}, {"options": "0101"}, {"flags": frozenset({"PSH", "ACK", "URG"})}]
)
def test_a_segment_whose_header_was_changed_on_the_way_is_one_rung(header: dict[str, object]) -> None:
    (rung,) = rungs([DATA], [replace(crossed(DATA), **header)], {CLIENT})  # type: ignore[arg-type]
    assert rung.client_leg is DATA
    assert rung.server_leg is not None


@pytest.mark.parametrize(
    "other", [{"payload": b"abd"}, {"flags": frozenset({"RST"})}, {"seq": 5, "ack": 5}, {"identification": 7}]
)
def test_a_segment_that_says_something_else_is_another_rung(other: dict[str, object]) -> None:
    found = rungs([DATA], [replace(crossed(DATA), **other)], {CLIENT})  # type: ignore[arg-type]
    assert len(found) == 2


def test_an_empty_acknowledgement_is_known_again_by_its_identification_alone() -> None:
    unknown, known = segment(4, 3), segment(4, 3, identification=7)
    assert len(rungs([unknown], [replace(crossed(unknown), seq=9)], {CLIENT})) == 2
    assert len(rungs([known], [replace(crossed(known), seq=9)], {CLIENT})) == 1


def test_of_a_segment_that_was_lost_and_sent_again_the_repetition_is_what_crossed_with_another_header() -> None:
    again = segment(5, 300, flags=DATA.flags, seq=100, payload=b"abc", identification=2)
    lost = replace(DATA, identification=1)
    first, second = rungs([lost, again], [replace(crossed(again), seq=7)], {CLIENT})
    assert (first.client_leg, first.server_leg) == (lost, None)
    assert second.client_leg is again


def test_a_picture_has_what_hosts_say_and_no_talk_between_neighbours() -> None:
    neighbours = replace(SYN, source="fe80::1", destination="fe80::2", transport="icmp")
    asked = replace(SYN, transport="arp")
    assert of_hosts([SYN, neighbours, asked], {CLIENT}) == [SYN]


def test_of_a_server_in_the_middle_the_way_to_its_backend_is_drawn_at_its_other_side() -> None:
    backend = "198.18.1.96"
    asked = replace(SYN, source=SERVER, destination=backend, number=5, time_ns=5_000_000)  # by the server's leg first
    answered = replace(SYN_ACK, source=backend, destination=SERVER, number=6, time_ns=6_000_000)
    lost = replace(answered, number=7, time_ns=7_000_000, seq=8, flags=frozenset({"FIN", "ACK"}))
    server_leg = [crossed(SYN), asked, replace(crossed(answered), time_ns=6_010_000)]
    backend_leg = [replace(crossed(asked), time_ns=5_010_000), answered, lost]
    ends = ("client", "1"), ("proxy", "2"), ("app", "3")
    paired = rungs([SYN], server_leg, {CLIENT}, backend_leg, {backend})
    lines = [line.plain for line in draw_middle(paired, *ends)]
    heads, *drawn = lines[0], *(line[MARGIN:] for line in lines[2:])
    assert heads.split() == ["client", "proxy", "app"]
    assert len({len(line) for line in drawn}) == 1
    uprights = [at for at, sign in enumerate(drawn[0]) if sign in "│┊"]
    assert len(uprights) == 5
    assert abs(heads.index("proxy") + 2 - MARGIN - uprights[2]) <= 1
    middle = uprights[2]
    to_proxy, to_app, from_app, died = ((line[:middle], line[middle:]) for line in drawn)
    assert "SYN" in to_proxy[0]
    assert "▶" in to_proxy[0]
    assert to_proxy[1].strip(" │┊") == ""
    assert "SYN" in to_app[1]
    assert "▶" in to_app[1]
    assert to_app[0].strip(" │┊") == ""
    assert "◀" in from_app[1]
    firewall = uprights[3] - middle
    assert "╳" in died[1][firewall:]
    assert died[1][:firewall].strip(" │┊") == ""


BACKEND = "198.18.1.96"
ASKED = replace(SYN, source=SERVER, destination=BACKEND)
ANSWERED = replace(SYN_ACK, source=BACKEND, destination=SERVER)


def later(frame: Frame) -> Frame:
    return replace(frame, number=frame.number + 100, time_ns=frame.time_ns + 10_000, ttl=frame.ttl - 1)


def test_a_packet_of_the_third_leg_is_paired_with_the_second_s_and_none_of_the_first_s() -> None:
    of_client = [SYN, crossed(SYN)]
    found = rungs([SYN], [crossed(SYN), ASKED, later(ANSWERED)], {CLIENT}, [later(ASKED), ANSWERED], {BACKEND})
    assert [(rung.way, rung.rightwards, rung.left, rung.right) for rung in found] == [
        (("client-leg", "server-leg"), True, *of_client),
        (("server-leg", "backend-leg"), True, ASKED, later(ASKED)),
        (("server-leg", "backend-leg"), False, later(ANSWERED), ANSWERED),
    ]
    assert [rung.on("server-leg") for rung in found] == [crossed(SYN), ASKED, later(ANSWERED)]
    assert [rung.on("client-leg") for rung in found] == [SYN, None, None]


def test_a_packet_to_a_backend_that_is_lost_is_on_the_leg_by_which_it_came() -> None:
    there, back = rungs([], [ASKED], {CLIENT}, [ANSWERED], {BACKEND})
    assert (there.near, there.far, back.near, back.far) == (ASKED, None, ANSWERED, None)


def test_what_a_client_says_to_a_backend_itself_crosses_the_outer_legs() -> None:
    past = replace(SYN, destination=BACKEND)
    (rung,) = rungs([past], [], {CLIENT}, [later(past)], {BACKEND})
    assert (rung.way, rung.left, rung.right) == (("client-leg", "backend-leg"), past, later(past))


@pytest.mark.parametrize("leg", [0, 1, 2])
@pytest.mark.parametrize("source", ["fe80::1", "198.18.1.62", CLIENT, SERVER, BACKEND])
@pytest.mark.parametrize("destination", ["ff02::1", CLIENT, SERVER, BACKEND])
def test_every_frame_is_on_its_own_leg_of_just_one_rung(leg: int, source: str, destination: str) -> None:
    odd = replace(SYN, source=source, destination=destination)
    legs: list[list[Frame]] = [[], [], []]
    legs[leg].append(odd)
    (rung,) = rungs(legs[0], legs[1], {CLIENT}, legs[2], {BACKEND})
    assert rung.on(get_args(LegName)[leg]) is odd
