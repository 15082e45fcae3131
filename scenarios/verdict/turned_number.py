"""What became of a number whose bytes are in the other order: it was not converted, or converted twice, or either.

The same bytes have two readings. `native`: each machine sent the number in its own order. `converted`: every machine
turned it over, also the one whose order is the network's. Where neither is much the likelier, both are told. No I/O.
"""

from __future__ import annotations

from typing import Final, Literal

from scenarios.lab.valueclass import valueclass
from scenarios.verdict.fields import Guess, Place

Reading = Literal["not converted", "converted twice"]
MUCH_SMALLER: Final = 8  # bits: so much smaller is the number that a program is likely to mean
NO_CHANCE: Final = 256  # a number that is as large, and a length of the message, is not so by chance
IN_WORDS: Final[dict[Reading, str]] = {
    "not converted": "not converted",
    "converted twice": "converted twice, or where it need not be",
}


@valueclass
class TurnedNumber:
    """A number of `width` bytes that begins at a place; `net` and `net_there` are how network order reads its bytes."""

    place: Place
    width: int
    net: int
    net_there: int

    @property
    def native(self) -> int:
        """The number if each machine sent its own order."""
        return self.net_there if self.place.here.byteorder == "little" else self.net

    @property
    def converted(self) -> int:
        """The number if the little-endian machine's bytes are in network order."""
        return self.net if self.place.here.byteorder == "little" else self.net_there

    def readings(self) -> tuple[Reading, ...]:
        """What may have become of it, the likeliest first; empty where neither order is the likelier."""
        native, converted = (self._is_length_beyond_chance(each) for each in (self.native, self.converted))
        if native != converted:
            return ("not converted",) if native else ("converted twice",)
        if self._usual_bits(self.native) + MUCH_SMALLER <= self._usual_bits(self.converted):
            return ("not converted",)  # also the fault that is made most
        if self._usual_bits(self.converted) + MUCH_SMALLER <= self._usual_bits(self.native):
            return "converted twice", "not converted"
        if abs(self.bits(self.native) - self.bits(self.converted)) >= MUCH_SMALLER:
            return "not converted", "converted twice"
        return ()

    def guess(self) -> Guess:
        """The guess, in words."""
        readings, said = self.readings(), f"{in_digits(self.net)} here and {in_digits(self.net_there)} there"
        at = self.place.at
        if not readings:
            why = f"the {self.width} bytes at byte {at} are in one order here and in the other there: {said}"
            return Guess("other order", f"{why}{self._wider()}{self._lengths()}")
        if len(readings) == 1:
            found = IN_WORDS[readings[0]]
        else:
            numbers = {"not converted": self.native, "converted twice": self.converted}
            found = "; or ".join(f"{in_digits(numbers[each])} {IN_WORDS[each]}" for each in readings)
        if "converted twice" in readings and self._has_words_in_the_other_order():
            found += "; or its words of 2 bytes are in the other order"
        return Guess(readings[0], f"the number at byte {at} is {said}: {found}{self._wider()}{self._lengths()}")

    def bits(self, number: int) -> int:
        """The bits that it needs, as a signed number or an unsigned one, whichever is less."""
        return min(number.bit_length(), (number - (1 << 8 * self.width)).bit_length())

    def _usual_bits(self, number: int) -> int:
        """The bits that it needs; of a power of two half of them, for programs like sizes of 1024 and of 65536."""
        return self.bits(number) // 2 if number.bit_count() == 1 else self.bits(number)

    def _has_words_in_the_other_order(self) -> bool:
        mine, theirs = (each.to_bytes(self.width, "big") for each in (self.net, self.net_there))
        return self.width > 2 and theirs == words_exchanged(mine, 2)

    def _is_length_beyond_chance(self, number: int) -> bool:
        return number >= NO_CHANCE and bool(self._length(number))

    def _length(self, number: int) -> str:
        """Of what it may be the length: of what follows it, or of the message, on both machines; else empty."""
        place = self.place
        sizes = len(place.mine), len(place.theirs)
        after = sizes[0] - place.at - self.width, sizes[1] - place.at_there - self.width
        if number and after == (number, number):
            return "as many bytes follow it"
        return "as many bytes has the message" if number and sizes == (number, number) else ""

    def _lengths(self) -> str:
        found = ((number, self._length(number)) for number in (self.native, self.converted))
        return "".join(f"; {number} may be a length: {length}" for number, length in found if length)

    def _wider(self) -> str:
        """The number of which this one is a part, where the bytes around it are turned over together as well."""
        place = self.place
        for width in (4, 8):
            before = place.at % width
            whole = place.mine[place.at - before :][:width]
            start_there = place.at_there - before
            if width <= self.width or start_there < 0 or len(whole) < width:
                continue
            if whole == place.theirs[start_there:][:width][::-1]:
                number = int.from_bytes(whole, place.here.byteorder)
                return f"; or it is a part of the number {in_digits(number)} at byte {place.at - before}"
        return ""


def is_turned(mine: bytes, theirs: bytes, at: int = 0) -> bool:
    """Whether these are one number turned over, and not as well several smaller ones, each turned over in its place.

    Two equal numbers side by side (`short width, height`, both 12) look like one of twice the width. `at`: where they
    begin, for a smaller number is looked for only where a compiler puts one.
    """
    return mine == theirs[::-1] and mine != theirs and not _is_several(mine, theirs, at)


def _is_several(mine: bytes, theirs: bytes, at: int) -> bool:
    ends = {0}  # up to which smaller numbers, and bytes that are alike, explain the bytes
    for end in range(1, len(mine) + 1):
        for width in (1, 2, 4):
            begin = end - width
            is_member = begin in ends and width < len(mine) and (at + begin) % width == 0
            if is_member and mine[begin:end] == theirs[begin:end][::-1]:
                ends.add(end)
    return len(mine) in ends


def in_digits(number: int) -> str:
    """A number as it is told: a large one in hexadecimal digits, which show its bytes."""
    return str(number) if number < 1 << 16 else f"0x{number:08x}"


def words_exchanged(raw: bytes, word: int) -> bytes:
    """The same words of so many bytes, the last one first."""
    return b"".join(raw[at : at + word] for at in reversed(range(0, len(raw), word)))
