"""The first difference of two conversations is named where one reason explains all of it, and never otherwise.

The bytes are those of Python's struct, which lays a value out as the compiler of a CPU would.
"""

from __future__ import annotations

import random
import struct

import pytest

from scenarios.verdict.fields import Sender
from scenarios.verdict.guess import UNNAMED, Difference, Exchange, Message, first_difference

LE = Sender("x86_64", "little", 64, errnos={111: "ECONNREFUSED", 110: "ETIMEDOUT", 2: "ENOENT", 35: "EDEADLK"})
PPC = Sender("ppc", "big", 32, errnos=LE.errnos)
S390X = Sender("s390x", "big", 64, errnos=LE.errnos)
M68K = Sender("m68k", "big", 32, aligned=2, errnos=LE.errnos)
MIPS = Sender("mips", "big", 32, errnos={146: "ECONNREFUSED", 145: "ETIMEDOUT", 2: "ENOENT", 45: "EDEADLK"})


def between(mine: bytes, theirs: bytes, there: Sender, here: Sender = LE) -> Difference:
    """The difference of what one client sent from two machines."""
    found = first_difference(
        Exchange(here, LE, (Message("client", mine),)), Exchange(there, LE, (Message("client", theirs),))
    )
    assert found is not None
    return found


def native(layout: str, *values: float | bytes) -> tuple[bytes, bytes]:
    """A value as x86-64 and as a big-endian CPU have it, unpadded."""
    return struct.pack(f"<{layout}", *values), struct.pack(f">{layout}", *values)


TEXT = b"hello, world"
NAMED = {
    "a length in the machine's order": (
        *native("I12s", 12, TEXT),
        PPC,
        "not converted",
        "the number at byte 0 is 0x0c000000 here and 12 there: not converted; "
        "12 may be a length: as many bytes follow it",
    ),
    "a number behind a byte": (
        *native("Bi", 1, -2),
        S390X,
        "not converted",
        "the number at byte 1 is 0xfeffffff here and 0xfffffffe there: not converted",
    ),
    "two bytes in the machine's order": (
        *native("4sH", b"LEN:", 80),
        PPC,
        "not converted",
        "the number at byte 4 is 20480 here and 80 there: not converted",
    ),
    "eight bytes in the machine's order": (
        *native("Q", 1000),
        S390X,
        "not converted",
        "the number at byte 0 is 0xe803000000000000 here and 1000 there: not converted",
    ),
    "swapped on every machine": (
        struct.pack(">I", 7),
        struct.pack("<I", 7),
        PPC,
        "converted twice",
        "the number at byte 0 is 7 here and 0x07000000 there: 7 converted twice, or where it need not be; "
        "or 0x07000000 not converted",
    ),
    "an address, of which neither order is the likelier": (
        b"\xc6\x12\x01\x8a",
        b"\x8a\x01\x12\xc6",
        PPC,
        "other order",
        "the 4 bytes at byte 0 are in one order here and in the other there: 0xc612018a here and 0x8a0112c6 there",
    ),
    "padding before a number": (
        b"\x01\0\0\0" + struct.pack(">I", 6),
        b"\x01\0" + struct.pack(">I", 6),
        M68K,
        "padding",
        "at most 3 bytes of padding here and 1 there after byte 0: a struct sent as it lies in memory",
    ),
    "padding with what lay in memory, before a number in the machine's order": (
        b"\x01\x99\xf0\x03" + struct.pack("<I", 6),
        b"\x01\x07" + struct.pack(">I", 6),
        M68K,
        "padding",
        "3 bytes of padding here and 1 there after byte 0: a struct sent as it lies in memory; "
        "and the number behind it is not converted",
    ),
    "padding at the end": (
        struct.pack(">IB3x", 6, 1),
        struct.pack(">IBx", 6, 1),
        M68K,
        "padding",
        "at most 3 bytes of padding here and 1 there after byte 4: a struct sent as it lies in memory",
    ),
    "a long, its highest byte first": (
        struct.pack(">q2s", 6000, b"go"),
        struct.pack(">i2s", 6000, b"go"),
        PPC,
        "long",
        "8 bytes here and 4 there for 6000 at byte 0: a long",
    ),
    "a long in the machine's order": (
        struct.pack("<q", -6),
        struct.pack(">i", -6),
        PPC,
        "long",
        "8 bytes here and 4 there for -6 at byte 0: a long, and not converted",
    ),
    "a long of two machines of the same order": (
        struct.pack(">q", 6),
        struct.pack(">i", 6),
        PPC,
        "long",
        "8 bytes here and 4 there for 6 at byte 0: a long",
    ),
    "a long in a struct": (
        struct.pack("<B7xq", 1, 6),
        struct.pack(">B3xi", 1, 6),
        PPC,
        "long",
        "8 bytes here and 4 there for 6 at byte 8 here and byte 4 there: a long, "
        "behind at most 7 and 3 bytes of padding, and not converted",
    ),
    "a time of two runs": (
        struct.pack(">q", 1_700_000_000),
        struct.pack(">i", 1_700_000_007),
        PPC,
        "time_t",
        "8 bytes here and 4 there for 1700000000 at byte 0: a time_t",
    ),
    "a time in digits": (
        b"AT 000000006553f100\n",
        b"AT 6553f100\n",
        PPC,
        "time_t",
        "16 digits here and 8 there for 0x6553f100 at byte 3: as many as a time_t has",
    ),
    "a time in the machine's order, of two runs": (
        struct.pack("<q", 1_700_000_000),
        struct.pack(">q", 1_700_000_007),
        S390X,
        "not converted",
        "the 8 bytes at byte 0 are a time, 1700000000 and 1700000007, in each machine's own order: not converted",
    ),
    "bit-fields": (
        b"\x10\x02hi",
        b"\x01\x02hi",
        PPC,
        "bit-fields",
        "byte 0 is 0x10 here and 0x01 there: bit-fields, "
        "which the compilers fill from different ends (for example of 4, 4 bits)",
    ),
    "bit-fields with flags": (
        b"\x1a\x02hi",
        b"\x31\x02hi",
        PPC,
        "bit-fields",
        "byte 0 is 0x1a here and 0x31 there: bit-fields, "
        "which the compilers fill from different ends (for example of 1, 2, 1, 4 bits)",
    ),
    "a text in words": (
        b"elifliec",
        b"fileceil",
        PPC,
        "text in words",
        "'elif' at byte 0 here and 'file' there: text is sent in words of 4 bytes, converted as if they were numbers; "
        "or it is a number, and not converted",
    ),
    "a double": (
        *native("cd", b"T", 36.6),
        PPC,
        "float in native order",
        "the 8 bytes at byte 1 are the float 36.6 in each machine's own order",
    ),
    "a float": (*native("f", 0.75), PPC, "float in native order", ""),
    "a double that may be a number as well": (
        *native("d", 2.0),
        PPC,
        "float in native order",
        "the 8 bytes at byte 0 are the float 2 in each machine's own order, or the number 4611686018427387904, "
        "or the number 64 converted twice",
    ),
    "errno in four bytes": (
        struct.pack(">I", 111),
        struct.pack(">I", 146),
        MIPS,
        "errno",
        "111 here and 146 there at byte 0: ECONNREFUSED on x86_64 and on mips, an errno sent as a number",
    ),
    "errno in the machine's order": (*native("I", 111)[:1], struct.pack(">I", 146), MIPS, "errno", ""),
    "errno in a text": (
        b"cannot: error 111\n",
        b"cannot: error 146\n",
        MIPS,
        "errno",
        "111 here and 146 there at byte 14: ECONNREFUSED on x86_64 and on mips, an errno sent as a number",
    ),
    "two bytes read as four": (
        struct.pack(">I", 6),
        struct.pack(">I", 6 << 16),
        PPC,
        "two bytes read as four",
        "the number at byte 0 is 6 here and 393216 there, 6 times 2 to the 16: two bytes read as four, "
        "or the words of 2 bytes of one number, in each machine's own order",
    ),
    "a float in two registers, of which one is zero": (
        struct.pack(">HH", *struct.unpack("<HH", struct.pack("<f", 21.5))),
        struct.pack(">f", 21.5),
        PPC,
        "words in native order",
        "the 4 bytes at byte 0 are 00 00 41 ac here and 41 ac 00 00 there, the same words of 2 bytes in the other "
        "order: the float 21.5 with its words in each machine's own order, or 16812, two bytes read as four",
    ),
    "a float in two registers": (
        struct.pack(">HH", *struct.unpack("<HH", struct.pack("<f", 0.1))),
        struct.pack(">f", 0.1),
        PPC,
        "words in native order",
        "the 4 bytes at byte 0 are cc cd 3d cc here and 3d cc cc cd there, the same words of 2 bytes in the other "
        "order: the float 0.1 with its words in each machine's own order",
    ),
    "a double in four registers": (
        struct.pack(">4H", *struct.unpack("<4H", struct.pack("<d", 36.6))),
        struct.pack(">d", 36.6),
        S390X,
        "words in native order",
        "the 8 bytes at byte 0 are cc cd cc cc 4c cc 40 42 here and 40 42 4c cc cc cc cc cd there, the same words of "
        "2 bytes in the other order: the float 36.6 with its words in each machine's own order",
    ),
    "four bytes read as eight": (
        struct.pack(">Q", 6),
        struct.pack(">Q", 6 << 32),
        S390X,
        "two bytes read as four",
        "the number at byte 0 is 6 here and 25769803776 there, 6 times 2 to the 32: four bytes read as eight, "
        "or the words of 4 bytes of one number, in each machine's own order",
    ),
    "a number of eight bytes whose halves are converted": (
        struct.pack(">II", 1000, 0),
        struct.pack(">II", 0, 1000),
        S390X,
        "words in native order",
        "the 8 bytes at byte 0 are 00 00 03 e8 00 00 00 00 here and 00 00 00 00 00 00 03 e8 there, the same words of "
        "4 bytes in the other order, as those of one number in each machine's own order",
    ),
    "two bytes read as four, whose words are the same in either order": (
        struct.pack(">I", 257),
        struct.pack(">I", 257 << 16),
        PPC,
        "converted twice",
        "the number at byte 0 is 257 here and 0x01010000 there: 257 converted twice, or where it need not be; "
        "or 0x01010000 not converted; or its words of 2 bytes are in the other order",
    ),
    "two numbers, the first of which is told": (
        *native("IH", 40, 3),
        PPC,
        "not converted",
        "the number at byte 0 is 0x28000000 here and 40 there: not converted",
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_each_kind_has_its_name(name: str) -> None:
    mine, theirs, there, kind, why = NAMED[name]
    here = S390X if name.endswith("of the same order") else LE
    found = between(mine, theirs, there, here)
    assert found.guess is not None, str(found)
    assert found.guess.kind == kind, str(found)
    assert why in ("", found.guess.why)


@pytest.mark.parametrize("name", NAMED)
def test_seen_from_the_other_machine_it_is_the_same_kind(name: str) -> None:
    mine, theirs, there, kind, _ = NAMED[name]
    here = S390X if name.endswith("of the same order") else LE
    found = between(theirs, mine, here, there)
    assert found.guess is not None, str(found)
    assert found.guess.kind == kind, str(found)


UNKNOWN = {
    "a counter": (b"\x01go", b"\x02go", PPC),
    "a counter of four bytes": (struct.pack(">I", 41), struct.pack(">I", 42), PPC),
    "another text": (b"from Bern", b"form Bern", PPC),
    "a longer text": (b"hello", b"hello, world", PPC),
    "a shorter text": (b"hello", b"hel", M68K),
    "an empty message": (b"", b"\x01", PPC),
    "a clock, read twice, in network order": (struct.pack(">I", 1_700_000_000), struct.pack(">I", 1_700_000_009), PPC),
    "a swapped number, and behind it what differs anyhow": (b"\x06\0\0\0abcd", b"\0\0\0\x06wxyz", PPC),
    "a swapped number, and a message that ends early": (b"\x06\0\0\0abcdef", b"\0\0\0\x06", PPC),
    "four zeros more": (bytes(8), bytes(4), PPC),
    "text where padding would be": (b"\x01abc\0\0\0\x06", b"\x01a\0\0\0\x06", M68K),
    "padding, on machines that align alike": (b"\x01\0\0\0\0\0\0\x06", b"\x01\0\0\0\0\x06", PPC),
    "a long, on machines that both have 64 bits": (struct.pack(">q", 6), struct.pack(">i", 6), S390X),
    "a small errno that is the number of something else": (struct.pack(">I", 35), struct.pack(">I", 45), MIPS),
    "errno on machines with the same numbers": (struct.pack(">I", 111), struct.pack(">I", 110), PPC),
    "two errnos": (struct.pack(">I", 111), struct.pack(">I", 145), MIPS),
    "two printed letters": (b"PQ", b"QP", PPC),
    "two words of letters": (b"ABCD", b"CDAB", PPC),
    "two words exchanged, or each turned over": (b"\x01\x20\x20\x01", b"\x20\x01\x01\x20", PPC),
    "the same behind a byte": (b"T\x01\x20\x20\x01", b"T\x20\x01\x01\x20", PPC),
    "two numbers of two bytes, or halves exchanged": (
        bytes.fromhex("ff0000 0000ff0000"),
        bytes.fromhex("00ff0000 ff000000"),
        PPC,
    ),
    "a digit": (b"C", b"4", PPC),
    "more than is read": (b"\x06\0\0\0" + bytes(20_000), b"\0\0\0\x06" + bytes(20_000), PPC),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_no_reason_explains_has_no_name(name: str) -> None:
    mine, theirs, there = UNKNOWN[name]
    found = between(mine, theirs, there)
    assert found.guess is None
    assert UNNAMED in str(found)


def test_a_number_in_the_other_order_from_the_same_machine_has_no_name() -> None:
    found = between(b"\x06\0\0\0", b"\0\0\0\x06", LE)
    assert found.guess is None
    assert "both times it was sent by the same kind of machine, x86_64" in str(found)


def test_machines_of_the_same_order_do_not_turn_a_number_over() -> None:
    assert between(b"\x06\0\0\0", b"\0\0\0\x06", PPC, S390X).guess is None


def test_what_is_alike_has_no_difference() -> None:
    same = (Message("client", b"a"), Message("server", b"b"))
    assert first_difference(Exchange(LE, LE, same), Exchange(PPC, LE, same)) is None


def test_an_answer_is_judged_by_the_machine_of_the_server() -> None:
    asked = Message("client", b"\0\x06")
    here = Exchange(LE, LE, (asked, Message("server", b"\0\0\0\x06")))
    there = Exchange(LE, PPC, (asked, Message("server", b"\0\x06\0\0")))
    found = first_difference(here, there)
    assert found is not None
    assert found.guess is not None
    assert (found.message, found.by, found.guess.kind) == (2, "server", "two bytes read as four")


def test_an_answer_that_did_not_come_is_told_and_has_no_name() -> None:
    asked = Message("client", b"go")
    found = first_difference(Exchange(LE, LE, (asked, Message("server", b"OK"))), Exchange(LE, PPC, (asked,)))
    assert found is not None
    assert found.guess is None
    assert str(found) == (
        "message 2, of the server: from byte 0 it differs, for a reason the lab cannot name: "
        "the server sends 2 bytes here, and nothing there"
    )


@pytest.mark.parametrize("length", [4, 8, 13])
@pytest.mark.parametrize("there", [PPC, S390X, M68K, MIPS], ids=lambda each: str(each.cpu))
def test_random_bytes_have_no_name(length: int, there: Sender) -> None:
    dice = random.Random(length)  # noqa: S311 (the same each time)
    named = [
        pair
        for pair in ((dice.randbytes(length), dice.randbytes(length)) for _ in range(500))
        if between(*pair, there).guess is not None
    ]
    assert named == []


@pytest.mark.parametrize("number", [21.5, 100.25, -3.75, 1e6, 0.5, 0.1, 1 / 3])
@pytest.mark.parametrize("there", [PPC, S390X], ids=lambda each: str(each.cpu))
def test_a_float_in_registers_is_never_only_two_bytes_read_as_four(number: float, there: Sender) -> None:
    head = bytes.fromhex("00 01 00 00 00 0b 01 10 00 0a 00 02 04")  # Modbus: write two registers
    mine, theirs = native("f", number)
    registers = struct.unpack("<HH", mine)
    found = between(head + struct.pack(">HH", *registers), head + theirs, there)
    assert found.guess is not None
    assert "words" in found.guess.why


def test_a_long_message_of_numbers_is_explained_at_once() -> None:
    mine, theirs = native("2000I", *range(2000))
    found = between(mine, theirs, PPC)
    assert found.guess is not None
    assert (found.at, found.guess.kind) == (4, "not converted")
