"""Packets that nobody sent: their numbers, their checksums; and faults that wait for the hits of another."""

from __future__ import annotations

import pytest

from images.firewall.inject.declared import Drop, Duplicate, Pick, check, read_action, to_json
from images.firewall.inject.forging_words import FORGED_ICMP, Forge, Forged, Watch
from images.firewall.inject.packet import ACK, RST, SEQUENCES
from images.firewall.inject.wire import Fault, Step, Verb, Wire
from tests.faults.test_injector import CLIENT, SERVER, a_pick, assert_sound, datagram, packets_of, parsed, wire_with

DATA = 3  # SYN, SYN-ACK and ACK come before it


def sent(steps: list[Step]) -> list[bytes]:
    return [step.data for step in steps if step.verb is Verb.SEND]


@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("sequence", [1_000, SEQUENCES - 3])
@pytest.mark.parametrize("off_by", [0, 1, -1, 1_000_000_000])
def test_a_forged_reset_has_the_number_that_its_receiver_expects_next_and_so_much_more(
    off_by: int, sequence: int, ipv6: bool
) -> None:
    data = packets_of(b"hello", ipv6=ipv6, sequence=sequence)[DATA]
    packet = parsed(data)
    source, destination = ("2001:db8:1::a", "2001:db8:1::8a") if ipv6 else (CLIENT, SERVER)
    wire, _ = wire_with(Forge("rst", "both", off_by), Pick(source, destination, of="data"))
    steps = wire.arrive(data, "it", 0)
    assert steps[0] == (Verb.ACCEPT, "it", b"")  # it goes on first, as it came
    back, on = (parsed(each) for each in sent(steps))
    for each in (back, on):
        assert_sound(each.data)
        assert each.flags == RST | ACK
        assert not each.length
    assert (back.source, back.destination) == (packet.destination, packet.source)
    assert (back.source_port, back.destination_port) == (packet.destination_port, packet.source_port)
    assert back.seq == (packet.ack + off_by) % SEQUENCES
    assert (on.source, on.destination) == (packet.source, packet.destination)
    assert on.seq == (packet.seq + 5 + off_by) % SEQUENCES


def test_a_forged_reset_of_a_syn_acknowledges_it() -> None:
    syn = packets_of(b"")[0]
    wire, fault = wire_with(Forge("rst"), a_pick(of="syn"))
    (reset,) = (parsed(each) for each in sent(wire.arrive(syn, "it", 0)))
    assert reset.ack == parsed(syn).seq + 1
    assert fault.hit_count == 1


@pytest.mark.parametrize("what", FORGED_ICMP)
def test_a_forged_error_comes_from_the_receiver_and_quotes_the_packet(what: Forged) -> None:
    data = packets_of(b"hello")[DATA]
    wire, _ = wire_with(Forge(what, off_by=7), a_pick(of="data"))
    (error,) = (parsed(each) for each in sent(wire.arrive(data, "it", 0)))
    assert_sound(error.data)
    assert (error.source, error.destination) == (parsed(data).destination, parsed(data).source)
    assert tuple(error.data[error.transport : error.transport + 2]) == (3, FORGED_ICMP[what])
    quoted = parsed(error.data[error.payload :])
    assert quoted.seq == parsed(data).seq + 7
    assert quoted.data[quoted.payload :] == b"hello"


def test_what_cannot_be_answered_so_goes_on_and_is_no_hit() -> None:
    wire, fault = wire_with(Forge("rst"), a_pick())
    assert wire.arrive(datagram(b"hello"), "it", 0) == [(Verb.ACCEPT, "it", b"")]
    assert (fault.picker.picked, fault.hit_count) == (1, 0)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"what": "port-unreachable", "towards": "receiver"}, "towards is sender for an ICMP error"),
        ({"what": "rst", "off_by": 1 << 31}, "off_by is -2147483647 to 2147483647, not 2147483648"),
    ],
)
def test_a_forgery_that_cannot_be_is_refused(words: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_action({"forge": words})


def test_a_reset_is_forged_of_tcp_only() -> None:
    with pytest.raises(ValueError, match="of is TCP where it is reset, not udp"):
        check(Forge("rst"), a_pick(of="udp"))


def test_its_words_are_the_same_behind_json() -> None:
    for action in (Watch(), Forge("rst", "both", -5), Forge("host-unreachable")):
        assert read_action(to_json(action)) == action


def test_what_is_watched_goes_on_as_it_came_and_is_counted() -> None:
    wire, fault = wire_with(Watch(), a_pick(of="data"))
    said = packets_of(b"a", b"b")
    assert all(
        wire.arrive(data, place, 0) == [(Verb.ACCEPT, place, b"")] for place, data in enumerate(said[: DATA + 2])
    )
    assert fault.hit_count == 2


def lost_behind(after_hits: int, pieces: int = 5, **words: object) -> list[int]:
    """Which of the pieces are lost by a fault that waits for so many hits of one that watches them."""
    wire = Wire()
    wire.apply(Fault("seen", Watch(), a_pick(of="data"), 0))
    wire.apply(Fault("lost", Drop(), a_pick(of="data", after="seen", after_hits=after_hits, **words), 0))
    said = packets_of(*(b"%d" % number for number in range(pieces)))[DATA : DATA + pieces]
    return [place for place, data in enumerate(said) if wire.arrive(data, place, 0)[0].verb is Verb.LOSE]


def test_a_fault_takes_hold_behind_the_hits_of_another_and_not_of_the_packet_that_is_the_hit() -> None:
    assert lost_behind(1) == [1, 2, 3, 4]
    assert lost_behind(3) == [3, 4]
    assert lost_behind(5) == []
    assert lost_behind(2, nth=2) == [3]  # counted from there


def test_it_goes_on_when_the_other_is_healed() -> None:
    wire = Wire()
    wire.apply(Fault("seen", Watch(), a_pick(of="udp"), 0))
    wire.apply(Fault("twice", Duplicate(), a_pick(of="udp", after="seen"), 0))
    assert len(wire.arrive(datagram(b"a"), 1, 0)) == 1
    wire.heal("seen", 0)
    assert len(wire.arrive(datagram(b"b"), 2, 0)) == 2


def test_the_fault_that_is_waited_for_must_be_in_force() -> None:
    wire = Wire()
    with pytest.raises(ValueError, match="after: there is no fault 'seen' in force"):
        wire.apply(Fault("lost", Drop(), a_pick(after="seen"), 0))
    assert not wire.faults
