"""Two conversations of the same programs on different machines: the first difference, and a named guess at its cause.

A guess is made only where it explains the whole message, from its first byte to its last: the bytes that are alike, and
each one that is not (scenarios/verdict/reasons.py has the reasons). Where nothing explains all of it, the difference
is told without a name. A wrong name costs a programmer an afternoon. No I/O.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Literal

from scenarios.lab.valueclass import valueclass
from scenarios.spec.units import so_many
from scenarios.verdict.fields import Field, Guess, Sender
from scenarios.verdict.reasons import reasons

By = Literal["client", "server"]
LONGEST_READ = 16 * 1024  # bytes of a message; a longer one is compared, and not explained
MOST_STEPS = 100_000
SHOWN_BYTES = 8
UNNAMED = "differs, for a reason the lab cannot name"


@valueclass
class Message:
    """What one end sent without hearing from the other in between."""

    by: By
    content: bytes


@valueclass
class Exchange:
    """One conversation, and the machines of its two ends."""

    client: Sender
    server: Sender
    messages: tuple[Message, ...]

    def sender(self, by: By) -> Sender:
        return self.client if by == "client" else self.server


@valueclass
class Difference:
    """The first difference. `message` counts from 1 and `at` (a byte of the message here) from 0; `here` and `there`
    are the field that differs; where no reason fits, `guess` is None and they are the first bytes that differ.
    """

    message: int
    by: By
    at: int
    here: bytes
    there: bytes
    guess: Guess | None
    detail: str = ""

    def __str__(self) -> str:
        where = f"message {self.message}, of the {self.by}"
        if self.guess is not None:
            return f"{where}: {self.guess.why}"
        shown = f"{self.here.hex(' ') or 'nothing'} here, {self.there.hex(' ') or 'nothing'} there"
        return f"{where}: from byte {self.at} it {UNNAMED}: {self.detail or shown}"


def first_difference(here: Exchange, there: Exchange) -> Difference | None:
    """Compare two conversations message by message. None when all their bytes are the same."""
    for number in range(max(len(here.messages), len(there.messages))):
        one, other = (each.messages[number] if number < len(each.messages) else None for each in (here, there))
        if one == other:
            continue
        if one is None or other is None or one.by != other.by:
            return _without_counterpart(number + 1, one, other)
        return _between(number + 1, one, other, here, there)
    return None


def _without_counterpart(number: int, one: Message | None, other: Message | None) -> Difference:
    sent = one or other
    assert sent is not None  # noqa: S101 (two absent messages are alike)
    if one and other:
        detail = f"the {one.by} sends here, the {other.by} there"
    else:
        size = so_many(len(sent.content), "byte")
        detail = f"the {sent.by} sends {size} {'here' if one else 'there'}, and nothing " + ("there" if one else "here")
    here, there = (each.content[:SHOWN_BYTES] if each else b"" for each in (one, other))
    return Difference(number, sent.by, 0, here, there, None, detail)


def _between(number: int, one: Message, other: Message, here: Exchange, there: Exchange) -> Difference:
    sent, sent_there = here.sender(one.by), there.sender(one.by)
    if sent != sent_there:
        field = _explained(one.content, other.content, sent, sent_there)
        if field is not None:
            shown = one.content[field.at : field.at + field.taken], other.content[field.at_there :][: field.taken_there]
            return Difference(number, one.by, field.at, *shown, field.guess)
    at = next(
        (at for at, (mine, theirs) in enumerate(zip(one.content, other.content, strict=False)) if mine != theirs),
        min(len(one.content), len(other.content)),
    )
    detail = "" if sent != sent_there else f"both times it was sent by the same kind of machine, {sent.cpu}"
    shown = one.content[at : at + SHOWN_BYTES], other.content[at : at + SHOWN_BYTES]
    return Difference(number, one.by, at, *shown, None, detail)


def _explained(mine: bytes, theirs: bytes, here: Sender, there: Sender) -> Field | None:
    """The first field that differs, of the cheapest explanation of the whole message; None where there is none, or
    where two explanations that cost the same begin with different reasons.
    """
    if max(len(mine), len(theirs)) > LONGEST_READ:
        return None
    end = len(mine), len(theirs)
    # By cost (Dijkstra): a state is a place in both messages, and the first field that differed on the way there.
    waiting: list[tuple[int, int, int, int, Field | None]] = [(0, 0, 0, 0, None)]
    cheapest: dict[tuple[int, int], int] = {}
    seen: set[tuple[int, int, str]] = set()
    found: dict[str, Field] = {}
    least: int | None = None
    for order in range(1, MOST_STEPS):
        if not waiting:
            break
        cost, _, at, at_there, first = heapq.heappop(waiting)
        if least is not None and cost > least:
            break
        if (at, at_there) == end:
            least = cost
            if first is not None:
                found.setdefault(first.guess.kind, first)
            continue
        key = at, at_there, first.guess.kind if first else ""
        if cheapest.setdefault((at, at_there), cost) < cost or key in seen:
            continue
        seen.add(key)
        for number, (taken, taken_there, more, field) in enumerate(_steps(mine, theirs, at, at_there, here, there)):
            state = (cost + more, order * 1000 + number, at + taken, at_there + taken_there, first or field)
            heapq.heappush(waiting, state)
    else:
        return None
    return next(iter(found.values())) if len(found) == 1 else None


def _steps(
    mine: bytes, theirs: bytes, at: int, at_there: int, here: Sender, there: Sender
) -> Iterator[tuple[int, int, int, Field | None]]:
    """What may come next: bytes taken here, bytes taken there, the cost, and the field where it is a difference."""
    if at < len(mine) and at_there < len(theirs) and mine[at] == theirs[at_there]:
        yield 1, 1, 0, None
    for field in reasons(mine, theirs, at, at_there, here, there):
        taken, taken_there = field.at + field.taken - at, field.at_there + field.taken_there - at_there
        yield taken, taken_there, field.cost, field
