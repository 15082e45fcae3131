"""The words of a program whose clock is wrong, on a machine whose clock is right."""

from __future__ import annotations

import datetime
import re
from typing import Self

from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import quoted
from scenarios.spec.roles import SERVER, program_label
from scenarios.spec.units import matched
from scenarios.spec.validate import check_one

UNITS_S = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"([0-9]{1,9}) ?(s|min|h|d)")
LONGEST_S = 36_500 * UNITS_S["d"]
_MOMENT = "%Y-%m-%d %H:%M:%S"
FIRST, LAST = datetime.datetime(1970, 1, 2), datetime.datetime(2999, 12, 31)


class Span(int):
    """Seconds by which a clock is wrong. `str` gives them as they were written."""

    written: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `400d`, `36h`, `5min` or `90s`. Raises ValueError."""
        match = matched(_SPAN, text, "a length of time such as 400d, 36h, 5min or 90s")
        found = cls(int(match[1]) * UNITS_S[match[2]])
        if not 0 < found <= LONGEST_S:
            raise ValueError(f"expected more than 0s and at most {LONGEST_S // UNITS_S['d']}d, got {quoted(text)}")
        found.written = text.strip()
        return found

    def __str__(self) -> str:
        return self.written


class Moment(str):
    """A moment of UTC: `2038-01-19 03:14:00`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        try:
            found = datetime.datetime.strptime(text.strip(), _MOMENT)
        except ValueError:
            raise ValueError(f"expected a moment of UTC such as 2038-01-19 03:14:00, got {quoted(text)}") from None
        if not FIRST <= found <= LAST:
            raise ValueError(f"expected a moment of {FIRST:%Y-%m-%d} to {LAST:%Y-%m-%d}, got {quoted(text)}")
        return cls(found.strftime(_MOMENT))


@declaration
class Clock:
    """The clock of a call's program is `ahead`, or `behind`, or `reads` a moment of UTC when the program begins.

    It is the time of day (time(2), gettimeofday(2), clock_gettime(2) CLOCK_REALTIME), and goes on from there; what
    counts the time that passes stays right, and so do timeouts. The machine's clock is not touched. The program is one
    of a host of the lab that has the machine's own CPU, and is linked dynamically. Hits are how often it asked.
    """

    who: str
    ahead: Span | None = None
    behind: Span | None = None
    reads: Moment | None = None

    def __post_init__(self) -> None:
        check_one(self, "a clock", ("ahead", "behind", "reads"))
        if self.who == SERVER:
            raise ValueError("who: expected the name of a call; a server's program keeps the machine's clock")

    @property
    def faketime(self) -> str:
        """The clock in the words of libfaketime (faketime(1))."""
        if self.reads:
            return f"@{self.reads}"
        return f"+{int(self.ahead)}" if self.ahead else f"-{int(self.behind or 0)}"

    @property
    def says(self) -> str:
        how = f"reads {self.reads}" if self.reads else f"is {self.ahead or self.behind} "
        way = "" if self.reads else "ahead" if self.ahead else "behind"
        return f"the clock of {program_label(self.who)} {how}{way}"
