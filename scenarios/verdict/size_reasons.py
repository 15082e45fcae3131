"""What another word size or alignment does to a message: long, time_t, and the padding of a struct."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scenarios.verdict.fields import FIELD, ONE_RUN_S, TIMES, UNALIGNED, Field, Guess, Kind, Place


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
        where = f"byte {at}" if at == at_there else f"byte {at} here and byte {at_there} there"
        why = f"{wide} bytes here and {wide_there} there for {value} at {where}: a {what}"
        why += f", behind {pads[0]} and {pads[1]} bytes of padding" if any(pads) else ""
        why += ", and not converted" if own and place.orders_differ else ""
        yield place.field(len(cut[0]), len(cut[1]), Guess(what, why), FIELD + (UNALIGNED if at % 4 else 0))
        return


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
        if cut is None or pads[0] == pads[1] or not _is_padding(cut[0][: pads[0]], cut[1][: pads[1]]):
            continue
        mine, theirs = cut[0][pads[0] :], cut[1][pads[1] :]
        turned = place.orders_differ and mine == theirs[::-1] and mine != theirs
        if any(mine) and (mine == theirs or turned):
            more = "; and the number behind it is not converted" if turned else ""
            yield place.field(len(cut[0]), len(cut[1]), Guess("padding", _says_padding(place, pads) + more))
    if place.here.bits != place.there.bits:
        pads = _pads(place, place.here.bits // 8, place.there.bits // 8)
        cut = place.cut(*pads)
        if cut and any(pads) and _is_padding(*cut):
            yield from long(place, pads)


def _padded_at_the_end(place: Place) -> Iterator[Field]:
    for width in (2, 4, 8):
        pads = _pads(place, width, width)
        rest, rest_there = place.mine[place.at :], place.theirs[place.at_there :]
        if place.at and pads[0] != pads[1] and (len(rest), len(rest_there)) == pads and _is_padding(rest, rest_there):
            yield place.field(*pads, Guess("padding", _says_padding(place, pads)))
            return


def _pads(place: Place, width: int, width_there: int) -> tuple[int, int]:
    """The bytes of padding before a number of these widths, in a struct that begins where the message does."""
    return -place.at % min(width, place.here.aligned), -place.at_there % min(width_there, place.there.aligned)


def _is_padding(mine: bytes, theirs: bytes) -> bool:
    """Whether these bytes may be padding: zeros, or what lay in memory, but no text."""
    return not any(0x20 <= byte < 0x7F for byte in mine + theirs)


def _says_padding(place: Place, pads: tuple[int, int]) -> str:
    after = f"after byte {place.at - 1}"
    if place.at != place.at_there:
        after += f" here, after byte {place.at_there - 1} there"
    return f"{pads[0]} bytes of padding here and {pads[1]} there {after}: a struct sent as it lies in memory"
