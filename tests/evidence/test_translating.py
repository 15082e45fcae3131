"""Frames of both legs of a NAT: who sent each, and whom it is for, told from the packets alone."""

from __future__ import annotations

from dataclasses import replace

from scenarios.evidence.frame import Frame
from scenarios.evidence.nat_frames import behind_translations, with_true_ends

CLIENT, OTHER, SERVER, NAT = "198.18.1.10", "198.18.1.11", "198.18.1.138", "198.18.1.190"


def frame(number: int, source: str, port: int, payload: bytes = b"", *, flags: str = "ACK", ident: int = 0) -> Frame:
    """One from a client, or the NAT, to the server."""
    return Frame(
        number=number, time_ns=number * 1000, length=66, transport="tcp", source=source, destination=SERVER,
        source_port=port, destination_port=7007, identification=ident or number, ttl=64, flags=frozenset(flags.split()),
        seq=1, ack=0, window=500, options="", payload=payload, protocol="TCP", info="", notes=(), messages=(),
        byteorders=(), checksum_good=True, marks=frozenset(),
    )  # fmt: skip


def back(of: Frame, number: int, payload: bytes = b"") -> Frame:
    """One from the server to whoever sent that frame."""
    return replace(frame(number, SERVER, 7007, payload), destination=of.source, destination_port=of.source_port)


def test_two_hosts_with_the_same_port_are_told_apart() -> None:
    one, other = frame(1, CLIENT, 40000, flags="SYN"), frame(2, OTHER, 40000, flags="SYN")
    outside = [
        replace(one, source=NAT, time_ns=1100),
        replace(other, source=NAT, source_port=1024, time_ns=2100),
    ]
    outside += [back(outside[1], 3, b"to the other"), back(outside[0], 4, b"to the first")]
    found = with_true_ends([one, other], outside, [NAT])
    assert [each.sender for each in found[:2]] == [(CLIENT, 40000), (OTHER, 40000)]
    assert [each.receiver for each in found[2:]] == [(OTHER, 40000), (CLIENT, 40000)], "though lost behind the NAT"
    assert [each.source for each in found[:2]] == [NAT, NAT], "what was captured stays"


def test_a_frame_is_the_same_packet_on_both_legs_though_its_addresses_are_not() -> None:
    syn = frame(1, CLIENT, 40000, flags="SYN")
    translated = replace(syn, source=NAT, source_port=10001, time_ns=2000)
    assert translated.crossing != syn.crossing
    (found,) = with_true_ends([syn], [translated], [NAT])
    assert found.crossing == syn.crossing


def test_after_a_rebinding_the_other_port_is_of_the_same_host() -> None:
    before, after = frame(1, CLIENT, 40000, b"before"), frame(5, CLIENT, 40000, b"after")
    outside = [
        replace(before, source=NAT, time_ns=1100),
        replace(after, source=NAT, source_port=10777, time_ns=5100),
    ]
    assert [each.sender for each in with_true_ends([before, after], outside, [NAT])] == [(CLIENT, 40000)] * 2


def test_a_reset_that_the_nat_itself_sends_stays_its_own() -> None:
    before = frame(1, CLIENT, 40000, b"before")
    outside = [replace(before, source=NAT, time_ns=1100), replace(frame(7, NAT, 40000, flags="RST"), ack=99)]
    assert [each.sender for each in with_true_ends([before], outside, [NAT])] == [(CLIENT, 40000), (NAT, 40000)]
    handed_on = frame(6, CLIENT, 40000, flags="RST", ident=7)
    outside[1] = replace(handed_on, source=NAT, number=7, time_ns=7000)
    assert with_true_ends([before, handed_on], outside, [NAT])[1].sender == (CLIENT, 40000), "the client's is its own"


def test_a_part_that_was_made_on_the_way_is_of_its_conversation() -> None:
    syn, whole = frame(1, CLIENT, 40000, flags="SYN"), frame(2, CLIENT, 40000, b"whole")
    outside = [replace(syn, source=NAT, source_port=10001, time_ns=1100)]
    outside += [replace(frame(at, NAT, 10001, part), time_ns=2000 + at) for at, part in ((2, b"wh"), (3, b"ole"))]
    assert {each.sender for each in with_true_ends([syn, whole], outside, [NAT])} == {(CLIENT, 40000)}


def test_where_nothing_is_translated_the_frames_are_as_they_came() -> None:
    frames = [frame(1, CLIENT, 40000)]
    assert with_true_ends(frames, frames, [NAT]) == frames


def test_behind_a_virtual_address_is_the_host_that_the_packet_came_to_and_an_answer_is_that_hosts() -> None:
    virtual, moved = "198.18.1.180", "198.18.1.139"
    asked = [replace(frame(n, CLIENT, 40000 + n, b"%d" % n), destination=virtual) for n in (1, 3, 5)]
    led = [
        replace(each, destination=to, time_ns=each.time_ns + 100)
        for each, to in zip(asked, (SERVER, moved), strict=False)
    ]
    answered = back(led[0], 2, b"1")
    shown = replace(answered, source=virtual, time_ns=2100)
    found = behind_translations({"client-leg": [*asked, shown], "server-leg": [*led, answered]}, (), [virtual])
    first, second, lost, answer = found["client-leg"]
    assert [each.receiver[0] for each in (first, second)] == [SERVER, moved]
    assert lost.receiver[0] == virtual, "what was dropped came to nobody"
    assert answer.sender == (SERVER, 7007)
    assert (first.crossing, answer.crossing) == (led[0].crossing, answered.crossing)
    assert found["server-leg"] == [*led, answered]


def test_who_is_behind_a_nat_and_calls_a_virtual_address_is_known_on_both_legs() -> None:
    virtual = "198.18.1.180"
    asked = replace(frame(1, CLIENT, 40000, b"1"), destination=virtual)
    led = replace(asked, source=NAT, source_port=10001, destination=SERVER, time_ns=asked.time_ns + 100)
    answered = back(led, 2, b"2")
    shown = replace(answered, source=virtual, destination=CLIENT, destination_port=40000, time_ns=2100)
    found = behind_translations({"client-leg": [asked, shown], "server-leg": [led, answered]}, [NAT], [virtual])
    for near, far in zip(found["client-leg"], found["server-leg"], strict=True):
        assert (near.sender, near.receiver) == (far.sender, far.receiver)
        assert near.crossing == far.crossing
    assert found["client-leg"][0].receiver == (SERVER, 7007)
    assert found["server-leg"][0].sender == (CLIENT, 40000)


def test_without_translations_the_frames_stay_as_they_are() -> None:
    frames = {"client-leg": [frame(1, CLIENT, 1)], "server-leg": [frame(2, NAT, 1)]}
    assert behind_translations(frames, (), ()) == frames
    translated = with_true_ends(frames["client-leg"], frames["server-leg"], [NAT])
    assert behind_translations(frames, [NAT], ())["server-leg"] == translated
