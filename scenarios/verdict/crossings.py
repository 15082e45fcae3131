"""The packets that an expectation is about, as they crossed the firewall."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from scenarios.evidence import pairing
from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Seen
from scenarios.spec.packet_expectations import Matched
from scenarios.spec.roles import LegName


def crossing_times(seen: Seen, leg: LegName) -> dict[int, float | None]:
    """The seconds that each frame of this leg took to the other leg of its way; None: it was on this leg alone."""
    found: dict[int, float | None] = {}
    for rung in pairing.rungs_of(seen):
        here = rung.on(leg)
        if here:
            there = rung.left if here is rung.right else rung.right
            found[here.number] = abs(here.time_ns - there.time_ns) / 1e9 if there else None
    return found


def matching_frames(expected: Matched, seen: Seen) -> list[Frame]:
    """The frames that an expectation of packets counts, in the order of the capture."""
    frames = _wherever_they_went(expected, seen)
    if expected.alone or expected.took:
        crossings = crossing_times(seen, expected.at)
        frames = [frame for frame in frames if _crossed(expected, crossings[frame.number])]
    return frames


def least_and_most(expected: Matched, seen: Seen, size: Callable[[Frame], int] = lambda _: 1) -> tuple[int, int]:
    """The least and the most that may be true of what `matching_frames` counts, by their `size`.

    Where packets are equal to the bit, and it is not sure which of them crossed, each that may have is taken for it.
    """
    least = most = sum(map(size, matching_frames(expected, seen)))
    if not (expected.alone or expected.took):
        return least, most
    kept = {frame.number for frame in _wherever_they_went(expected, seen)}
    for rung in pairing.rungs_of(seen):
        if expected.at in rung.way and rung.candidates:
            chosen, *others = _would_count(expected, rung, kept)
            weight = size(rung.frame)  # equal packets have equal sizes
            least -= weight * (chosen and not all(others))
            most += weight * (not chosen and any(others))
    return least, most


def _would_count(expected: Matched, rung: pairing.Rung, kept: Container[int]) -> list[bool]:
    """Whether an expectation counts one of these equal packets more: if the far frame is as it was paired, and if it is
    another one of its candidates.
    """
    near, far = rung.near, rung.far
    assert near is not None and far is not None  # noqa: PT018, S101 (a rung with candidates is whole)
    at_near = rung.on(expected.at) is near
    if expected.alone:  # one that crossed is one that is not alone: of those on the near leg, another one is then
        return [each.number not in kept for each in _able(rung)] if at_near and rung.is_unsure else [False]
    found = [
        (each.number if at_near else far.number) in kept
        and expected.took is not None
        and expected.took.holds((far.time_ns - each.time_ns) / 1e9)
        for each in _able(rung)
    ]
    # One that crossed at once, as the claim has it, did.
    return found[:1] if found[0] and not rung.is_unsure else found


def _able(rung: pairing.Rung) -> list[Frame]:
    """The frames on the near leg that may have become a rung's far one, that with which it was paired first."""
    near, far = rung.near, rung.far
    before = [each for each in rung.candidates if far is not None and each.time_ns <= far.time_ns]
    return sorted(before, key=lambda each: each is not near)


def is_unsure(expected: Matched, seen: Seen) -> bool:
    """Whether among equal packets it is not sure which of them an expectation counts, be their number as it may."""
    if not (expected.alone or expected.took):
        return False
    kept = {frame.number for frame in _wherever_they_went(expected, seen)}
    open_rungs = (rung for rung in pairing.rungs_of(seen) if rung.is_unsure and expected.at in rung.way)
    return any(each.number in kept for rung in open_rungs for each in _ends_at(rung, expected.at))


def _ends_at(rung: pairing.Rung, leg: LegName) -> Iterable[Frame]:
    """The frames on a leg that may be this packet."""
    here = rung.on(leg)
    return rung.candidates if here is rung.near else [here] if here else ()


def _wherever_they_went(expected: Matched, seen: Seen) -> list[Frame]:
    """The frames that an expectation keeps but for `alone` and `took`."""
    frames = [frame for frame in seen.frames.get(expected.at, ()) if expected.where in frame.marks]
    if expected.from_:
        frames = [frame for frame in frames if frame.sender[0] in seen.addresses[expected.from_]]
    if expected.to:
        frames = [frame for frame in frames if frame.receiver[0] in seen.addresses[expected.to]]
    if expected.family:
        frames = [frame for frame in frames if (":" in frame.source) == (expected.family == "ipv6")]
    if expected.during:
        spans = seen.spans.get(expected.during, ())
        frames = [frame for frame in frames if any(began <= frame.time_ns <= ended for began, ended in spans)]
    return frames


def _crossed(expected: Matched, took_s: float | None) -> bool:
    if expected.took is None:
        return took_s is None
    return took_s is not None and expected.took.holds(took_s)
