"""What another byte order does to a message: reversed numbers, floats and words, bit-fields, halves of a number."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from typing import Final

from scenarios.verdict.fields import FIELD, ONE_RUN_S, TIMES, UNALIGNED, UNUSUAL, Field, Guess, Place

# Bit-fields as headers have them (IP, MQTT, DNS), lowest bit first: the widths of a byte's fields.
LAYOUTS: Final = ((4, 4), (1, 2, 1, 4), (1,) * 8, (1, 1, 1, 4, 1), (4, 1, 1, 1, 1))
PRINTABLE: Final = re.compile(rb"[\x20-\x7e]+")
WORD: Final = re.compile(rb"[A-Za-z0-9_. -]+\0*")


def turned(place: Place) -> Iterator[Field]:
    """A number, a float or a word of text whose bytes are in the other order."""
    for width in (2, 4, 8):
        cut = place.cut(width, width)
        if cut is None or cut[0] != cut[1][::-1] or cut[0] == cut[1]:
            continue
        guess = _name_of_turned(place, *cut)
        if guess is not None:
            yield place.field(width, width, guess, FIELD + (UNALIGNED if place.at % width else 0) + width // 4)


def _name_of_turned(place: Place, mine: bytes, theirs: bytes) -> Guess | None:
    width = len(mine)
    if WORD.fullmatch(mine) and WORD.fullmatch(theirs) and width > 2:
        why = f"{mine.decode()!r} at byte {place.at} here and {theirs.decode()!r} there"
        return Guess(
            "text in words", f"{why}: text is sent in words of {width} bytes, converted as if they were numbers"
        )
    if PRINTABLE.fullmatch(mine):
        return None  # two letters, exchanged: as well a text that differs
    net, net_there = (int.from_bytes(each, "big") for each in (mine, theirs))
    # What it is if each machine sends its own order, and what it is if the little-endian one converts.
    own, converted = (net_there, net) if place.here.byteorder == "little" else (net, net_there)
    small = _magnitude(own, width), _magnitude(converted, width)
    if (number := _short_float(own, width)) is not None:
        instead = f", or the number {converted} converted twice" if small[1] <= 8 * width // 2 else ""
        why = f"the {width} bytes at byte {place.at} are the float {number:g} in each machine's own order"
        return Guess("float in native order", f"{why}{instead}")
    said = f"{_number(net)} here and {_number(net_there)} there"
    if small[0] + 8 <= small[1]:
        after = len(place.mine) - place.at - width
        what = "length" if own in (after, len(place.mine)) and own else "number"
        return Guess("not converted", f"the {what} at byte {place.at} is {said}: not converted")
    if small[1] + 8 <= small[0]:
        why = f"the number at byte {place.at} is {said}: converted twice, or where it need not be"
        return Guess("converted twice", why)
    why = f"the {width} bytes at byte {place.at} are in one order here and in the other there: {said}"
    return Guess("other order", why)


def _magnitude(number: int, width: int) -> int:
    """The bits that a number of so many bytes needs, as a signed one or an unsigned one, whichever is less."""
    return min(number.bit_length(), (number - (1 << 8 * width)).bit_length())


def _number(number: int) -> str:
    return str(number) if number < 1 << 16 else f"0x{number:08x}"


def _short_float(bits: int, width: int) -> float | None:
    """The float of these bits where it is one that a person would write; else None."""
    if width not in (4, 8):
        return None
    shape, digits = ((">f", 4), (">d", 10))[width == 8]
    (number,) = struct.unpack(shape, bits.to_bytes(width, "big"))
    if not math.isfinite(number) or not 1e-6 <= abs(number) <= 1e12:
        return None
    short = float(f"{number:.{digits}g}")
    return short if struct.pack(shape, short) == struct.pack(shape, number) else None


def bit_fields(place: Place) -> Iterator[Field]:
    """A byte whose bit-fields the compilers fill from different ends."""
    cut = place.cut(1, 1)
    if cut is None or cut[0] == cut[1] or (PRINTABLE.fullmatch(cut[0]) and PRINTABLE.fullmatch(cut[1])):
        return
    little, big = (cut[0][0], cut[1][0]) if place.here.byteorder == "little" else (cut[1][0], cut[0][0])
    for layout in LAYOUTS:
        if _filled_from_the_top(little, layout) == big:
            why = f"byte {place.at} is 0x{cut[0][0]:02x} here and 0x{cut[1][0]:02x} there: bit-fields, which the "
            why += f"compilers fill from different ends (for example of {', '.join(map(str, layout))} bits)"
            yield place.field(1, 1, Guess("bit-fields", why), FIELD + UNUSUAL)
            return


def _filled_from_the_top(little: int, layout: tuple[int, ...]) -> int:
    """The byte of a big-endian compiler for the fields that a little-endian one has put into this byte."""
    big, low, top = 0, 0, 8
    for width in layout:
        top -= width
        big |= (little >> low & (1 << width) - 1) << top
        low += width
    return big


def read_too_wide(place: Place) -> Iterator[Field]:
    """A number that was read as two bytes into a wider one: in its upper half on a big-endian machine."""
    for width, shift in ((4, 16), (8, 48)):
        cut = place.cut(width, width)
        if cut is None:
            continue
        net, net_there = (int.from_bytes(each, "big") for each in cut)
        little, big = (net, net_there) if place.here.byteorder == "little" else (net_there, net)
        if 0 < little < 1 << 16 and big == little << shift:
            why = f"the number at byte {place.at} is {net} here and {net_there} there, {little} times 2 to the {shift}"
            why += f": two bytes read as {'four' if width == 4 else 'eight'}"
            yield place.field(width, width, Guess("two bytes read as four", why), FIELD + UNUSUAL)


def clock(place: Place) -> Iterator[Field]:
    """A time in each machine's own order, of two runs that were not in the same second."""
    for width in (4, 8):
        cut = place.cut(width, width)
        if cut is None or cut[0] == cut[1]:
            continue
        mine, theirs = (
            int.from_bytes(raw, of.byteorder) for raw, of in zip(cut, (place.here, place.there), strict=True)
        )
        if mine != theirs and mine in TIMES and theirs in TIMES and abs(mine - theirs) <= ONE_RUN_S:
            why = f"the {width} bytes at byte {place.at} are a time, {mine} and {theirs}, in each machine's own order"
            yield place.field(width, width, Guess("not converted", f"{why}: not converted"), FIELD + UNUSUAL)
