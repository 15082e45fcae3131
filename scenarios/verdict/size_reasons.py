"""What another word size or alignment does to a message: long, time_t, and the padding of a struct."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scenarios.verdict.fields import FIELD, ONE_RUN_S, TIMES, UNALIGNED, UNUSUAL, Field, Guess, Kind, Place
from scenarios.verdict.turned_number import is_turned


def long(place: Place, pads: tuple[int, int] = (0, 0)) -> Iterator[Field]:
    """A number of eight bytes where a long has 64 bits, and of four where it has 32."""
    wide, wide_there = place.here.bits // 8, place.there.bits // 8
    cut = place.cut(pads[0] + wide, pads[1] + wide_there)
    if cut is None:
        return
    mine, theirs = cut[0][pads[0] :], cut[1][pads[1] :]
    for own in (False, True):
        orders = (place.here.byteorder, place.there.byteorder) if own else ("big", "big")
        value, value_there = (
            int.from_bytes(raw, order, signed=True) for raw, order in zip((mine, theirs), orders, strict=True)
        )
        is_time = value in TIMES and value_there in TIMES and abs(value - value_there) <= ONE_RUN_S
        if value == 0 or not (value == value_there or is_time):
            continue
        what: Kind = "time_t" if is_time else "long"
        at, at_there = place.at + pads[0], place.at_there + pads[1]
        if (_is_two_numbers if own else _is_behind_zeros)(place, mine, theirs) or (at % 4 and place.is_behind_a_zero):
            continue
        where = f"byte {at}" if at == at_there else f"byte {at} here and byte {at_there} there"
        why = f"{wide} bytes here and {wide_there} there for {value} at {where}: a {what}"
        why += _or_an_int(place, pads, mine, theirs) if own else ""
        why += f", behind {_at_most(*cut, pads)}{pads[0]} and {pads[1]} bytes of padding" if any(pads) else ""
        why += ", and not converted" if own and place.orders_differ else ""
        yield place.field(len(cut[0]), len(cut[1]), Guess(what, why), _cost(place, pads) + (UNALIGNED if at % 4 else 0))
        return


def _is_two_numbers(place: Place, mine: bytes, theirs: bytes) -> bool:
    """Whether it is as well two equal numbers of two bytes, before padding: `short width, height`, both 12."""
    wide, narrow = (mine, theirs) if len(mine) > len(theirs) else (theirs, mine)
    half = len(narrow) // 2
    return place.orders_differ and narrow[:half] == narrow[half:] and not any(wide[len(narrow) :])


def _is_behind_zeros(place: Place, mine: bytes, theirs: bytes) -> bool:
    """Whether the zeros that are more here, or there, may be those of another long, which is zero."""
    narrow, message, at = (
        (theirs, place.theirs, place.at_there) if len(theirs) < len(mine) else (mine, place.mine, place.at)
    )
    before = message[:at] + narrow[: len(narrow) - len(narrow.lstrip(b"\0"))]
    return before.endswith(bytes(len(narrow)))


def _or_an_int(place: Place, pads: tuple[int, int], mine: bytes, theirs: bytes) -> str:
    """The other name of a long in a little-endian machine's order: an int, and padding up to what is aligned to more.

    Such padding is before another member of that size, or at the end of a struct that has one.
    """
    is_here = len(mine) > len(theirs)
    raw, message, of = (mine, place.mine, place.here) if is_here else (theirs, place.theirs, place.there)
    pad, at = (pads[0], place.at + pads[0]) if is_here else (pads[1], place.at_there + pads[1])
    half, rest = len(raw) // 2, len(message) - at - len(raw)
    if of.byteorder != "little" or any(raw[half:]) or (pad >= half and message[at - pad :][:half] != bytes(half)):
        return ""
    if at % len(raw):
        return ", or an int with a long that is 0 behind it"
    has_room = rest >= len(raw) or (rest == 0 and at >= len(raw))
    return f", or an int with {half} bytes of padding behind it" if has_room and (pad < half or at > len(raw)) else ""


def digits(place: Place) -> Iterator[Field]:
    """A number in as many hexadecimal digits as a long, or a time_t, has."""
    runs = [
        digit_run(raw, at, rb"[0-9a-fA-F]+") for raw, at in ((place.mine, place.at), (place.theirs, place.at_there))
    ]
    widths = [of.bits // 4 for of in (place.here, place.there)]
    if [len(run) for run in runs] != widths:
        return
    value, value_there = (int(run, 16) for run in runs)
    is_time = value in TIMES and value_there in TIMES and abs(value - value_there) <= ONE_RUN_S
    if value and (value == value_there or is_time):
        what: Kind = "time_t" if is_time else "long"
        why = f"{widths[0]} digits here and {widths[1]} there for 0x{value:x} at byte {place.at}"
        why += f": as many as a {what} has"
        yield place.field(widths[0], widths[1], Guess(what, why))


def digit_run(raw: bytes, at: int, of: bytes) -> bytes:
    """The digits that begin here, if no digit is before them."""
    if at and re.match(of, raw[at - 1 : at]):
        return b""
    found = re.compile(of).match(raw, at)
    return found[0] if found else b""


def padded(place: Place) -> Iterator[Field]:
    """Padding before a number, or at the end of a struct, of which one compiler puts in more than the other."""
    yield from _padded_at_the_end(place)
    for width in (2, 4, 8):
        pads = _pads(place, width, width)
        cut = place.cut(pads[0] + width, pads[1] + width)
        if cut is None or pads[0] == pads[1] or not _is_padding(place, pads):
            continue
        mine, theirs = cut[0][pads[0] :], cut[1][pads[1] :]
        turned = place.orders_differ and mine == theirs[::-1] and mine != theirs
        if any(mine) and (mine == theirs or turned):
            more = "; and the number behind it is not converted" if turned else ""
            yield place.field(
                len(cut[0]), len(cut[1]), Guess("padding", _says_padding(place, pads) + more), _cost(place, pads)
            )
    if place.here.bits != place.there.bits:
        pads = _pads(place, place.here.bits // 8, place.there.bits // 8)
        cut = place.cut(*pads)
        if cut and cut[0] != cut[1] and _is_padding(place, pads):
            yield from long(place, pads)


def _padded_at_the_end(place: Place) -> Iterator[Field]:
    for width in (2, 4, 8):
        pads = _pads(place, width, width)
        rest, rest_there = place.mine[place.at :], place.theirs[place.at_there :]
        if place.at and pads[0] != pads[1] and (len(rest), len(rest_there)) == pads and _is_padding(place, pads):
            yield place.field(*pads, Guess("padding", _says_padding(place, pads)), _cost(place, pads))
            return


def _pads(place: Place, width: int, width_there: int) -> tuple[int, int]:
    """The bytes of padding before a number of these widths, in a struct that begins where the message does."""
    return -place.at % min(width, place.here.aligned), -place.at_there % min(width_there, place.there.aligned)


def _is_padding(place: Place, pads: tuple[int, int]) -> bool:
    """Whether these bytes may be padding: zeros, or what lay in memory, but no text, and no member of the struct.

    Where it begins is not known behind a zero. A member is there on both machines: a byte that is the same, or two that
    are turned over.
    """
    mine, theirs = place.mine[place.at :][: pads[0]], place.theirs[place.at_there :][: pads[1]]
    if any(0x20 <= byte < 0x7F for byte in mine + theirs) or place.is_behind_a_zero:
        return False
    if any(byte and byte == other for byte, other in zip(mine, theirs, strict=False)):
        return False
    return not any(is_turned(mine[at : at + 2], theirs[at : at + 2]) for at in range(min(pads) - 1))


def _cost(place: Place, pads: tuple[int, int]) -> int:
    """What padding costs: more than a member does where it is not zero, for then it may be that member."""
    is_zero = not any(place.mine[place.at :][: pads[0]] + place.theirs[place.at_there :][: pads[1]])
    return FIELD if is_zero else 2 * FIELD + UNUSUAL


def _at_most(mine: bytes, theirs: bytes, pads: tuple[int, int]) -> str:
    """Whether a member that is zero may be among these bytes of padding: then it is told how many they are at most."""
    shared = min(pads)
    is_zero = any(not byte and not other for byte, other in zip(mine[:shared], theirs[:shared], strict=True))
    return "at most " if is_zero else ""


def _says_padding(place: Place, pads: tuple[int, int]) -> str:
    after = f"after byte {place.at - 1}"
    if place.at != place.at_there:
        after += f" here, after byte {place.at_there - 1} there"
    mine, theirs = place.mine[place.at :][: pads[0]], place.theirs[place.at_there :][: pads[1]]
    is_long = abs(pads[0] - pads[1]) * 8 == abs(place.here.bits - place.there.bits) and not any(mine + theirs)
    after += ", or a long that is 0" if is_long else ""
    most = _at_most(mine, theirs, pads)
    return f"{most}{pads[0]} bytes of padding here and {pads[1]} there {after}: a struct sent as it lies in memory"
