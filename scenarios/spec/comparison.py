"""A drill whose difference is no fault: with what its control is run instead.

`control_with` stands in place of a fault. The same script runs twice: with another pair of machines, or with another
client, in the control, and then as the cell says. What was sent may be held against the control, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import advice, quoted
from scenarios.spec.expectations import Expectation
from scenarios.spec.one_of import OneOf
from scenarios.spec.pairs import EVERY_PAIR, Pair, ends
from scenarios.spec.service import ServiceChoice


@declaration
class ControlWith(OneOf):
    """What the control is run with, where the drill has no fault: exactly one of these.

    `pair`: the control on these machines, the run on those of the cell. `client`: the control with this client of the
    service, the run with the drill's.
    """

    WHAT = "what differs"

    pair: Pair | None = None
    client: str | None = None

    def __post_init__(self) -> None:
        OneOf.__post_init__(self)
        if self.pair is not None:
            try:
                ends(self.pair)
            except ValueError:
                raise ValueError(f"pair: unknown pair {quoted(self.pair)}{advice(self.pair, EVERY_PAIR)}") from None

    @property
    def says(self) -> str:
        """`the pair le-le`."""
        return f"the pair {self.pair}" if self.pair else f"the client {self.client}"


def with_another_end(pairs: Iterable[Pair], control_with: ControlWith | None) -> tuple[Pair, ...]:
    """Those of these pairs in which a drill compares anything: all but the pair of its own control."""
    return tuple(pair for pair in pairs if control_with is None or pair != control_with.pair)


def problems_of_difference(
    control_with: ControlWith | None, has_fault: bool, parts: Mapping[str, Sequence[Expectation]]
) -> Iterator[str]:
    """What is wrong with what differs between the control of a drill and its run: a fault, or what it is run with."""
    if has_fault and control_with is not None:
        yield "control_with: use either `control_with` or a `fault`; with both, nobody knows which made the difference"
    elif not has_fault and control_with is None:
        yield (
            "script: nothing fails here; expected a `fault`; or `control_with`, so that the control is run with "
            "another pair of machines or another client"
        )
    for part, expectations in parts.items():
        for number, each in enumerate(expectations, 1):
            if each.alike is None or each.alike.beside is None:
                continue
            at = f"{part}.{number}.alike.beside"
            if part != "expect":
                yield f"{at}: this would compare the control with itself; expected it in `expect`"
            elif has_fault:
                yield f"{at}: a fault changes what is sent; expected `control_with`, and no fault"


def problems_of_datagrams(parts: Mapping[str, Sequence[Expectation]], chosen: ServiceChoice) -> Iterator[str]:
    """Why conversations of a service cannot be compared: over UDP nothing tells a repetition from one more message."""
    for part, expectations in parts.items():
        for number, each in enumerate(expectations, 1):
            if each.alike and chosen.transport != "tcp":
                yield f"{part}.{number}.alike: it compares conversations over tcp; {chosen.name} speaks udp"
