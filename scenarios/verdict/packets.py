"""Expectations of packets, held against the frames of the legs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from scenarios.evidence import repetitions, stalls
from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Seen
from scenarios.evidence.stalls import COUNT_SLACK_S, COURSE_SLACK_S, JUST_BEFORE_S, Window
from scenarios.spec.counted import Counted
from scenarios.spec.packet_expectations import Bytes, Order, Packets
from scenarios.spec.units import Seconds, so_many
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.crossings import crossing_times, is_unsure, least_and_most, matching_frames
from scenarios.verdict.weighing import (
    doubted,
    doubted_for_repeats,
    made_by_a_stall,
    passes,
    repeated_by_a_stall,
    stall_at_the_end,
    verdict_of,
    weighed,
)


def check_packets(expected: Packets, seen: Seen) -> Check:
    frames = matching_frames(expected, seen)
    if expected.in_any is not None:
        frames = _most_in_any(expected.in_any, frames)
    holds = expected.holds(len(frames))
    told = f"{len(frames)}"
    if expected.gaps:
        times = sorted(frame.time_ns for frame in frames)
        gaps_s = [(later - earlier) / 1e9 for earlier, later in itertools.pairwise(times)]
        bands = [expected.gaps[min(i, len(expected.gaps) - 1)] for i in range(len(gaps_s))]
        holds = holds and all(band.holds(gap) for band, gap in zip(bands, gaps_s, strict=True))
        told += f", {', '.join(f'{gap:.3f}s' for gap in gaps_s) or 'nothing'} apart" if len(frames) > 1 else ""
    evidence: dict[str, list[int]] = {expected.at: [frame.number for frame in frames]}
    check = Check(expected.rule, expected.right, told, verdict_of(holds), evidence)
    by_time = bool(expected.gaps or expected.in_any) and is_unsure(expected, seen)
    if by_time or _depends_on_equals(expected, least_and_most(expected, seen)):
        return _undecided(check)
    window = _window_of_packets(expected, frames, check, seen)
    return doubted(check, seen, window) if window else check


def _most_in_any(time: Seconds, frames: Sequence[Frame]) -> list[Frame]:
    """The frames of the time of this length that has the most of them; the first such."""
    in_order = sorted(frames, key=lambda frame: frame.time_ns)
    first, most = 0, (0, 0)
    for end, frame in enumerate(in_order, 1):
        while frame.time_ns - in_order[first].time_ns > float(time) * 1e9:
            first += 1
        most = max(most, (end - first, -first))
    count, begin = most[0], -most[1]
    return in_order[begin : begin + count]


def check_bytes(expected: Bytes, seen: Seen) -> Check:
    frames = matching_frames(expected, seen)
    sizes = {frame.number: _size(expected, frame) for frame in frames}
    count = sum(sizes.values())
    evidence: dict[str, list[int]] = {expected.at: [frame.number for frame in frames]}
    told = f"{count} in {so_many(len(frames), 'packet')}"
    check = Check(expected.rule, expected.amount, told, verdict_of(expected.holds(count)), evidence)
    if _depends_on_equals(expected, least_and_most(expected, seen, lambda frame: _size(expected, frame))):
        return _undecided(check)
    if not passes(check):
        return weighed(check, seen, COUNT_SLACK_S)
    if expected.most is not None and (at_the_end := stall_at_the_end(seen)):
        return doubted(check, seen, at_the_end)
    repeated = set(repeated_by_a_stall(seen, expected.at))
    if not expected.holds(count - sum(size for number, size in sizes.items() if number in repeated)):
        return doubted_for_repeats(check, seen)
    return check


def _size(expected: Bytes, frame: Frame) -> int:
    return len(frame.payload) if expected.of == "payload" else frame.length


def _depends_on_equals(expected: Counted, may_be: tuple[int, int]) -> bool:
    """Whether a count holds by some choice of those equal packets that crossed, and not by another."""
    least, most = may_be
    never = most < expected.least or (expected.most is not None and least > expected.most)
    return not never and not (expected.holds(least) and expected.holds(most))


def _undecided(check: Check) -> Check:
    """The check, unproven because the packets that it is about cannot be told apart."""
    told = f"{check.seen}; but several packets are equal, and nothing says which of them crossed"
    return dataclasses.replace(check, seen=told, holds=Verdict.UNPROVEN)


def _window_of_packets(expected: Packets, frames: Sequence[Frame], check: Check, seen: Seen) -> Window | None:
    """The stalls that may have made what a check of packets saw; None where none may."""
    whole = seen.stalls.between(None, None)
    if whole.longest is None:
        return None
    if not passes(check):
        if expected.gaps and expected.holds(len(frames)):
            return _window_of_gaps(expected, frames, check, seen)
        return whole if whole.reaches(COUNT_SLACK_S) else _window_of_crossings(expected, seen)
    if expected.most is not None and (at_the_end := stall_at_the_end(seen)):
        return at_the_end
    held_up = seen.held_up
    timed = held_up.between(None, None)
    reads_a_time = stalls.READS_A_TIME.search(expected.where) or expected.in_any or expected.during
    if reads_a_time and timed.reaches(COURSE_SLACK_S):
        return timed
    made = made_by_a_stall(seen, expected.at)
    doubtful = sum(frame.number in made for frame in frames)
    if not all(expected.holds(len(frames) - fewer) for fewer in range(doubtful + 1)):
        return whole
    return _window_of_crossings(expected, seen) or _window_of_gaps(expected, frames, check, seen)


def _window_of_crossings(expected: Packets, seen: Seen) -> Window | None:
    """The stalls that may have moved the crossings of packets into their band, or out of it."""
    if expected.took is None:
        return None
    candidates = matching_frames(dataclasses.replace(expected, took=None), seen)
    crossings = crossing_times(seen, expected.at)
    during = (seen.held_up if expected.holds(len(matching_frames(expected, seen))) else seen.stalls).on_the_way
    sure = possible = 0
    worst: Window | None = None
    for frame in candidates:
        took_s = crossings[frame.number]
        if took_s is None:
            continue
        window = during.between(frame.time_ns - took_s * 1e9, frame.time_ns + took_s * 1e9)
        inside = expected.took.holds(took_s)
        may_change = (stalls.may_leave if inside else stalls.may_enter)(expected.took, took_s, window)
        sure += inside and not may_change
        possible += inside or may_change
        worst = window if may_change else worst
    return None if len({expected.holds(count) for count in range(sure, possible + 1)}) == 1 else worst


def _window_of_gaps(expected: Packets, frames: Sequence[Frame], check: Check, seen: Seen) -> Window | None:
    """The stalls that may have moved a gap between packets into its band; or every gap that is outside, out of it."""
    in_order = sorted(frames, key=lambda frame: frame.time_ns)
    held_up = seen.held_up
    found: Window | None = None
    for i, (one, next_one) in enumerate(itertools.pairwise(in_order) if expected.gaps else ()):
        earlier, later = one.time_ns, next_one.time_ns
        band, gap_s = expected.gaps[min(i, len(expected.gaps) - 1)], (later - earlier) / 1e9
        inside = band.holds(gap_s)
        if not inside:
            found = seen.stalls.between(None, later)
            if not stalls.may_enter(band, gap_s, found, shortens=True):
                return None
        elif passes(check):
            during = held_up
            if repetitions.sent_again_by_a_kernel(one, next_one):
                during = held_up.of_all if seen.leg_of(one.sender[0]) == expected.at else held_up.on_the_way
            window = during.between(earlier, later)
            begun = during.between(earlier - JUST_BEFORE_S * 1e9, earlier + 1)
            if stalls.may_leave(band, gap_s, window, begun):
                found = window if window.total_s else begun
    return found


def check_order(expected: Order, seen: Seen) -> Check:
    firsts = []
    for where in expected.of:
        frame = next((frame for frame in seen.frames.get(expected.at, ()) if where in frame.marks), None)
        firsts.append(frame)
    numbers = [frame.number for frame in firsts if frame]
    there = len(numbers) == len(firsts)
    holds = there and all(a < b for a, b in itertools.pairwise(numbers))
    told = ", ".join(f"frame {frame.number}" if frame else "none" for frame in firsts)
    check = Check(expected.says, "each before the next", told, verdict_of(holds), {expected.at: numbers})
    in_order, leg = [frame for frame in firsts if frame], seen.frames.get(expected.at, ())
    if holds and (window := stalls.overtaken_in_a_stall(in_order, seen.held_up, seen.machines, leg)):
        return doubted(check, seen, window)
    return weighed(check, seen, COUNT_SLACK_S)
