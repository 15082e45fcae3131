"""The reasons why the same program sends different bytes on another machine: each finds its own field, and names it.

A reason looks at one place of two messages, and answers with the field that begins there, or with none. It must never
fit what merely differs: a counter, a clock, a word of a text. Numbers are told as network byte order reads them, since
that is how both would be read by the same peer. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from scenarios.verdict.fields import FIELD, UNALIGNED, Field, Guess, Place, Sender
from scenarios.verdict.order_reasons import bit_fields, clock, exchanged, turned
from scenarios.verdict.size_reasons import digit_run, digits, long, padded

# Those that a program tells its peer of, and whose numbers no other count is likely to hit.
NETWORK_ERRNOS: Final = re.compile(
    r"E(CONN\w+|NET\w+|HOST\w+|TIMEDOUT|ADDR\w+|AFNOSUPPORT|PFNOSUPPORT|NOTSOCK|NOTCONN|ISCONN|ALREADY|INPROGRESS|"
    r"SHUTDOWN|MSGSIZE|NOBUFS|PROTO\w*|NOPROTOOPT|OPNOTSUPP|DESTADDRREQ)"
)


def reasons(mine: bytes, theirs: bytes, at: int, at_there: int, here: Sender, there: Sender) -> Iterator[Field]:
    """Every field that may begin at these places, and that differs for a reason which has a name."""
    place = Place(mine, theirs, at, at_there, here, there)
    if place.orders_differ:
        yield from turned(place)
        yield from bit_fields(place)
        yield from exchanged(place)
        yield from clock(place)
    if here.bits != there.bits:
        yield from long(place)
        yield from digits(place)
    yield from padded(place)
    yield from _errno(place)


def _errno(place: Place) -> Iterator[Field]:
    """A number of errno that has the same name on both machines, and another number on each."""
    here, there = place.here, place.there
    runs = [digit_run(raw, at, rb"[0-9]+") for raw, at in ((place.mine, place.at), (place.theirs, place.at_there))]
    if all(0 < len(run) <= 4 for run in runs):
        guess = _same_errno(place, int(runs[0]), int(runs[1]))
        if guess:
            yield place.field(len(runs[0]), len(runs[1]), guess)
    for width in (1, 2, 4):
        cut = place.cut(width, width)
        if cut is None or cut[0] == cut[1]:
            continue
        for orders in (("big", "big"), ("little", "little"), (here.byteorder, there.byteorder)):
            numbers = [int.from_bytes(raw, order) for raw, order in zip(cut, orders, strict=True)]  # type: ignore[arg-type]
            guess = _same_errno(place, *numbers)
            if guess:
                # The widest: one byte of a number of four is not the number.
                yield place.field(width, width, guess, FIELD + UNALIGNED - width)
                break


def _same_errno(place: Place, number: int, number_there: int) -> Guess | None:
    name = place.here.errnos.get(number)
    if name is None or number == number_there or place.there.errnos.get(number_there) != name:
        return None
    if not NETWORK_ERRNOS.fullmatch(name):
        return None
    why = f"{number} here and {number_there} there at byte {place.at}: {name} on {place.here.cpu} and on "
    return Guess("errno", f"{why}{place.there.cpu}, an errno sent as a number")
