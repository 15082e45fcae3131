"""The packets that an expectation is about, as they crossed the firewall."""

from __future__ import annotations

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
    if expected.alone or expected.took:
        crossings = crossing_times(seen, expected.at)
        frames = [frame for frame in frames if _crossed(expected, crossings[frame.number])]
    return frames


def _crossed(expected: Matched, took_s: float | None) -> bool:
    if expected.took is None:
        return took_s is None
    return took_s is not None and expected.took.holds(took_s)
