"""Headers that a middlebox changes: what is changed, that nothing else is, and that checksums are as they were."""

from __future__ import annotations

import struct

import pytest

from images.firewall.inject import packet as packets
from images.firewall.inject.declared import Action, Pick, read_action, read_pick, to_json
from images.firewall.inject.header_words import (
    FIELDS,
    ClampMss,
    Field,
    Option,
    Rewrite,
    ShiftAcknowledgement,
    ShiftSequence,
    Strip,
)
from images.firewall.inject.headers import has_ecn, has_option, header_change, options
from images.firewall.inject.packet import SYN, URG, Packet
from tests.faults.test_injector import (
    CLIENT,
    SERVER,
    a_pick,
    assert_sound,
    datagram,
    packets_of,
    parsed,
    picked,
    wire_with,
)

MSS, SCALE, SACK_OK, TIMES = b"\2\4\5\xb4", b"\3\3\7", b"\4\2", b"\x08\x0a\0\0\0\1\0\0\0\2"
SACK = b"\5\x12" + struct.pack("!IIII", 5000, 6000, 7000, 8000)
EVERY: list[Action] = [
    *(Strip("timestamps"), Rewrite("ecn", 3), Rewrite("mss", 1), ClampMss(536)),
    *(ShiftSequence(1), ShiftAcknowledgement(9), ShiftAcknowledgement(9, sack=False)),
]


def segment(*held: bytes, ipv6: bool = False, flags: int | None = None, ack: int | None = None) -> Packet:
    """A segment of a conversation, with these options, padded by NOPs, behind its header."""
    data = packets_of(b"twelve bytes", ipv6=ipv6)[0 if flags is not None and flags & SYN else 3]
    packet = parsed(data)
    filled = b"".join(held)
    filled += b"\1" * (-len(filled) % 4)
    made = bytearray(data[: packet.transport + 20] + filled + data[packet.payload :])
    made[packet.transport + 12] = (20 + len(filled)) // 4 << 4
    if ipv6:
        made[4:6] = (len(made) - 40).to_bytes(2, "big")
    else:
        made[2:4] = len(made).to_bytes(2, "big")
    again = parsed(bytes(made))
    if ack is not None:
        made[packet.transport + 8 : packet.transport + 12] = ack.to_bytes(4, "big")
    return packets.with_payload(
        parsed(bytes(made)), bytes(made[again.payload :]), None, again.seq, again.flags if flags is None else flags
    )


def changed(action: Action, packet: Packet) -> Packet | None:
    found = header_change(action)[1](packet)  # type: ignore[arg-type]
    if found is not None:
        assert_sound(found.data)
        assert len(found.data) == len(packet.data)
        assert found.data[found.payload :] == packet.data[packet.payload :]
    return found


@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize(
    ("option", "held"), [("mss", MSS), ("window-scale", SCALE), ("sack-permitted", SACK_OK), ("timestamps", TIMES)]
)
def test_an_option_that_is_stripped_becomes_nops_and_the_others_stay(option: Option, held: bytes, ipv6: bool) -> None:
    syn = segment(MSS, SCALE, SACK_OK, TIMES, flags=SYN, ipv6=ipv6)
    assert has_option(syn, option)
    without = changed(Strip(option), syn)
    assert without is not None
    assert not has_option(without, option)
    there = syn.data[syn.transport + 20 : syn.payload]
    assert without.data[without.transport + 20 : without.payload] == there.replace(held, b"\1" * len(held))
    assert changed(Strip(option), without) is None


def test_options_that_are_not_sound_are_read_as_far_as_they_are() -> None:
    assert [kind for kind, _, _ in options(segment(SCALE, b"\x08\xff\1\1\1"))] == [3]  # longer than the header
    assert [kind for kind, _, _ in options(segment(SCALE, b"\x08\0\1\1\1"))] == [3]  # shorter than itself
    assert [kind for kind, _, _ in options(segment(SCALE, b"\0", MSS))] == [3]  # behind the end of the list
    assert [kind for kind, _, _ in options(segment(b"\1\1\1\x08"))] == [1, 1, 1]  # no length


@pytest.mark.parametrize("ipv6", [False, True])
def test_the_mss_is_clamped_where_it_is_more_and_only_there(ipv6: bool) -> None:
    syn = segment(SACK_OK, MSS, flags=SYN, ipv6=ipv6)
    clamped = changed(ClampMss(1459), syn)
    assert clamped is not None
    assert b"\2\4\5\xb3" in clamped.data
    assert changed(ClampMss(1460), syn) is None
    assert changed(ClampMss(1461), syn) is None
    assert changed(ClampMss(536), segment(SACK_OK, flags=SYN, ipv6=ipv6)) is None


@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_takes_its_outermost_values_and_nothing_else_changes(field: Field, ipv6: bool) -> None:
    before = segment(MSS, SCALE, ipv6=ipv6)
    for value in FIELDS[field]:
        after = changed(Rewrite(field, value), before) or before
        assert changed(Rewrite(field, value), after) is None
        again = parsed(after.data)
        assert (again.seq, again.ack, again.flags & ~URG) == (before.seq, before.ack, before.flags & ~URG)
        traffic = after.data[1] if not ipv6 else (after.data[0] & 15) << 4 | after.data[1] >> 4
        found = {
            "mss": int.from_bytes(after.data[after.transport + 22 : after.transport + 24], "big"),
            "window-scale": after.data[after.transport + 26],
            "ecn": traffic & 3,
            "dscp": traffic >> 2,
            "ttl": after.data[7 if ipv6 else 8],
            "urgent": int.from_bytes(after.data[after.transport + 18 : after.transport + 20], "big"),
        }
        assert found[field] == value
    for value in (FIELDS[field][0] - 1, FIELDS[field][1] + 1):
        with pytest.raises(ValueError, match=f"to is .* for {field}, not {value}"):
            Rewrite(field, value)


def test_the_urgent_flag_goes_with_its_pointer() -> None:
    urgent = changed(Rewrite("urgent", 5), segment())
    assert urgent is not None
    assert urgent.flags & URG
    calm = changed(Rewrite("urgent", 0), urgent)
    assert calm is not None
    assert not calm.flags & URG


@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("by", [1, 1 << 31, (1 << 32) - 1])
def test_numbers_are_shifted_there_and_back_and_so_come_to_what_they_were(by: int, ipv6: bool) -> None:
    sent = segment(TIMES, ipv6=ipv6)
    there = changed(ShiftSequence(by), sent)
    assert there is not None
    assert there.seq == (sent.seq + by) % packets.SEQUENCES
    assert there.ack == sent.ack
    answer = segment(SACK, ipv6=ipv6, ack=7)
    for sack in (True, False):
        back = changed(ShiftAcknowledgement(by, sack), answer)
        assert back is not None
        assert back.ack == (7 - by) % packets.SEQUENCES
        assert back.seq == answer.seq
        edges = struct.unpack_from("!IIII", back.data, back.transport + 22)
        assert edges == tuple((edge - by * sack) % packets.SEQUENCES for edge in (5000, 6000, 7000, 8000))
    assert changed(ShiftAcknowledgement(by), segment(flags=SYN, ipv6=ipv6)) is None  # it acknowledges nothing


def test_a_checksum_that_was_wrong_stays_wrong() -> None:
    sent = segment(TIMES)
    damaged = packets.with_byte(sent, sent.payload, sent.data[sent.payload] ^ 1)
    after = header_change(ShiftSequence(5))[1](damaged)
    assert after is not None
    with pytest.raises(AssertionError):
        assert_sound(after.data)


@pytest.mark.parametrize("action", EVERY)
def test_what_is_no_whole_segment_is_left_alone(action: Action) -> None:
    wire, fault = wire_with(action, a_pick())
    fragment = bytearray(datagram(b"more"))
    fragment[6] |= 0x20
    (step,) = wire.arrive(bytes(fragment), "it", 0)
    of_ip = isinstance(action, Rewrite) and action.field in ("ecn", "dscp", "ttl")
    assert fault.untouched == (not of_ip)
    assert bool(step.data) == of_ip


def test_a_syn_with_data_and_a_packet_with_ecn_are_picked_by_what_they_are() -> None:
    plain, data, fast = segment(flags=SYN), segment(), segment(flags=SYN)
    fast = packets.with_payload(fast, b"early", None, fast.seq, SYN)
    capable = header_change(Rewrite("ecn", 2))[1](data)
    assert capable is not None
    assert has_ecn(capable)
    came = [each.data for each in (packets.with_payload(plain, b"", None, plain.seq, SYN), data, fast, capable)]
    assert picked(a_pick(of="syn-with-data"), came) == [2]
    assert picked(a_pick(of="ecn"), came) == [3]


def test_segments_are_picked_by_an_option_that_they_have() -> None:
    came = [each.data for each in (segment(SACK_OK, flags=SYN), segment(TIMES), segment(TIMES, flags=SYN))]
    assert picked(a_pick(with_option="timestamps"), came) == [1, 2]
    assert picked(a_pick(of="syn", with_option="timestamps"), came) == [2]
    with pytest.raises(ValueError, match="with_option is of TCP, and udp is not"):
        Pick(CLIENT, SERVER, of="udp", with_option="timestamps")


@pytest.mark.parametrize("action", EVERY)
def test_each_comes_back_from_its_json_and_is_for_tcp_where_it_must_be(action: Action) -> None:
    assert read_action(to_json(action)) == action
    pick = Pick(CLIENT, SERVER, of="syn", with_option="mss")
    assert read_pick(to_json(pick)) == pick
    if not (isinstance(action, Rewrite) and action.field == "ecn"):
        with pytest.raises(ValueError, match="of is TCP where its header is changed, not udp"):
            wire_with(action, a_pick(of="udp"))
