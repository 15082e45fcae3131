"""How a comparison becomes a check, and when a stall of a machine makes that check unproven.

A failure is doubted by any long stall; a pass only by one that something waited for. A stall may change all that
follows, so a failure after one proves little. If a pass were doubted as easily, a busy machine would prove nothing; so
something must have come as soon as the stall was over. The cost: more than 0.15 s of work between a stall and the next
packet is not put down to the stall, and a true failure on a machine that often stands still needs a second run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import get_args

from scenarios.calls.call import Call
from scenarios.evidence import repetitions, stalls
from scenarios.evidence.record import Seen
from scenarios.evidence.stalls import COURSE_SLACK_S, Window
from scenarios.spec.roles import LegName
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.crossings import crossing_times


def verdict_of(holds: bool) -> Verdict:
    return Verdict.PASS if holds else Verdict.FAIL


def doubted(check: Check, seen: Seen, window: Window) -> Check:
    """The check, unproven because of the longest stall of a window; one that passed says why that proves nothing."""
    if window.longest is None:
        return check
    told = f"{check.seen}, as that may have made it" if passes(check) else check.seen
    return dataclasses.replace(check, seen=told, holds=Verdict.UNPROVEN, stalled=window.longest.says(seen.zero_ns))


def doubted_for_repeats(check: Check, seen: Seen) -> Check:
    """The check, unproven because packets were sent again in a stall: the longest that held something up meanwhile."""
    of_the_exchange = seen.held_up.between(seen.zero_ns, None)
    return doubted(check, seen, of_the_exchange if of_the_exchange.longest else seen.stalls.between(None, None))


def weighed(check: Check, seen: Seen, slack_s: float, until_ns: float | None = None) -> Check:
    """The check; unproven where it failed, and a stall of `slack_s` or more came before `until_ns` (None: the end)."""
    window = seen.stalls.between(None, until_ns)
    return doubted(check, seen, window) if check.holds is Verdict.FAIL and window.reaches(slack_s) else check


def repeated_by_stalls(seen: Seen) -> int:
    """How many packets a fault may have taken hold of that were sent only because of a stall."""
    return max(len(repeated_by_a_stall(seen, leg)) for leg in get_args(LegName))


def made_by_a_stall(seen: Seen, leg: LegName) -> set[int]:
    """The numbers of the frames of a leg that were sent only because of a stall, as far as one can tell.

    What was sent again, its acknowledgement, and an acknowledgement that would have come with an answer.
    """
    frames, repeated = seen.frames.get(leg, ()), repeated_by_a_stall(seen, leg)
    alone = repetitions.acknowledged_in_a_stall(frames, seen.held_up)
    return {*repeated, *repetitions.answers_to(repeated, frames), *alone}


def repeated_by_a_stall(seen: Seen, leg: LegName) -> list[int]:
    """The numbers of the frames of a leg that were sent again only because of a stall, as far as one can tell."""
    held_up = seen.held_up
    if held_up.between(None, None).longest is None:
        return []
    lost = {number for number, took_s in crossing_times(seen, leg).items() if took_s is None}
    return repetitions.repeated_by_a_stall(seen.frames.get(leg, ()), held_up, lost)


def passes(check: Check) -> bool:
    return check.holds is Verdict.PASS


def spans(calls: Sequence[Call]) -> Iterator[tuple[float, float, Call]]:
    """From when to when each call was, of those that began."""
    for call in calls:
        if call.started_s is not None and call.duration_s is not None:
            yield call.started_s * 1e9, (call.started_s + call.duration_s) * 1e9, call


def stall_at_the_end(seen: Seen) -> Window | None:
    """The stall that was not over when the captures ended: what was still to come is not in them, and was no hit."""
    if not (until_ns := seen.captured_until_ns):
        return None
    last_ns = max((frame.time_ns for of_leg in seen.frames.values() for frame in of_leg), default=until_ns)
    found = stalls.stall_before_effect(last_ns, until_ns, seen.stalls, COURSE_SLACK_S)
    return Window(found.length_s, found) if found else None
