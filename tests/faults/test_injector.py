"""The injector without a kernel: packets, picks, actions, the faults one behind the other, the rules, the words."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.firewall.inject import names, rules, translation
from images.firewall.inject import packet as packets
from images.firewall.inject.declared import (
    Action,
    Alter,
    Corrupt,
    Cut,
    Delay,
    Drop,
    Duplicate,
    Hold,
    Kind,
    OtherPort,
    Pick,
    Refuse,
    Reorder,
    Split,
    read_action,
    read_pick,
    to_json,
)
from images.firewall.inject.forging_words import Forge, Watch
from images.firewall.inject.icmp_errors import ICMP_ERRORS, IcmpError
from images.firewall.inject.packet import Packet
from images.firewall.inject.path_words import Path
from images.firewall.inject.picking import CONNECTIONS_LIMIT, Picker
from images.firewall.inject.wire import FAULTS_LIMIT, HITS_LIMIT, Fault, Step, Verb, Wire
from tests.evidence.packets import Capture, Conversation
from tests.evidence.packets import checksum as checksum_by_the_word

CLIENT, SERVER = "198.18.1.10", "198.18.1.138"
CLIENT6, SERVER6 = "2001:db8:1::a", "2001:db8:1::8a"
MS = 1_000_000
EVERY_ACTION: list[Action] = [
    *(Drop(), Delay(0.1), Delay(0.1, 0.1, reorder=True), Duplicate(2), Duplicate(1, 0.5), Reorder(1, 1.0), Corrupt()),
    *(Corrupt(3, 7), Alter(0, 0), Alter(5, 255, of="stream"), Split(1), Split(7), Cut(4), Hold()),
    *(Cut(4, "fin"), Cut(4, "rst"), Refuse("net-unknown"), Watch(), Forge("rst", "both", 1), Forge("net-unreachable")),
    *(Path(0.1, 0.1, bits_per_s=1000000, worsens=10.0, recovers=50.0), Path(trace="1 2 2", queue_bytes=1500)),
]


def parsed(data: bytes, original: object = None) -> Packet:
    packet = packets.parse(data, original)
    assert packet is not None
    return packet


def packets_of(*pieces: bytes, ipv6: bool = False, sequence: int = 1_000) -> list[bytes]:
    """The IP packets of a conversation in which the client sends these pieces: SYN, SYN ACK, ACK, then the pieces."""
    capture = Capture()
    conversation: Conversation = capture.conversation(ipv6=ipv6, sequence=sequence)
    conversation.send(*pieces)
    conversation.finish()
    return [frame[14:] for frame in capture.frames]


def datagram(payload: bytes, *, port: int = 5300, identification: int = 7) -> bytes:
    udp = struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), identification, 0, 64, 17, 0)
    header += bytes((198, 18, 1, 10)) + bytes((198, 18, 1, 138))
    return header[:10] + struct.pack("!H", checksum_by_the_word(header)) + header[12:] + udp


def numbered(count: int) -> list[bytes]:
    return [datagram(b"%d" % number) for number in range(1, count + 1)]


def question(name: str, *, response: bool = False) -> bytes:
    labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b".")) + b"\0"
    message = struct.pack("!HHHHHH", 1, 0x8180 if response else 0x0100, 1, 0, 0, 0) + labels + b"\0\1\0\1"
    return datagram(message, port=53)


def a_pick(**words: object) -> Pick:
    return Pick(CLIENT, SERVER, **words)  # type: ignore[arg-type]


def wire_with(action: Action, pick: Pick, seed: int = 0) -> tuple[Wire, Fault]:
    wire, fault = Wire(), Fault("fault", action, pick, seed)
    wire.apply(fault)
    return wire, fault


def picked(pick: Pick, data: list[bytes], seed: int = 0) -> list[int]:
    """Which of these packets are picked, by their place, from 0."""
    wire, _ = wire_with(Drop(), pick, seed)
    return [place for place, each in enumerate(data) if wire.arrive(each, place, 0)[0].verb is Verb.LOSE]


def came_out(steps: list[Step], data: list[bytes]) -> list[bytes]:
    """The payloads that went on, of packets whose `original` is their place in `data`."""
    sent = [step.data or data[step.original] for step in steps if step.verb is not Verb.LOSE]
    return [parsed(each).data[parsed(each).payload :] for each in sent]


def assert_sound(data: bytes) -> None:
    """Lengths and checksums are right."""
    packet = parsed(data)
    assert packet.end == len(data)
    if data[0] >> 4 == 4:
        assert checksum_by_the_word(data[: packet.transport]) == 0
    assert packet.protocol is not None
    at = packet.transport + packets.CHECKSUM_AT[packet.protocol]
    assert int.from_bytes(data[at : at + 2], "big") == packets.transport_checksum(packet, data)


# Packets ----------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_the_checksum_is_that_of_rfc_1071(data: bytes) -> None:
    assert packets.checksum(data) == checksum_by_the_word(data)


@pytest.mark.parametrize("data", [b"", b"\0\0", b"\xff\xff", b"\xff\xff\xff\xff", b"\xff"])
def test_the_checksum_of_nothing_and_of_ones_is_right(data: bytes) -> None:
    assert packets.checksum(data) == checksum_by_the_word(data)


@pytest.mark.parametrize("ipv6", [False, True])
def test_a_segment_is_read_and_written_again_to_the_byte(ipv6: bool) -> None:
    for data in packets_of(b"hello", b"odd", ipv6=ipv6):
        packet = parsed(data)
        payload = data[packet.payload : packet.end]
        assert packets.with_payload(packet, payload, None, packet.seq, packet.flags).data == data
        assert_sound(data)


def test_what_a_segment_says_is_read() -> None:
    packet = parsed(packets_of(b"hello", sequence=77)[3])
    assert (packet.source_port, packet.destination_port) == (10_000, 65432)
    assert (packet.seq, packet.length, packet.flags) == (78, 5, packets.PSH | packets.ACK)
    assert packets.describe(packet)["head"] == b"hello".hex()


@pytest.mark.parametrize("ipv6", [False, True])
def test_a_packet_cut_short_anywhere_raises_nothing_and_is_never_written_anew(ipv6: bool) -> None:
    data = packets_of(b"hello", ipv6=ipv6)[3]
    for length in range(len(data)):
        packet = packets.parse(data[:length])
        assert packet is None or not packet.is_whole


def test_a_packet_with_too_many_extension_headers_is_garbage() -> None:
    def with_options(count: int) -> bytes:
        data = packets_of(b"hello", ipv6=True)[3]
        options = b"".join(bytes([60 if left else 6, 0, 1, 4, 0, 0, 0, 0]) for left in reversed(range(count)))
        body = options + data[40:]
        return data[:4] + struct.pack("!HB", len(body), 60 if count else 6) + data[7:40] + body

    assert parsed(with_options(7)).length == 5
    assert packets.parse(with_options(packets.EXTENSIONS_LIMIT)) is None


def test_fragments_are_known_and_left_alone() -> None:
    data = bytearray(datagram(b"hello"))
    data[6:8] = struct.pack("!H", 0x2000)
    first = parsed(bytes(data))
    assert (first.protocol, first.is_whole) == (packets.UDP, False)
    data[6:8] = struct.pack("!H", 100)
    later = parsed(bytes(data))
    assert (later.protocol, later.is_whole) == (None, False)
    with pytest.raises(ValueError, match="not whole"):
        packets.with_payload(later, b"", None)


def test_udp_without_a_checksum_keeps_none_and_a_computed_zero_is_sent_as_ones() -> None:
    assert parsed(packets.with_payload(parsed(datagram(b"hello")), b"other", None).data).data[26:28] == b"\0\0"
    data = bytearray(datagram(b"\0\0"))
    data[26:28] = b"\1\1"  # it has one, whichever
    packet = parsed(bytes(data))
    for value in range(1 << 16):
        payload = value.to_bytes(2, "big")
        if (
            checksum_by_the_word(packet.source + packet.destination + bytes(data[20:26]) + b"\0\x11\0\x0a" + payload)
            == 0
        ):
            assert packets.with_payload(packet, payload, None).data[26:28] == b"\xff\xff"
            break
    else:
        pytest.fail("no payload has the checksum 0")


def test_a_dns_question_is_read_without_regard_to_case() -> None:
    asked = [names.question(question(name)[28:]) for name in ("Server.LAB", "a" * 63 + ".lab")]
    assert [each and each.name for each in asked] == ["server.lab", "a" * 63 + ".lab"]
    answered = names.question(question("server.lab", response=True)[28:])
    assert answered is not None
    assert answered.is_answered
    data = question("server.lab")[28:]
    assert all(names.question(data[:length]) is None for length in range(len(data)))


@given(st.binary(max_size=600))
def test_a_dns_question_of_any_bytes_raises_nothing(message: bytes) -> None:
    found = names.question(message)
    assert found is None or found.end <= len(message)


# Picks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ("any", [0, 2, 3, 4, 5]),
        ("syn", [0]),
        ("handshake-ack", [2]),
        ("ack", [2]),
        ("data", [3, 4]),
        ("fin", [5]),
        ("rst", []),
        ("udp", []),
        ("syn-ack", []),
    ],
)
@pytest.mark.parametrize("ipv6", [False, True])
def test_a_kind_picks_its_packets_and_only_those_of_its_direction(of: Kind, expected: list[int], ipv6: bool) -> None:
    ends = (CLIENT6, SERVER6) if ipv6 else (CLIENT, SERVER)
    conversation = packets_of(b"one", b"two", ipv6=ipv6)
    assert picked(Pick(*ends, of=of), conversation) == expected
    assert picked(Pick(*ends, of=of, to_port=1), conversation) == []
    assert picked(Pick(ends[1], ends[0], of="syn-ack"), conversation) == [1]


def test_the_nth_the_first_n_and_every_one_are_counted_from_one() -> None:
    data = numbered(6)
    assert picked(a_pick(of="udp", nth=1), data) == [0]
    assert picked(a_pick(of="udp", nth=4), data) == [3]
    assert picked(a_pick(of="udp", first=2), data) == [0, 1]
    assert picked(a_pick(of="udp"), data) == [0, 1, 2, 3, 4, 5]


@given(seed=st.integers(), percent=st.floats(0, 100))
def test_the_same_seed_picks_the_same_packets_and_the_draw_is_that_of_python(seed: int, percent: float) -> None:
    draws = random.Random(seed)  # noqa: S311 (it is to be foretold)
    expected = [place for place in range(40) if draws.random() * 100 < percent]
    assert picked(a_pick(of="udp", percent=percent), numbered(40), seed) == expected


def test_packets_that_are_not_of_the_kind_do_not_change_the_draws() -> None:
    data = numbered(40)
    mixed = [each for number in data for each in (packets_of(b"x")[3], number)]
    alone = picked(a_pick(of="udp", percent=30), data, seed=7)
    assert [place // 2 for place in picked(a_pick(of="udp", percent=30), mixed, seed=7)] == alone
    assert alone


@pytest.mark.parametrize("sequence", [1_000, 2**32 - 3])
@pytest.mark.parametrize(("byte", "place"), [(0, 3), (4, 3), (5, 4), (9, 4), (10, None)])
def test_byte_n_is_carried_by_one_segment_though_sequence_numbers_wrap(
    sequence: int, byte: int, place: int | None
) -> None:
    conversation = packets_of(b"01234", b"56789", sequence=sequence)
    assert picked(a_pick(byte=byte), conversation) == ([] if place is None else [place])


def test_byte_n_is_picked_once_in_each_connection_and_again_picks_its_retransmissions() -> None:
    capture = Capture()
    for _ in range(2):
        conversation = capture.conversation()
        conversation.send(b"01234", b"56789")
        conversation.send_again(5, b"56789")
        conversation.send_again(10, b"0123456789")
    data = [frame[14:] for frame in capture.frames]
    assert picked(a_pick(byte=7), data) == [4, 11]
    assert picked(a_pick(byte=7, again=True), data) == [4, 5, 6, 11, 12, 13]


def test_bytes_of_a_connection_whose_syn_was_not_seen_are_not_placed() -> None:
    wire, fault = wire_with(Drop(), a_pick(byte=0))
    for data in packets_of(b"hello")[2:]:
        assert wire.arrive(data, 0, 0)[0].verb is Verb.ACCEPT
    assert fault.hits(0)["unplaced"] == 1


def test_again_picks_whatever_carries_any_of_what_was_picked() -> None:
    capture = Capture()
    conversation = capture.conversation()
    conversation.send(b"01234", b"56789")
    conversation.send_again(7, b"34567")
    conversation.send_again(5, b"56789")
    conversation.send_again(10, b"01234")  # ends where what was picked begins
    conversation.send(b"abc")
    data = [frame[14:] for frame in capture.frames]
    assert picked(a_pick(of="data", nth=2), data) == [4]
    assert picked(a_pick(of="data", nth=2, again=True), data) == [4, 5, 6]
    syn = data[0]
    assert picked(a_pick(of="syn", nth=1, again=True), [syn, *data, syn]) == [0, 1, len(data) + 1]
    assert picked(a_pick(of="syn", nth=1), [syn, *data, syn]) == [0]


def test_the_handshakes_ack_is_the_first_and_its_repetition_only_with_again() -> None:
    conversation = packets_of(b"hello")
    repeated = [*conversation[:3], conversation[2], *conversation[3:]]
    assert picked(a_pick(of="handshake-ack", nth=1), repeated) == [2]
    assert picked(a_pick(of="handshake-ack", nth=1, again=True), repeated) == [2, 3]
    later = bytearray(conversation[2])
    later[31] += 1  # it acknowledges data of the server's: a pure ACK, but not the handshake's
    assert picked(a_pick(of="handshake-ack"), [*conversation[:3], bytes(later)]) == [2]


def test_a_dns_query_is_picked_by_its_name() -> None:
    data = [
        question("client.lab"),
        question("server.lab"),
        question("server.lab", response=True),
        datagram(b"x", port=53),
    ]
    assert picked(a_pick(of="dns-query", name="SERVER.lab."), data) == [1]


def test_no_more_connections_are_remembered_than_the_limit() -> None:
    picker = Picker(a_pick(byte=0), 0, needs_stream=False)
    syn = parsed(packets_of(b"")[0])
    for port in range(CONNECTIONS_LIMIT + 1):
        syn.source_port = port + 1
        assert picker.connection(syn) is not None
        assert len(picker._connections) <= CONNECTIONS_LIMIT
    syn.source_port = 2
    assert picker.connection(syn) is picker.connection(syn)
    assert len(picker._connections) == CONNECTIONS_LIMIT


# Actions ----------------------------------------------------------------------------------------------------------


def times(wire: Wire, arrivals: list[tuple[int, bytes]]) -> Iterator[tuple[int, int]]:
    """When each packet goes on, with its place in the arrivals; those that are made here have the place -1."""
    waiting = [(at, place) for place, (at, _) in enumerate(arrivals)]
    while waiting or wire.due is not None:
        due = wire.due
        if waiting and (due is None or waiting[0][0] <= due):
            now, place = waiting.pop(0)
            steps = wire.arrive(arrivals[place][1], place, now)
        else:
            assert due is not None
            now, steps = due, wire.tick(due)
        for step in steps:
            if step.verb is not Verb.LOSE:
                yield now, -1 if step.original is None else step.original


def test_a_delay_is_exact_and_other_packets_wait_for_nothing() -> None:
    wire, _ = wire_with(Delay(0.1), a_pick(of="udp", nth=2))
    arrivals = [(number * MS, data) for number, data in enumerate(numbered(3))]
    assert list(times(wire, arrivals)) == [(0, 0), (2 * MS, 2), (101 * MS, 1)]


@given(seed=st.integers(0, 1000))
def test_jitter_keeps_the_order_unless_it_is_to_reorder(seed: int) -> None:
    arrivals = [(number * MS, data) for number, data in enumerate(numbered(20))]
    wire, _ = wire_with(Delay(0.1, 0.1), a_pick(of="udp"), seed)
    kept = list(times(wire, arrivals))
    assert [place for _, place in kept] == list(range(20))
    assert all(arrivals[place][0] <= at <= arrivals[place][0] + 200 * MS + 20 * MS for at, place in kept)
    again, _ = wire_with(Delay(0.1, 0.1), a_pick(of="udp"), seed)
    assert list(times(again, arrivals)) == kept, "the same seed, the same times"


def test_jitter_reorders_when_it_is_to() -> None:
    arrivals = [(number * MS, data) for number, data in enumerate(numbered(20))]
    wire, _ = wire_with(Delay(0.1, 0.1, reorder=True), a_pick(of="udp"), seed=1)
    order = [place for _, place in times(wire, arrivals)]
    assert sorted(order) == list(range(20))
    assert order != sorted(order)


def test_duplicates_follow_each_other() -> None:
    wire, _ = wire_with(Duplicate(copies=2, after_s=0.05), a_pick(of="udp", nth=1))
    assert list(times(wire, [(0, datagram(b"1"))])) == [(0, 0), (50 * MS, -1), (100 * MS, -1)]


def test_a_packet_is_overtaken_by_so_many_or_waits_no_longer_than_it_is_told() -> None:
    arrivals = [(number * MS, data) for number, data in enumerate(numbered(5))]
    wire, _ = wire_with(Reorder(behind=2, within_s=1), a_pick(of="udp", nth=2))
    assert [place for _, place in times(wire, arrivals)] == [0, 2, 3, 1, 4]
    wire, _ = wire_with(Reorder(behind=9, within_s=1), a_pick(of="udp", first=2))
    assert list(times(wire, arrivals))[-2:] == [(1000 * MS, 0), (1001 * MS, 1)]


def test_what_is_held_goes_on_when_healed_through_the_faults_behind() -> None:
    wire, _ = wire_with(Hold(), a_pick(of="udp"))
    behind = Fault("behind", Drop(), a_pick(of="udp", nth=2), 0)
    wire.apply(behind)
    data = numbered(3)
    assert [wire.arrive(each, place, 0) for place, each in enumerate(data)] == [[], [], []]
    assert wire.due is None
    steps = wire.heal("fault", 5)
    assert [(step.verb, step.original) for step in steps] == [(Verb.ACCEPT, 0), (Verb.LOSE, 1), (Verb.ACCEPT, 2)]
    assert behind.hits(0)["seen"] == 3


@given(data=st.binary(min_size=1, max_size=40), seed=st.integers(0, 100), ipv6=st.booleans())
def test_corruption_flips_one_bit_and_the_checksum_no_longer_fits(data: bytes, seed: int, ipv6: bool) -> None:
    segment = packets_of(data, ipv6=ipv6)[3]
    ends = (CLIENT6, SERVER6) if ipv6 else (CLIENT, SERVER)
    wire, _ = wire_with(Corrupt(), Pick(*ends, of="data"), seed)
    (step,) = wire.arrive(segment, "it", 0)
    changed = int.from_bytes(step.data, "big") ^ int.from_bytes(segment, "big")
    assert changed.bit_count() == 1
    at = parsed(segment).transport + 16
    assert packets.transport_checksum(parsed(step.data), step.data) != int.from_bytes(step.data[at : at + 2], "big")
    assert step.data[: parsed(segment).payload] == segment[: parsed(segment).payload]


def test_a_segment_without_payload_has_its_checksum_damaged() -> None:
    syn = packets_of(b"")[0]
    (step,) = wire_with(Corrupt(), a_pick(of="syn"))[0].arrive(syn, "it", 0)
    assert step.data[:36] + step.data[38:] == syn[:36] + syn[38:]
    assert step.data != syn


@given(
    data=st.binary(min_size=1, max_size=60),
    size=st.integers(1, 70),
    ipv6=st.booleans(),
    start=st.integers(0, 2**32 - 1),
)
def test_the_parts_of_a_segment_are_sound_and_make_up_the_whole(data: bytes, size: int, ipv6: bool, start: int) -> None:
    segment = packets_of(data, ipv6=ipv6, sequence=start)[3]
    ends = (CLIENT6, SERVER6) if ipv6 else (CLIENT, SERVER)
    wire, _ = wire_with(Split(size), Pick(*ends, of="data"))
    steps = wire.arrive(segment, "it", 0)
    parts = [parsed(step.data or segment) for step in steps]
    assert [step.original for step in steps] == ["it"] + [None] * (len(parts) - 1)
    assert b"".join(part.data[part.payload :] for part in parts) == data
    assert all(part.length <= size for part in parts)
    seqs = [(part.seq - parts[0].seq) % 2**32 for part in parts]
    assert seqs == [min(size, len(data)) * number for number in range(len(parts))]
    assert ["PSH" in str(packets.describe(part)["flags"]) for part in parts] == [False] * (len(parts) - 1) + [True]
    for part in parts:
        assert_sound(part.data)


def test_the_fin_goes_with_the_last_part_and_the_syn_with_the_first() -> None:
    packet = parsed(packets_of(b"hello")[3])
    whole = packets.with_payload(packet, b"hello", None, 9, packets.SYN | packets.FIN | packets.ACK)
    steps = wire_with(Split(2), a_pick(of="data"))[0].arrive(whole.data, "it", 0)
    parts = [parsed(step.data) for step in steps]
    assert [(part.flags, part.seq) for part in parts] == [
        (packets.SYN | packets.ACK, 9),
        (packets.ACK, 12),
        (packets.FIN | packets.ACK, 14),
    ]


def test_the_urgent_pointer_counts_from_the_part_that_has_it() -> None:
    packet = parsed(packets_of(b"hello")[3])
    urgent = packets.with_byte(packet, packet.transport + 19, 3)
    urgent = packets.with_payload(urgent, b"hello", None, 9, packets.URG | packets.ACK)
    steps = wire_with(Split(2), a_pick(of="data"))[0].arrive(urgent.data, "it", 0)
    parts = [parsed(step.data) for step in steps]
    assert [(bool(part.flags & packets.URG), part.data[39]) for part in parts] == [(True, 3), (True, 1), (False, 0)]


def test_a_cut_lets_through_exactly_the_bytes_before_it() -> None:
    data = packets_of(b"01234", b"56789", b"abc")
    for at in range(14):
        wire, _ = wire_with(Cut(at), a_pick(of="any"))
        steps = [step for place, each in enumerate(data) for step in wire.arrive(each, place, 0)]
        assert b"".join(came_out(steps, data)) == b"0123456789abc"[:at]
        fin = parsed(data[-1])
        gone = [step.original for step in steps if step.verb is Verb.LOSE]
        assert (len(data) - 1 in gone) == (at <= 13), "the FIN is behind the last byte"
        assert fin.flags & packets.FIN


@pytest.mark.parametrize("then", ["fin", "rst"])
@pytest.mark.parametrize("ipv6", [False, True])
def test_behind_a_cut_stands_the_fin_or_the_reset_that_was_asked_for(then: Literal["fin", "rst"], ipv6: bool) -> None:
    data = packets_of(b"01234", b"56789", b"abc", ipv6=ipv6)
    flag = {"fin": packets.FIN, "rst": packets.RST}[then]
    pick = Pick(CLIENT6, SERVER6) if ipv6 else a_pick(of="any")
    for at in range(13):
        wire, _ = wire_with(Cut(at, then), pick)
        steps = [step for place, each in enumerate(data) for step in wire.arrive(each, place, 0)]
        sent = [parsed(step.data or data[step.original]) for step in steps if step.verb is not Verb.LOSE]
        assert b"".join(bytes(each.data[each.payload : each.end]) for each in sent) == b"0123456789abc"[:at]
        ends = [each for each in sent if each.flags & (packets.FIN | packets.RST)]
        assert [each.flags & flag for each in ends] == [flag], "one end, and no other"
        behind = (ends[0].payload_seq + ends[0].length - 1_001) % (1 << 32)
        assert behind == at, "it stands behind the last byte that came through"
        for step in steps:
            if step.data:
                assert_sound(step.data)


def test_a_cut_behind_everything_ends_nothing() -> None:
    data = packets_of(b"01234")
    for then in ("fin", "rst"):
        wire, fault = wire_with(Cut(6, then), a_pick(of="data"))
        steps = [step for place, each in enumerate(data) for step in wire.arrive(each, place, 0)]
        assert all(step.verb is Verb.ACCEPT and not step.data for step in steps)
        assert fault.hits(0)["untouched"] == 1


def with_flags(data: bytes, flags: int, seq: int) -> bytes:
    """A segment without data, which stands so many bytes behind the first one of the stream."""
    packet = parsed(data)
    return bytes(packets.with_payload(packet, b"", None, packet.payload_seq + seq, flags).data)


def test_behind_a_cut_no_end_of_the_stream_goes_on_and_every_acknowledgement_does() -> None:
    data = packets_of(b"0123456789", b"abc")
    wire, _ = wire_with(Cut(4), a_pick(of="any"))
    steps = [step for place, each in enumerate(data) for step in wire.arrive(each, place, 0)]
    assert came_out(steps, data)[-1] == b"0123"
    for flags, is_lost in (
        (packets.ACK, False),
        (packets.FIN | packets.ACK, True),
        (packets.RST | packets.ACK, True),
        (packets.RST, True),
    ):
        (step,) = wire.arrive(with_flags(data[-1], flags, 256), "it", 0)
        assert (step.verb is Verb.LOSE) == is_lost, flags


def test_what_is_sent_again_is_cut_at_the_same_place() -> None:
    data = packets_of(b"0123456789")
    wire, _ = wire_with(Cut(4, "fin"), a_pick(of="data"))
    first, again = ([step for each in data for step in wire.arrive(each, "it", 0)] for _ in range(2))
    assert [step.data for step in first] == [step.data for step in again]


def with_a_checksum(data: bytes) -> bytes:
    """A datagram that has one, of whatever value: 0 says that there is none, and stays (RFC 768)."""
    return data[:26] + b"\xff\xff" + data[28:]


def test_a_datagram_is_cut_to_its_first_bytes_and_its_length_says_so() -> None:
    pick = Pick(CLIENT, SERVER, of="udp")
    for at, came in ((0, b""), (4, b"0123"), (9, b"012345678")):
        wire, _ = wire_with(Cut(at), pick)
        (step,) = wire.arrive(with_a_checksum(datagram(b"0123456789")), "it", 0)
        cut = parsed(step.data)
        assert bytes(cut.data[cut.payload : cut.end]) == came
        assert struct.unpack_from("!H", cut.data, cut.transport + 4) == (8 + at,)
        assert_sound(step.data)
    wire, fault = wire_with(Cut(10), pick)
    assert wire.arrive(datagram(b"0123456789"), "it", 0) == [Step(Verb.ACCEPT, "it", b"")]
    assert fault.hits(0)["untouched"] == 1


@pytest.mark.parametrize("port", [1, 65535])
def test_a_datagram_goes_on_as_if_from_another_port(port: int) -> None:
    wire, _ = wire_with(OtherPort(port), Pick(CLIENT, SERVER, of="udp"))
    (step,) = wire.arrive(with_a_checksum(datagram(b"0123456789")), "it", 0)
    moved, before = parsed(step.data), parsed(datagram(b"0123456789"))
    assert (moved.source_port, moved.destination_port) == (port, before.destination_port)
    assert moved.data[moved.payload : moved.end] == b"0123456789"
    assert_sound(step.data)


# As RFC 792, RFC 1122 (3.2.2.1) and RFC 1812 (5.2.7.1) have them: type and code.
ERRORS: dict[IcmpError, tuple[int, int]] = {
    "source-route-failed": (3, 5),
    "net-unknown": (3, 6),
    "host-unknown": (3, 7),
    "source-host-isolated": (3, 8),
    "net-unreachable-for-tos": (3, 11),
    "host-unreachable-for-tos": (3, 12),
    "host-precedence-violation": (3, 14),
    "precedence-cutoff": (3, 15),
    "source-quench": (4, 0),
    "reassembly-time-exceeded": (11, 1),
    "parameter-problem": (12, 0),
}


@pytest.mark.parametrize("by", ICMP_ERRORS)
def test_a_packet_is_lost_and_its_sender_is_told_by_an_error_that_quotes_it(by: IcmpError) -> None:
    syn, *_, data = packets_of(b"hello")[:4]
    wire, fault = wire_with(Refuse(by), a_pick(of="syn"))
    lost, told = wire.arrive(syn, "it", 0)
    assert (lost.verb, lost.original, told.verb) == (Verb.LOSE, "it", Verb.SEND)
    error = parsed(told.data)
    assert (error.protocol, error.source, error.destination) == (packets.ICMP, bytes(4), parsed(syn).source)
    assert tuple(error.data[20:22]) == ERRORS[by]
    assert error.data[28:] == syn
    assert checksum_by_the_word(error.data[20:]) == 0
    assert_sound(told.data)
    assert wire.arrive(data, "it", 0) == [Step(Verb.ACCEPT, "it", b"")]
    assert fault.hits(0)["untouched"] == 0


@pytest.mark.parametrize(("size", "quoted"), [(packets.QUOTED, packets.QUOTED), (packets.QUOTED + 1, packets.QUOTED)])
def test_an_error_has_at_most_576_bytes(size: int, quoted: int) -> None:
    wire, _ = wire_with(Refuse("host-unknown"), a_pick(of="udp"))
    long = datagram(bytes(size - 28))
    told = wire.arrive(long, "it", 0)[1].data
    assert len(told) == 28 + quoted <= 576
    assert told[28:] == long[:quoted]


def test_no_error_is_told_of_icmp_of_a_later_fragment_or_over_ipv6() -> None:
    later = bytearray(datagram(b"hello"))
    later[6:8] = struct.pack("!H", 100)
    error = wire_with(Refuse("net-unknown"), a_pick())[0].arrive(datagram(b"x"), "it", 0)[1].data
    for data in (bytes(later), error, packets_of(ipv6=True)[0]):
        with pytest.raises(ValueError, match="no ICMP error"):
            packets.icmp_error(parsed(data), 3, 6)
    wire, fault = wire_with(Refuse("net-unknown"), Pick(CLIENT6, SERVER6))
    assert wire.arrive(packets_of(ipv6=True)[0], "it", 0) == [Step(Verb.ACCEPT, "it", b"")]
    assert fault.hits(0)["untouched"] == 1


@pytest.mark.parametrize("port", [0, 65536])
def test_no_datagram_can_come_from_a_port_that_there_is_not(port: int) -> None:
    with pytest.raises(ValueError, match=f"port is 1 to 65535, not {port}"):
        OtherPort(port)


def test_a_cut_behind_the_last_byte_takes_the_fin_off_the_segment() -> None:
    capture = Capture()
    capture.conversation().finish(b"hello")
    data = [frame[14:] for frame in capture.frames]
    wire, _ = wire_with(Cut(5), a_pick(of="data"))
    steps = [step for place, each in enumerate(data) for step in wire.arrive(each, place, 0)]
    cut = parsed(steps[-1].data)
    assert (cut.length, cut.flags & packets.FIN) == (5, 0)
    assert_sound(cut.data)


def test_a_byte_is_altered_in_its_payload_or_in_its_stream_and_the_checksum_fits() -> None:
    data = packets_of(b"01234", b"56789")
    wire, fault = wire_with(Alter(7, ord("!"), of="stream"), a_pick(of="data"))
    steps = [step for place, each in enumerate(data) for step in wire.arrive(each, place, 0)]
    assert came_out(steps, data)[3:5] == [b"01234", b"56!89"]
    assert_sound(steps[4].data)
    assert fault.hits(0)["untouched"] == 1
    wire, _ = wire_with(Alter(4, ord("!")), a_pick(of="data"))
    steps = [step for place, each in enumerate(data) for step in wire.arrive(each, place, 0)]
    assert came_out(steps, data)[3:5] == [b"0123!", b"5678!"]


# The faults, one behind the other -----------------------------------------------------------------------------------


@given(data=st.binary(max_size=120), action=st.sampled_from(EVERY_ACTION))
def test_garbage_goes_on_unchanged_whatever_the_fault(data: bytes, action: Action) -> None:
    wire, _ = wire_with(action, a_pick(of="any", first=1000))
    assert wire.arrive(data, "it", 0) == [Step(Verb.ACCEPT, "it", b"")]


@given(
    place=st.integers(0, 200),
    value=st.integers(0, 255),
    ipv6=st.booleans(),
    action=st.sampled_from(EVERY_ACTION),
    length=st.integers(0, 200),
)
def test_a_damaged_packet_raises_nothing_and_gets_one_verdict(
    place: int, value: int, ipv6: bool, action: Action, length: int
) -> None:
    ends = (CLIENT6, SERVER6) if ipv6 else (CLIENT, SERVER)
    wire, _ = wire_with(action, Pick(*ends, first=1000))
    steps: list[Step] = []
    data = packets_of(b"hello", b"world", ipv6=ipv6)
    for number, each in enumerate(data):
        damaged = bytearray(each)
        if place < len(damaged):
            damaged[place] = value
        steps += wire.arrive(bytes(damaged[: length or len(damaged)]), number, number)
    steps += wire.tick(10**12)
    steps += wire.heal("fault", 10**12)
    assert sorted(step.original for step in steps if step.original is not None) == list(range(len(data)))


def test_faults_compose_in_the_order_in_which_they_were_applied() -> None:
    wire, _ = wire_with(Duplicate(), a_pick(of="udp"))
    wire.apply(Fault("lose", Drop(), a_pick(of="udp", nth=2), 0))
    wire.apply(Fault("alter", Alter(0, ord("x")), a_pick(of="udp"), 0))
    steps = wire.arrive(datagram(b"1"), "it", 0)
    assert [(step.verb, step.original) for step in steps] == [(Verb.ACCEPT, "it")]
    assert steps[0].data[-1:] == b"x"
    assert [step.verb for step in wire.arrive(datagram(b"2"), "next", 0)] == [Verb.ACCEPT, Verb.SEND]


@pytest.mark.parametrize("ipv6", [False, True])
def test_what_is_made_comes_in_as_the_original_did(ipv6: bool) -> None:
    """Its hop is counted where every packet's is: as the firewall forwards it."""
    ends = (CLIENT6, SERVER6) if ipv6 else (CLIENT, SERVER)
    data = packets_of(b"hello", ipv6=ipv6)[3]
    wire, _ = wire_with(Duplicate(copies=2), Pick(*ends, of="data"))
    padded = data + bytes(6)  # as a link fills a short frame up
    assert [(step.verb, step.data) for step in wire.arrive(padded, "it", 0)] == [
        (Verb.ACCEPT, b""),
        (Verb.SEND, data),
        (Verb.SEND, data),
    ]


NAT = "198.18.1.190"


def reply(payload: bytes, to_port: int, to: str = NAT) -> bytes:
    """A datagram of the server's."""
    udp = struct.pack("!HHHH", 5300, to_port, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0)
    header += b"".join(bytes(map(int, end.split("."))) for end in (SERVER, to))
    return header[:10] + struct.pack("!H", checksum_by_the_word(header)) + header[12:] + udp


def test_behind_a_nat_a_packet_is_picked_for_whom_it_will_reach() -> None:
    asked: list[int] = []

    def inside(packet: Packet) -> tuple[bytes, int] | None:
        asked.append(packet.destination_port)
        hosts = {10_000: (bytes((198, 18, 1, 10)), 40_000), 10_001: (bytes((198, 18, 1, 11)), 40_000)}
        return hosts.get(packet.destination_port)

    wire = Wire(inside)
    wire.apply(Fault("lose", Drop(), Pick(SERVER, CLIENT, of="udp", to_port=40_000, behind=NAT), 0))
    lost = [wire.arrive(reply(b"x", port), port, 0)[0].verb is Verb.LOSE for port in (10_000, 10_001, 10_002)]
    assert lost == [True, False, False], "another host's, and one that is for the NAT itself, are not"
    assert asked == [10_000, 10_001, 10_002]
    assert wire.arrive(reply(b"x", 40_000, CLIENT), "plain", 0)[0].verb is Verb.LOSE
    assert len(asked) == 3, "nobody is asked of a packet to another address"
    wire.heal("lose", 0)
    wire.arrive(reply(b"x", 10_000), "healed", 0)
    assert len(asked) == 3


VIRTUAL, MOVED = "198.18.1.180", "198.18.1.139"


def packed(address: str) -> bytes:
    return bytes(map(int, address.split(".")))


def test_a_packet_to_a_virtual_address_is_picked_for_the_host_that_it_is_led_to() -> None:
    known = {7: (packed(SERVER), 5300)}  # conversations that connection tracking has, by the port they come from

    def led(packet: Packet) -> tuple[bytes, int] | None:
        return known.get(packet.destination_port)

    wire = Wire(led=led)
    for name, to in (("to-server", SERVER), ("to-moved", MOVED), ("to-address", VIRTUAL)):
        pick = Pick(SERVER, to, of="udp", virtual=None if to == VIRTUAL else VIRTUAL)
        wire.apply(Fault(name, Watch(), pick, 0))

    def hits() -> list[int]:
        return [fault.hit_count for fault in wire.faults.values()]

    wire.arrive(reply(b"x", 9, VIRTUAL), "of nobody", 0)
    assert hits() == [0, 0, 1], "nobody has the address"
    wire.take("virtual", {packed(VIRTUAL): packed(SERVER)})
    wire.arrive(reply(b"x", 9, VIRTUAL), "begins", 0)
    assert hits() == [1, 0, 2]
    wire.take("moved", {packed(VIRTUAL): packed(MOVED)})
    wire.arrive(reply(b"x", 9, VIRTUAL), "begins at the newest", 0)
    assert hits() == [1, 1, 3]
    wire.arrive(reply(b"x", 7, VIRTUAL), "stays where it began", 0)
    assert hits() == [2, 1, 4]
    wire.arrive(reply(b"x", 9, MOVED), "called by its own address", 0)
    assert hits() == [2, 2, 4]
    wire.take("moved", {})
    wire.arrive(reply(b"x", 9, VIRTUAL), "begins at the one that is left", 0)
    assert hits() == [3, 2, 5]


def test_the_kernel_queues_what_comes_to_a_virtual_address_by_the_port_that_is_called() -> None:
    both = rules.matches(Pick(CLIENT, SERVER, of="udp", to_port=9, virtual=VIRTUAL), needs_stream=False)
    assert [" ".join(match) for match in both] == [
        f"-s {CLIENT} -d {SERVER} -p udp --dport 9",
        f"-s {CLIENT} -d {VIRTUAL} -p udp --dport 9",
    ]


@pytest.mark.parametrize("original", [False, True])
def test_the_kernel_is_asked_by_the_tuple_of_the_packets_way_and_answers_with_the_other(original: bool) -> None:
    packet = parsed(reply(b"x", 9, VIRTUAL))
    asked = translation.question(packet, original=original)
    assert asked is not None
    whose = {1: "original", 2: "replies"}
    (kind,) = (kind for kind, _ in translation._attributes(asked[20:]))
    assert whose[kind] == ("original" if original else "replies")
    ends = struct.pack("=HH4sHH4s", 8, 1, packed(MOVED), 8, 2, packed(SERVER))
    ports = struct.pack("=HHB3xHHHxxHHHxx", 5, 1, 17, 6, 2, 0x1234, 6, 3, 0x5678)
    both = struct.pack("=HH", len(ends) + 4, 1) + ends + struct.pack("=HH", len(ports) + 4, 2) + ports
    other = struct.pack("=HH", len(both) + 4, 2 if original else 1) + both
    answer = struct.pack("=IHHII", 20 + len(other), 0x0100, 0, 0, 0) + bytes(4) + other
    port = int.from_bytes(struct.pack("=H", 0x1234), "big")
    assert translation.answered(answer, packet, original=original) == (packed(MOVED), port)
    assert translation.answered(answer, packet, original=not original) is None, "that tuple is not there"


def test_what_is_made_of_a_packet_behind_a_nat_is_for_whom_that_one_was() -> None:
    wire = Wire(lambda _: (bytes((198, 18, 1, 10)), 40_000))
    to_client = Pick(SERVER, CLIENT, of="udp", behind=NAT)
    wire.apply(Fault("twice", Duplicate(), to_client, 0))
    wire.apply(Fault("altered", Alter(0, ord("y")), to_client, 0))
    steps = wire.arrive(reply(b"x", 10_000), "it", 0)
    assert [(step.verb, step.data[-1:]) for step in steps] == [(Verb.ACCEPT, b"y"), (Verb.SEND, b"y")]


def test_behind_a_nat_the_kernel_queues_what_comes_to_the_nats_address_whatever_its_port() -> None:
    both = rules.matches(Pick(SERVER, CLIENT, of="udp", from_port=53, to_port=9, behind=NAT), needs_stream=False)
    assert [" ".join(match) for match in both] == [
        f"-s {SERVER} -d {CLIENT} -p udp --sport 53 --dport 9",
        f"-s {SERVER} -d {NAT} -p udp --sport 53",
    ]


@pytest.mark.parametrize("of", ["any", "data", "fin", "udp"])
def test_packets_of_an_earlier_connection_are_neither_picked_nor_counted(of: Kind) -> None:
    data = numbered(3) if of == "udp" else packets_of(b"one", b"two")
    without_syn = [each for each in data if not parsed(each).flags & packets.SYN]
    fault = Fault("lose", Drop(), a_pick(of=of, first=1), 0, [("udp", 40000, 5300), ("tcp", 10_000, 65432)])
    wire = Wire()
    wire.apply(fault)
    assert all(step.verb is Verb.ACCEPT for each in without_syn for step in wire.arrive(each, 0, 0))
    assert fault.hits(0)["seen"] == 0


def test_a_syn_makes_a_new_connection_of_an_earlier_one() -> None:
    fault = Fault("lose", Drop(), a_pick(of="data", first=1), 0, [("tcp", 10_000, 65432)])
    wire = Wire()
    wire.apply(fault)
    lost = [wire.arrive(each, 0, 0)[0].verb is Verb.LOSE for each in packets_of(b"one", b"two")]
    assert lost == [False, False, False, True, False, False]
    assert fault.needs_stream, "so the kernel must queue SYNs too"


def test_a_fault_describes_what_it_picked_up_to_the_limit() -> None:
    wire, fault = wire_with(Drop(), a_pick(of="udp", first=HITS_LIMIT + 2), seed=3)
    for data in numbered(HITS_LIMIT + 5):
        wire.arrive(data, "it", 1000)
    told = fault.hits(wall_offset=500)
    assert (told["seen"], told["picked"], told["left_off"], told["seed"]) == (HITS_LIMIT + 5, HITS_LIMIT + 2, 2, 3)
    assert isinstance(told["hits"], list)
    assert len(told["hits"]) == HITS_LIMIT
    expected = {"at_ns": 1500, "count": 2, "did": "dropped", "protocol": "udp", "from": CLIENT, "to": SERVER}
    expected |= {"from_port": 40000, "to_port": 5300, "id": 7, "length": 1, "head": "32"}
    assert told["hits"][1] == expected


def test_there_is_no_second_fault_of_a_name_nor_one_beyond_the_limit() -> None:
    wire = Wire()
    for number in range(FAULTS_LIMIT):
        wire.apply(Fault(str(number), Drop(), a_pick(), 0))
    with pytest.raises(ValueError, match="faults already"):
        wire.apply(Fault("more", Drop(), a_pick(), 0))
    with pytest.raises(ValueError, match="fault '0' already"):
        wire.apply(Fault("0", Drop(), a_pick(), 0))


# The rules --------------------------------------------------------------------------------------------------------


def bpf(program: str, data: bytes) -> int:
    """Run a classic BPF program of the instructions that ours have, over a packet that begins with its IP header."""
    count, *steps = program.split(",")
    code = [tuple(int(word) for word in step.split()) for step in steps]
    assert int(count) == len(code)
    accumulator = index = at = 0
    while True:
        instruction, if_so, if_not, value = code[at]
        at += 1
        match instruction:
            case 0x06:
                return value
            case 0x15:
                at += if_so if accumulator == value else if_not
            case 0x07:
                index = accumulator
            case 0xB1:
                index = 4 * (data[value] & 0x0F)
            case 0x30:
                accumulator = data[value]
            case 0x50:
                accumulator = data[index + value]
            case 0x28:
                accumulator = int.from_bytes(data[value : value + 2], "big")
            case 0x74:
                accumulator >>= value
            case 0x54:
                accumulator &= value
            case 0x0C:
                accumulator += index
            case 0x1C:
                accumulator -= index
            case _:
                pytest.fail(f"an instruction that is not known here: {instruction:#x}")


@pytest.mark.parametrize("ipv6", [False, True])
def test_the_kernel_is_told_apart_data_and_pure_acknowledgements(ipv6: bool) -> None:
    ends = (CLIENT6, SERVER6) if ipv6 else (CLIENT, SERVER)

    def program(of: Kind) -> str:
        return rules.matches(Pick(*ends, of=of), needs_stream=False)[0][-1].strip('"')

    for data in packets_of(b"h", b"hello", ipv6=ipv6):
        assert bool(bpf(program("data"), data)) == (parsed(data).length > 0)
        assert bool(bpf(program("ack"), data)) == (parsed(data).length == 0)
    with_options = bytearray(packets_of(b"h", ipv6=ipv6)[2])  # twelve bytes of options, and no payload
    header = 40 if ipv6 else 20
    with_options[header + 12] = 8 << 4
    with_options += bytes(12)
    length_at = 4 if ipv6 else 2
    length = int.from_bytes(with_options[length_at : length_at + 2], "big") + 12
    with_options[length_at : length_at + 2] = length.to_bytes(2, "big")
    assert not bpf(program("data"), bytes(with_options))
    assert bpf(program("ack"), bytes(with_options))
    if ipv6:
        extended = bytearray(packets_of(b"h", ipv6=True)[3])
        extended[6] = 60
        assert bpf(program("data"), bytes(extended))
        assert bpf(program("ack"), bytes(extended)), "what a rule cannot tell is queued"


def test_only_what_a_pick_names_is_queued() -> None:
    assert rules.matches(a_pick(of="syn", to_port=80), needs_stream=False) == [
        f"-s {CLIENT} -d {SERVER} -p tcp --dport 80 --tcp-flags SYN,ACK,FIN,RST SYN".split()
    ]
    assert [match[-1] for match in rules.matches(a_pick(of="dns-query", name="a"), needs_stream=False)] == ["53"]
    of_byte = rules.matches(a_pick(of="data", byte=3), needs_stream=False)
    assert of_byte[0][-3:] == ["--tcp-flags", "SYN", "SYN"], "the SYN too: the bytes are counted from it"
    assert rules.matches(a_pick(of="any", to_port=9), needs_stream=False) == [
        f"-s {CLIENT} -d {SERVER} -p {protocol} --dport 9".split() for protocol in ("tcp", "udp")
    ]


def test_the_chain_comes_with_the_first_fault_and_goes_with_the_last() -> None:
    faults = [("lose", a_pick(of="icmp"), False)]
    rule = (
        f"-A FAULTWIRE -s {CLIENT} -d {SERVER} -p icmp -m comment --comment lose"
        " -j NFQUEUE --queue-num 4242 --queue-bypass"
    )
    made = rules.script(faults, has_chain=False)
    chain = f":FAULTWIRE - [0:0]\n-A FAULTWIRE -i made-in -j RETURN\n{rule}"  # what is made here is not queued again
    assert made == f"*raw\n{chain}\n-I PREROUTING -j FAULTWIRE\nCOMMIT\n"
    assert rules.script(faults, has_chain=True) == f"*raw\n{chain}\nCOMMIT\n"
    gone = "*raw\n:FAULTWIRE - [0:0]\n-D PREROUTING -j FAULTWIRE\n-X FAULTWIRE\nCOMMIT\n"
    assert rules.script([], has_chain=True) == gone
    assert rules.script([], has_chain=False) is None


def test_what_a_dead_injector_left_is_found_and_nothing_else() -> None:
    saved = f"""*raw
:PREROUTING ACCEPT [9:9]
:FAULTWIRE - [0:0]
-A PREROUTING -j FAULTWIRE
-A PREROUTING -s 10.0.0.1/32 -j ACCEPT
-A FAULTWIRE -s {CLIENT}/32 -m comment --comment lose -j NFQUEUE --queue-num 4242 --queue-bypass
-A FAULTWIRE -s {CLIENT}/32 -m comment --comment late -j NFQUEUE --queue-num 4242 --queue-bypass
-A FAULTWIRE -s {SERVER}/32 -m comment --comment lose -j NFQUEUE --queue-num 4242 --queue-bypass
COMMIT
"""
    names, script = rules.left_by(saved)
    assert names == ["lose", "late"]
    assert script == "*raw\n-D PREROUTING -j FAULTWIRE\n-F FAULTWIRE\n-X FAULTWIRE\nCOMMIT\n"
    assert rules.left_by("*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n") == ([], None)
    assert rules.left_by("") == ([], None)


# Behind a NAT -----------------------------------------------------------------------------------------------------


def attributes(data: bytes) -> dict[int, bytes]:
    """Those of a netlink message, by kind (netlink(7)), read independently of the code under test."""
    found = {}
    while data:
        length, kind = struct.unpack("=HH", data[:4])
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) // 4 * 4 :]
    return found


def test_the_kernel_is_asked_for_the_connection_of_which_a_packet_is_a_reply() -> None:
    question = translation.question(parsed(reply(b"x", 10_000)))
    assert question is not None
    length, kind, flags = struct.unpack("=IHH", question[:8])
    assert (length, kind, flags) == (len(question), 0x0101, 1)
    assert question[16] == 2, "AF_INET"
    tuple_of_replies = attributes(attributes(question[20:])[2])
    assert attributes(tuple_of_replies[1]) == {1: bytes((198, 18, 1, 138)), 2: bytes((198, 18, 1, 190))}
    ports = {2: (5300).to_bytes(2, "big"), 3: (10_000).to_bytes(2, "big")}
    assert attributes(tuple_of_replies[2]) == {1: b"\x11", **ports}


def entry(source: tuple[int, ...], port: int) -> bytes:
    """The kernel's answer: an entry whose original direction comes from there."""

    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

    ends = attribute(0x8001, attribute(1, bytes(source)) + attribute(2, bytes((198, 18, 1, 138))))
    ports = attribute(0x8002, attribute(1, b"\x11") + attribute(2, port.to_bytes(2, "big")))
    body = bytes(4) + attribute(0x8001, ends + ports)
    return struct.pack("=IHHII", 16 + len(body), 0x0100, 0, 0, 0) + body


def test_the_kernels_answer_says_whom_the_packet_is_for() -> None:
    packet = parsed(reply(b"x", 10_000))
    assert translation.answered(entry((198, 18, 1, 10), 40_000), packet) == (bytes((198, 18, 1, 10)), 40_000)
    assert translation.answered(entry((198, 18, 1, 138), 5300), packet) is None, "it is no reply, but opened it"
    error = struct.pack("=IHHIIi", 20, 2, 0, 0, 0, -2)
    assert translation.answered(error, packet) is None
    answer = entry((198, 18, 1, 10), 40_000)
    for length in range(len(answer)):
        translation.answered(answer[:length], packet)


def test_an_icmp_error_is_of_the_connection_that_it_quotes() -> None:
    quoted = reply(b"x", 5300, SERVER)
    ends = bytes((198, 18, 1, 190)) + bytes((198, 18, 1, 138))
    quoted = quoted[:12] + ends + struct.pack("!HH", 10_000, 5300) + quoted[24:]
    icmp = b"\x03\x03\0\0\0\0\0\0" + quoted
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(icmp), 7, 0, 64, 1, 0)
    error = parsed(header + ends[4:] + ends[:4] + icmp)
    assert translation.question(error) == translation.question(parsed(reply(b"x", 10_000)))


# The words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", EVERY_ACTION, ids=str)
def test_an_action_is_the_same_after_its_json(action: Action) -> None:
    assert read_action(to_json(action)) == action


@pytest.mark.parametrize(
    "pick",
    [
        a_pick(),
        a_pick(of="syn", first=2, again=True),
        a_pick(byte=0, from_port=1, to_port=65535),
        a_pick(percent=12.5),
        a_pick(of="dns-query", name="server.lab"),
        a_pick(behind="198.18.1.190"),
    ],
    ids=str,
)
def test_a_pick_is_the_same_after_its_json(pick: Pick) -> None:
    assert read_pick(to_json(pick)) == pick


def test_the_json_form_is_what_is_written_in_the_documentation() -> None:
    assert to_json(a_pick(of="syn", first=1)) == {"from": CLIENT, "to": SERVER, "of": "syn", "first": 1}
    assert to_json(Delay(0.2, 0.05)) == {"delay": {"by_s": 0.2, "jitter_s": 0.05}}
    assert to_json(Drop()) == {"drop": {}}


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ([], "an object with one key"),
        ({"drop": {}, "hold": {}}, "an object with one key"),
        ({"delete": {}}, "no action 'delete'; there are drop, delay"),
        ({"drop": {"n": 1}}, "drop has no key 'n'; it has none"),
        ({"drop": None}, "drop is an object"),
        ({"delay": {}}, "delay needs the key 'by_s'"),
        ({"delay": {"by_s": "1"}}, "delay.by_s is float, not '1'"),
        ({"delay": {"by_s": True}}, "delay.by_s is float, not True"),
        ({"delay": {"by_s": 601}}, "by_s is 0 to 600.0"),
        ({"delay": {"by_s": float("nan")}}, "by_s is 0"),
        ({"delay": {"by_s": 1, "jitter_s": 2}}, "jitter_s is 0 to 1"),
        ({"duplicate": {"copies": 1001}}, "copies is 1 to 1000"),
        ({"split": {"size": 0}}, "size is 1"),
        ({"alter": {"at": 0, "to": 256}}, "to is 0 to 255"),
        ({"alter": {"at": 0, "to": 1, "of": "file"}}, "alter.of is payload or stream, not 'file'"),
        ({"corrupt": {"bit": 8}}, "bit is 0 to 7"),
    ],
    ids=str,
)
def test_a_wrong_action_is_told_what_would_be_right(written: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_action(written)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"of": "sin"}, "pick.of is any or syn"),
        ({"nth": 0}, "nth is 1 to"),
        ({"nth": 1, "first": 1}, "not nth and first"),
        ({"percent": 100.5}, "percent is 0 to 100"),
        ({"of": "syn", "byte": 1}, "byte n is carried by data"),
        ({"of": "udp", "nth": 1, "again": True}, "sends nothing again that is udp"),
        ({"of": "data", "again": True}, "again goes with"),
        ({"of": "dns-query"}, "has the name"),
        ({"of": "udp", "name": "x"}, "name is of dns-query and dns-answer, and udp has none"),
        ({"of": "udp", "type": "A"}, "type is of dns-query and dns-answer, and udp has none"),
        ({"of": "dns-answer", "type": "B"}, "pick.type is A or NS"),
        ({"of": "icmp", "to_port": 1}, "no ports"),
        ({"to_port": 65536}, "to_port is 1 to 65535"),
        ({"port": 1}, "pick has no key 'port'"),
    ],
    ids=str,
)
def test_a_wrong_pick_is_told_what_would_be_right(words: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_pick({"from": CLIENT, "to": SERVER, **words})


def test_a_fault_needs_addresses_of_one_family() -> None:
    for ends in (("client", "server"), (CLIENT, SERVER6)):
        with pytest.raises(ValueError, match=r"address|family"):
            Fault("fault", Drop(), Pick(*ends), 0)


def test_what_cannot_be_done_to_such_packets_is_refused() -> None:
    for action, pick in (
        *((Reorder(1, 1), a_pick(of="udp")), (Split(1), a_pick(of="syn")), (Cut(1), a_pick(of="icmp"))),
        *((Cut(1, "fin"), a_pick(of="udp")), (Cut(1, "rst"), a_pick(of="udp")), (OtherPort(9), a_pick(of="any"))),
    ):
        with pytest.raises(ValueError, match=r"overtaken|done to data|UDP has no (fin|rst)|given to udp"):
            Fault("fault", action, pick, 0)
