"""A number in the other order: not converted, converted twice, or either; and whether it may be a length.

A false name costs an afternoon, so each test has a program that sends the number, and no name may deny what that does.
"""

from __future__ import annotations

import random

import pytest

from tests.byteorder.test_endian_guess import LE, PPC, S390X, between

TWICE = "converted twice, or where it need not be"
# Sizes and limits that programs like, whose reversed bytes are a smaller number.
SIZES = [(2, 256), (2, 512), (2, 1024), (2, 4096), (4, 65536), (4, 1 << 20), (8, 1 << 32)]


def sent(width: int, number: int, behind: bytes = b"", *, twice: bool = False) -> str:
    """What is said of a program that sends a number as it lies in memory, or that turns it over on every machine."""
    mine, theirs = number.to_bytes(width, "little"), number.to_bytes(width, "big")
    if twice:
        mine, theirs = theirs, mine
    return str(between(mine + behind, theirs + behind, S390X))


@pytest.mark.parametrize("length", [256, 512, 1024, 4096])
@pytest.mark.parametrize("width", [2, 4, 8])
def test_a_number_as_large_as_what_follows_is_not_converted(width: int, length: int) -> None:
    """1024 in two bytes was `converted twice`: its reversed bytes are 4, which has fewer bits."""
    said = sent(width, length, b"x" * length)
    assert "not converted" in said
    assert TWICE not in said
    assert said.endswith(f"{length} may be a length: as many bytes follow it")


@pytest.mark.parametrize("length", [256, 300, 1024, 4096])
@pytest.mark.parametrize("width", [2, 4])
def test_a_length_that_is_turned_over_on_every_machine_is_converted_twice(width: int, length: int) -> None:
    said = sent(width, length, b"x" * length, twice=True)
    assert TWICE in said
    assert "not converted" not in said


def test_a_small_number_is_a_length_by_chance_and_decides_nothing() -> None:
    said = sent(2, 1024, b"abcd")
    assert said.endswith(
        f"4 here and 1024 there: 1024 not converted; or 4 {TWICE}; 4 may be a length: as many bytes follow it"
    )


@pytest.mark.parametrize(("width", "number"), SIZES)
@pytest.mark.parametrize("twice", [False, True], ids=["not converted", "converted twice"])
def test_where_both_readings_are_plausible_both_are_told(width: int, number: int, *, twice: bool) -> None:
    said = sent(width, number, twice=twice)
    assert "not converted" in said
    assert TWICE in said


def test_a_one_is_likelier_than_its_reversed_bytes() -> None:
    assert sent(4, 1).endswith("0x01000000 here and 1 there: not converted")


@pytest.mark.parametrize("width", [2, 4, 8])
def test_no_number_in_each_machines_own_order_is_only_converted_twice(width: int) -> None:
    dice = random.Random(width)  # noqa: S311 (the same each time)
    numbers = [dice.getrandbits(dice.randrange(1, 8 * width)) << dice.randrange(8 * width) for _ in range(2000)]
    for number in (each % (1 << 8 * width) for each in numbers):
        if number.to_bytes(width, "little") != number.to_bytes(width, "big"):
            said = sent(width, number)
            assert TWICE not in said or f"{number if number < 1 << 16 else f'0x{number:08x}'} not converted" in said


def test_a_field_that_happens_to_be_a_length_is_not_called_one() -> None:
    """The room number 12 of a struct of 16 bytes was `the length at byte 2`: twelve bytes follow it by chance."""
    mine, theirs = b"\x03\0\x0c\0" + bytes(4) + b"\x09" + bytes(7), b"\x03\0\0\x0c" + bytes(11) + b"\x09"
    assert str(between(mine, theirs, S390X)).endswith(
        ": the number at byte 2 is 3072 here and 12 there: not converted; 12 may be a length: as many bytes follow it"
    )
    assert sent(4, 4).endswith("not converted; 4 may be a length: as many bytes has the message")


def test_what_is_as_long_on_one_machine_alone_is_no_length() -> None:
    mine, theirs = b"\x0e\0" + bytes(6) + b"\x01" + bytes(7), b"\0\x0e" + bytes(5) + b"\x01"
    said = str(between(mine, theirs, PPC, LE))
    assert said.endswith("the number at byte 0 is 3584 here and 14 there: not converted")
