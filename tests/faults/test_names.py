"""Answers of a name server as the injector reads them, picks them, and makes them others."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.firewall.inject import names, packet
from images.firewall.inject.declared import Drop, Pick, read_action, to_json
from images.firewall.inject.name_words import RECORD_TYPES, Becomes, NameAnswer, RecordType
from images.firewall.inject.wire import Fault, Verb, Wire
from tests.evidence.packets import checksum

SERVER, CLIENT = "198.18.1.140", "198.18.1.10"
A, AAAA = bytes((198, 18, 1, 138)), bytes(16)


def labels(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def message(
    name: str = "server.lab", of: RecordType = "A", *, addresses: int = 1, answer: bool = True, more: bytes = b""
) -> bytes:
    kind = RECORD_TYPES[of]
    data = A if of == "A" else AAAA
    records = (b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 5, len(data)) + data) * addresses
    header = struct.pack("!HHHHHH", 77, 0x8580 if answer else 0x0100, 1, addresses if answer else 0, 0, int(bool(more)))
    return header + labels(name) + struct.pack("!HH", kind, 1) + (records if answer else b"") + more


def datagram(payload: bytes, *, ports: tuple[int, int] = (53, 40000)) -> bytes:
    udp = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0) + bytes(
        (198, 18, 1, 140, 198, 18, 1, 10)
    )
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + udp


def parsed(data: bytes) -> packet.Packet:
    found = packet.parse(data)
    assert found is not None
    return found


def answered(declared: NameAnswer, asked: bytes) -> bytes:
    """The message that goes on."""
    found = names.answered_otherwise(parsed(datagram(asked)), declared)
    assert found is not None
    assert int.from_bytes(found.data[2:4], "big") == len(found.data), "its length is right"
    assert int.from_bytes(found.data[24:26], "big") == len(found.data) - 20
    return found.data[found.payload :]


def picked(data: bytes, **words: object) -> bool:
    wire = Wire()
    wire.apply(Fault("it", Drop(), Pick(SERVER, CLIENT, of="dns-answer", **words), 0))  # type: ignore[arg-type]
    return wire.arrive(data, "the packet", 0)[0].verb is Verb.LOSE


def test_an_answer_is_picked_by_its_name_and_its_type() -> None:
    both = datagram(message()), datagram(message(of="AAAA"))
    assert [picked(each) for each in both] == [True, True]
    assert [picked(each, type_="A") for each in both] == [True, False]
    assert [picked(each, type_="AAAA", name="SERVER.lab.") for each in both] == [False, True]
    assert [picked(each, name="other.lab") for each in both] == [False, False]


def test_a_question_is_no_answer_and_what_comes_from_another_port_is_none_of_a_name_server() -> None:
    assert not picked(datagram(message(answer=False)))
    assert not picked(datagram(message(), ports=(5353, 40000)))
    assert not picked(datagram(b"no message"))


@pytest.mark.parametrize(
    ("becomes", "flags"),
    [("truncated", 0x8780), ("servfail", 0x8582), ("unknown", 0x8583), ("refused", 0x8585), ("empty", 0x8580)],
)
def test_an_answer_without_its_records_repeats_the_question(becomes: Becomes, flags: int) -> None:
    asked = message(addresses=3, more=b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0))
    assert answered(NameAnswer(becomes), asked) == struct.pack("!HHHHHH", 77, flags, 1, 0, 0, 0) + asked[12:28]


def test_an_answer_to_nobody_has_another_identification_or_another_name() -> None:
    assert answered(NameAnswer("wrong-id"), message())[:2] == struct.pack("!H", 78)
    other = names.question(answered(NameAnswer("wrong-question"), message()))
    assert other is not None
    assert other.name == "xerver.lab"
    assert answered(NameAnswer("wrong-question"), message("xerver.lab"))[13:14] == b"y"


def test_every_record_has_the_ttl_but_what_edns_says_there() -> None:
    edns = b"\0" + struct.pack("!HHIH", 41, 1232, 0x8000, 0)
    found = answered(NameAnswer(ttl=7), message(addresses=2, more=edns))
    assert found.count(struct.pack("!HHIH", 1, 1, 7, 4) + A) == 2
    assert found.endswith(edns)


@pytest.mark.parametrize("of", ["A", "AAAA"])
def test_an_alias_has_the_addresses_by_its_other_name(of: RecordType) -> None:
    found = answered(NameAnswer(cname="real.lab."), message(of=of, addresses=2))
    assert struct.unpack_from("!HHHH", found, 4) == (1, 3, 0, 0)
    alias = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 5, 10) + labels("real.lab")
    at = found.index(alias) + len(alias) - 10
    data = A if of == "A" else AAAA
    address = struct.pack("!HHHIH", 0xC000 | at, RECORD_TYPES[of], 1, 5, len(data)) + data
    assert found.endswith(alias + address * 2)


def test_what_is_so_already_is_no_hit() -> None:
    once = answered(NameAnswer("servfail"), message())
    assert names.answered_otherwise(parsed(datagram(once)), NameAnswer("servfail")) is None
    assert names.answered_otherwise(parsed(datagram(message(addresses=0))), NameAnswer(ttl=3)) is None
    assert names.answered_otherwise(parsed(datagram(message(answer=False))), NameAnswer("empty")) is None


@given(st.binary(max_size=200), st.sampled_from([NameAnswer("truncated"), NameAnswer(ttl=1), NameAnswer(cname="a.b")]))
def test_no_bytes_raise_anything(rest: bytes, declared: NameAnswer) -> None:
    for each in (rest, message()[:12] + rest, message()[:28] + rest):
        names.answered_otherwise(parsed(datagram(each)), declared)


@pytest.mark.parametrize("length", range(len(message(addresses=2))))
def test_an_answer_that_is_cut_short_is_left_as_it_is_or_made_whole(length: int) -> None:
    cut = parsed(datagram(message(addresses=2)[:length]))
    assert names.answered_otherwise(cut, NameAnswer(ttl=9)) is None
    assert names.answered_otherwise(cut, NameAnswer(cname="real.lab")) is None


@pytest.mark.parametrize("declared", [NameAnswer("refused"), NameAnswer(ttl=0), NameAnswer(cname="a.lab")], ids=str)
def test_the_words_are_the_same_after_their_json(declared: NameAnswer) -> None:
    assert read_action(to_json(declared)) == declared
    with pytest.raises(ValueError, match="of is dns-answer where an answer is made another one, not udp"):
        Fault("it", declared, Pick(SERVER, CLIENT, of="udp"), 0)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({}, "exactly one of becomes, ttl and cname, not none"),
        ({"ttl": 1, "cname": "a"}, "not ttl and cname"),
        ({"ttl": -1}, "ttl is 0 to 2147483647, not -1"),
        ({"cname": "a..b"}, "cname is the name of a host, not 'a..b'"),
    ],
)
def test_wrong_words_are_told_what_would_be_right(words: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        NameAnswer(**words)  # type: ignore[arg-type]
