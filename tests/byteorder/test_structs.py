"""Structs as the compilers of two machines lay them out: what is said of the first field that differs is never false.

The layouts are made here, from the sizes and alignments of each ABI, and not from the reasons that are judged.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from scenarios.verdict.fields import Sender
from scenarios.verdict.guess import UNNAMED
from tests.byteorder.test_endian_guess import LE, M68K, PPC, S390X, between

Member = tuple[str, int]  # its type, and its value


@dataclass(frozen=True)
class Laid:
    """One member where a machine has it: its first byte, its size, and the padding before it."""

    at: int
    size: int
    pad: int


def laid_out(members: Sequence[Member], of: Sender) -> tuple[bytes, list[Laid]]:
    """A struct in a machine's memory, its padding zero, and where its members are."""
    sizes = {"char": 1, "short": 2, "int": 4, "long": of.bits // 8}
    raw, laid, widest = b"", [], 1
    for kind, value in members:
        size = sizes[kind]
        aligned = min(size, of.aligned)
        pad = -len(raw) % aligned
        widest = max(widest, aligned)
        laid.append(Laid(len(raw) + pad, size, pad))
        raw += bytes(pad) + (value % (1 << 8 * size)).to_bytes(size, of.byteorder)
    end = -len(raw) % widest
    return raw + bytes(end), [*laid, Laid(len(raw) + end, 0, end)]


def said_of(members: Sequence[Member], there: Sender) -> str:
    (mine, _), (theirs, _) = laid_out(members, LE), laid_out(members, there)
    return str(between(mine, theirs, there)) if mine != theirs else ""


# What may be said of a struct, and when it is true


def is_true(said: str, members: Sequence[Member], there: Sender) -> bool:
    """Whether it is what became of this struct, or one of what it says that it may be."""
    if not said or UNNAMED in said:
        return True
    mine, theirs = laid_out(members, LE)[1], laid_out(members, there)[1]
    why = said.removeprefix("message 1, of the client: ")
    for claims in (_a_number, _a_long, _padding):
        if (claimed := claims(why, members, mine, theirs)) is not None:
            return claimed
    return False  # a float alone, bit-fields, an errno: none of these is in it


def _a_number(why: str, members: Sequence[Member], mine: list[Laid], theirs: list[Laid]) -> bool | None:
    found = re.match(r"(?:the number|the \d bytes|'.{4,8}') at byte (\d+) (.*)", why)
    if found is None:
        return None
    for (_, value), laid, _other in zip(members, mine, theirs, strict=False):
        number = value % (1 << 8 * laid.size)
        as_told = str(number) if number < 1 << 16 else f"0x{number:08x}"
        if laid.at == int(found[1]):
            is_named = f"the number {number}" in found[2] or "in one order here and in the other there" in found[2]
            is_told = re.search(rf"\b{as_told}\b(?:( not converted)|.*: not converted)", found[2])
            if is_named or is_told or "or it is a number, and not converted" in found[2]:
                return True
        if f"a part of the number {as_told} at byte {laid.at}" in found[2]:
            return True
    return False


def _a_long(why: str, members: Sequence[Member], mine: list[Laid], theirs: list[Laid]) -> bool | None:
    found = re.match(r"8 bytes here and 4 there for (-?\d+) at byte (\d+)(?: here and byte (\d+) there)?: (.*)", why)
    if found is None:
        return None
    number, at, at_there = int(found[1]), int(found[2]), int(found[3] or found[2])
    pads = re.search(r"behind (at most )?(\d) and (\d) bytes of padding", found[4])
    for (kind, value), here, there in zip(members, mine, theirs, strict=False):
        if (here.at, there.at, value) == (at, at_there, number):
            is_kind = kind == "long" or (kind == "int" and "or an int" in found[4])
            return is_kind and (pads is None or _fits((here.pad, there.pad), pads))
    return False


def _fits(pads: tuple[int, int], told: re.Match[str]) -> bool:
    most = int(told[2]), int(told[3])
    return pads == most or (told[1] is not None and pads[0] <= most[0] and pads[1] <= most[1])


def _padding(why: str, members: Sequence[Member], mine: list[Laid], theirs: list[Laid]) -> bool | None:
    after = r"after byte (\d+)(?: here, after byte (\d+) there)?"
    found = re.match(rf"(at most )?(\d) bytes of padding here and (\d) there {after}", why)
    if found is None:
        return None
    if "or a long that is 0" in why and ("long", 0) in members:
        return True
    first, first_there = int(found[4]) + 1, int(found[5] or found[4]) + 1
    for here, there in zip(mine, theirs, strict=True):
        begins, begins_there = here.at - here.pad, there.at - there.pad
        is_there = (begins, begins_there) == (first, first_there) or (
            found[1] is not None
            and first <= begins
            and here.at <= first + int(found[2])
            and first_there <= begins_there
        )
        if here.pad != there.pad and is_there and _fits((here.pad, there.pad), found):
            return True
    return False


KINDS = ("char", "short", "int", "long")
CPUS = pytest.mark.parametrize("there", [PPC, S390X, M68K], ids=lambda each: str(each.cpu))


@CPUS
def test_of_no_small_struct_a_name_is_false(there: Sender) -> None:
    one = [(kind, value) for kind in KINDS for value in (0, 12)]
    false = [
        (members, said)
        for count in (1, 2, 3)
        for members in itertools.product(one, repeat=count)
        if not is_true(said := said_of(members, there), members, there)
    ]
    assert false == []


@CPUS
def test_of_no_random_struct_a_name_is_false(there: Sender) -> None:
    dice = random.Random(there.cpu)  # noqa: S311 (the same each time)
    false = []
    for _ in range(800):
        usual = [dice.randrange(20), 1 << dice.randrange(31), dice.getrandbits(31), -dice.getrandbits(15)]
        members = [(dice.choice(KINDS), dice.choice(usual)) for _ in range(dice.randrange(1, 9))]
        if not is_true(said := said_of(members, there), members, there):
            false.append((members, said))
    assert false == []


@CPUS
def test_most_structs_have_a_name(there: Sender) -> None:
    """The control of the tests above: what names nothing says nothing false."""
    dice = random.Random(there.cpu)  # noqa: S311 (the same each time)
    made = [[(dice.choice(KINDS), dice.randrange(1, 300)) for _ in range(4)] for _ in range(200)]
    said = [found for members in made if (found := said_of(members, there))]
    assert sum(UNNAMED not in each for each in said) > len(said) // 2


@pytest.mark.parametrize(
    ("said", "members", "there"),
    [
        ("8 bytes here and 4 there for 9 at byte 8 here and byte 4 there: a long, behind 7 and 3 bytes of padding, and "
         "not converted", [("char", 3), ("short", 12), ("long", 9)], PPC),
        ("8 bytes here and 4 there for 1 at byte 0: a long, and not converted", [("int", 1), ("long", 9)], PPC),
        ("the number at byte 0 is 4 here and 1024 there: converted twice", [("short", 1024)], PPC),
        ("the number at byte 0 is 0x0c000c00 here and 0x000c000c there: not converted", [("short", 12)] * 2, PPC),
        ("the 4 bytes at byte 0 are the float 2 in each machine's own order", [("int", 1 << 30)], PPC),
        ("3 bytes of padding here and 1 there after byte 0: a struct", [("char", 1), ("char", 5), ("int", 6)], M68K),
        ("byte 0 is 0x10 here and 0x01 there: bit-fields", [("short", 16)], PPC),
    ],
)  # fmt: skip
def test_the_judge_of_these_tests_finds_a_false_name(said: str, members: list[Member], there: Sender) -> None:
    """What was said of these structs before."""
    assert not is_true(f"message 1, of the client: {said}", members, there)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([("char", 3), ("short", 12), ("long", 9)], "the number at byte 2 is 3072 here and 12 there: not converted"),
        (
            [("int", 1), ("long", 9)],
            "8 bytes here and 4 there for 1 at byte 0: a long, or an int with 4 bytes of padding behind it, "
            "and not converted",
        ),
        (
            [("char", 3), ("long", 9)],
            "8 bytes here and 4 there for 9 at byte 8 here and byte 4 there: a long, "
            "behind at most 7 and 3 bytes of padding, and not converted",
        ),
        (
            [("int", 5), ("int", 5)],
            "the number at byte 0 is 0x05000000 here and 5 there: not converted; "
            "or it is a part of the number 0x500000005 at byte 0",
        ),
    ],
)
def test_what_is_said_of_a_struct(members: list[Member], says: str) -> None:
    assert said_of(members, PPC) == f"message 1, of the client: {says}"
