"""What another byte order does to a message: reversed numbers, floats and words, bit-fields, halves of a number."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from typing import Final

from scenarios.verdict.fields import FIELD, ONE_RUN_S, TIMES, UNALIGNED, UNUSUAL, Field, Guess, Place
from scenarios.verdict.turned_number import TurnedNumber, is_turned, words_exchanged

# Bit-fields as headers have them (IP, MQTT, DNS), lowest bit first: the widths of a byte's fields.
LAYOUTS: Final = ((4, 4), (1, 2, 1, 4), (1,) * 8, (1, 1, 1, 4, 1), (4, 1, 1, 1, 1))
PRINTABLE: Final = re.compile(rb"[\x20-\x7e]+")
IN_WORDS: Final = {2: "two", 4: "four", 8: "eight"}
WORD: Final = re.compile(rb"[A-Za-z0-9_. -]+\0*")


def turned(place: Place) -> Iterator[Field]:
    """A number, a float or a word of text whose bytes are in the other order."""
    for width in (2, 4, 8):
        cut = place.cut(width, width)
        if cut is None or not is_turned(*cut, place.at) or place.is_adrift(width):
            continue
        guess = _name_of_turned(place, *cut)
        if guess is not None:
            yield place.field(width, width, guess, FIELD + (UNALIGNED if place.at % width else 0) + width // 4)


def _name_of_turned(place: Place, mine: bytes, theirs: bytes) -> Guess | None:
    width = len(mine)
    if WORD.fullmatch(mine) and WORD.fullmatch(theirs) and width > 2:
        why = f"{mine.decode()!r} at byte {place.at} here and {theirs.decode()!r} there: text is sent in words of "
        why += f"{width} bytes, converted as if they were numbers; or it is a number, and not converted"
        return Guess("text in words", why)
    if PRINTABLE.fullmatch(mine):
        return None  # two letters, exchanged: as well a text that differs
    turned_number = TurnedNumber(place, width, int.from_bytes(mine, "big"), int.from_bytes(theirs, "big"))
    native, converted = turned_number.native, turned_number.converted
    is_length = turned_number.readings() == ("converted twice",)
    if is_length or (number := _short_float(native, width)) is None:
        return turned_number.guess()
    why = f"the {width} bytes at byte {place.at} are the float {number:g} in each machine's own order"
    # By chance a number has the bits of such a float where it has few bits, or where the lower half of them is zero.
    why += f", or the number {native}" if width == 4 or native % (1 << 4 * width) == 0 else ""
    why += f", or the number {converted} converted twice" if turned_number.bits(converted) <= 4 * width else ""
    return Guess("float in native order", why)


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


def exchanged(place: Place) -> Iterator[Field]:
    """The same words, last one first: those of a number go in each machine's own order, or two bytes were read as four.

    Where all words of a number but one are zero, the bytes are the same for both, and both are said.
    """
    for width, word in ((4, 2), (8, 2), (8, 4)):
        cut = place.cut(width, width)
        if cut is None or cut[0] == cut[1] or cut[1] != words_exchanged(cut[0], word) or place.is_adrift(word):
            continue
        if PRINTABLE.fullmatch(cut[0]):
            continue  # as well a text that differs
        # As many smaller numbers, each turned over, may be the same bytes: then neither is the likelier.
        turned_costs = [found for each in (2, 4) if each < width and (found := _cost_of_each_turned(place, *cut, each))]
        cost = min(turned_costs, default=FIELD + UNUSUAL)
        yield place.field(width, width, _name_of_exchanged(place, *cut, word), cost)


def _cost_of_each_turned(place: Place, mine: bytes, theirs: bytes, width: int) -> int:
    """What `turned` asks for these bytes as numbers of a width, of which those that differ are turned over; or 0."""
    starts = [at for at in range(0, len(mine), width) if mine[at : at + width] != theirs[at : at + width]]
    if not all(is_turned(mine[at : at + width], theirs[at : at + width], place.at + at) for at in starts):
        return 0
    return sum(FIELD + (UNALIGNED if (place.at + at) % width else 0) + width // 4 for at in starts)


def _name_of_exchanged(place: Place, mine: bytes, theirs: bytes, word: int) -> Guess:
    width = len(mine)
    net, net_there = (int.from_bytes(each, "big") for each in (mine, theirs))
    little, big = (net, net_there) if place.here.byteorder == "little" else (net_there, net)
    too_wide = f"{IN_WORDS[word]} bytes read as {IN_WORDS[width]}" if little < 1 << 8 * word else ""
    floats = (number for number in (_short_float(big, width), _short_float(little, width)) if number is not None)
    number = next(floats, None)
    if too_wide and number is None:
        why = f"the number at byte {place.at} is {net} here and {net_there} there, {little} times 2 to the "
        why += f"{8 * (width - word)}: {too_wide}, or the words of {word} bytes of one number, "
        why += "in each machine's own order"
        return Guess("two bytes read as four", why)
    why = f"the {width} bytes at byte {place.at} are {mine.hex(' ')} here and {theirs.hex(' ')} there, "
    why += f"the same words of {word} bytes in the other order"
    if number is None:
        return Guess("words in native order", f"{why}, as those of one number in each machine's own order")
    why += f": the float {number:g} with its words in each machine's own order"
    return Guess("words in native order", f"{why}, or {little}, {too_wide}" if too_wide else why)


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
            cost = 4 * FIELD if place.at % 4 else FIELD + UNUSUAL  # bytes of several numbers may be a time by chance
            yield place.field(width, width, Guess("not converted", f"{why}: not converted"), cost)
