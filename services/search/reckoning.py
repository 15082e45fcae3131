"""What the search service makes of an array: its sum, its least and greatest element, and each element doubled. No I/O.

Rules, the same on every machine (docs/protocol.md): integers are summed without a bound; floats one after another in
binary64, from 0.0 on, as IEEE 754 adds; the double of an integer is of the same element, or an error; NaN spreads.

It is done in the server's one thread, and the content limit bounds it: 0.7 s for 16 MiB, 10 s and more on an emulated
CPU. The other peers, and SIGTERM, wait so long.
"""

from array import array
from functools import reduce
from math import copysign, inf, isinf, isnan, nan
from operator import add

from services.wire import Element, Numbers


class NoDouble(Exception):
    """The double of an integer is out of the range of its element."""

    def __init__(self, element: Element, at: int, value: int) -> None:
        super().__init__(f"element {at}: 2 × {value} is not in {element.name}, {element.least} to {element.most}")


class Reckoning:
    """Give `doubled` an array piece by piece; then ask for the rest: text, since a JSON number may be rounded."""

    def __init__(self, element: Element) -> None:
        self.element = element
        self.count = 0
        self._sum: float = 0.0 if element.is_float else 0
        self._least: float = inf
        self._most: float = -inf

    @property
    def results(self) -> dict[str, str | None]:
        """`sum`, `minimum` and `maximum` of what was taken; no elements have no minimum and no maximum."""
        least, most = (number_text(n) if self.count else None for n in (self._least, self._most))
        return {"sum": number_text(self._sum), "minimum": least, "maximum": most}

    def doubled(self, piece: Numbers) -> Numbers:
        """Take the next elements, at least one, and give them doubled. Raises NoDouble."""
        take = self._take_floats if self.element.is_float else self._take_integers
        take(piece)
        self.count += len(piece)
        return array(self.element.code, [number + number for number in piece])

    def _take_integers(self, piece: Numbers) -> None:
        least, most = min(piece), max(piece)
        bounds = self.element.least, self.element.most
        assert bounds[0] is not None and bounds[1] is not None  # noqa: S101, PT018 — for mypy: it is no float
        if 2 * least < bounds[0] or 2 * most > bounds[1]:
            at = next(at for at, number in enumerate(piece) if not bounds[0] <= 2 * number <= bounds[1])
            raise NoDouble(self.element, self.count + at, piece[at])
        self._sum = sum(piece, self._sum)
        self._least, self._most = min(self._least, least), max(self._most, most)

    def _take_floats(self, piece: Numbers) -> None:
        # As a loop in any language adds, so that the order decides the last bits. sum() makes up for rounding from
        # Python 3.12 on, and math.fsum() can overflow on its way.
        self._sum = reduce(add, piece, self._sum)
        self._least = _least([self._least, *piece])
        self._most = -_least([-self._most, *(-number for number in piece)])


def number_text(number: float) -> str:
    """All digits of an integer; of a float, the fewest digits that read back as the same binary64."""
    if isnan(number):
        return "NaN"
    if isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(number)


def _least(numbers: list[float]) -> float:
    """IEEE 754-2019, 9.6, minimum: NaN if one of them is, and -0.0 is less than 0.0."""
    if any(map(isnan, numbers)):
        return nan
    found = min(numbers)
    if found == 0.0 and any(copysign(1.0, number) < 0 for number in numbers):
        return -0.0
    return found
