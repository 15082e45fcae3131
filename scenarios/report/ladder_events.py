"""Calls, steps, faults and stalls: the rows and bars beside the packets of a ladder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scenarios.evidence.stalls import Stall
from scenarios.lab.valueclass import valueclass

STALLS = 200  # the longest have rows; all that were kept are in result.json
LANES = 6  # bars of calls side by side; calls beyond have their rows, and no bar

IN_FORCE, HEAL = " is in force", "heal "


@valueclass
class Bar:
    """A call beside the ladder."""

    name: str
    begins_ns: int
    ends_ns: int
    tone: str
    lane: int | None


def lanes(bars: Sequence[Bar], from_ns: int, to_ns: int) -> tuple[str, ...]:
    """What stands in each lane between two moments."""
    found: dict[int, str] = {}
    for bar in bars:
        if bar.lane is None or bar.ends_ns < from_ns or bar.begins_ns > to_ns:
            continue
        begins, ends = from_ns <= bar.begins_ns <= to_ns, from_ns <= bar.ends_ns <= to_ns
        where = "only" if begins and ends else "begins" if begins else "ends" if ends else "on"
        found[bar.lane] = f"{where} {bar.tone}"
    count = max((bar.lane + 1 for bar in bars if bar.lane is not None), default=0)
    return tuple(found.get(lane, "") for lane in range(count))


def tone_of(outcome: str) -> str:
    """How an outcome is coloured: an answer, or no answer."""
    return "answered" if outcome == "answered" else "unanswered"


def bars_of(run: Mapping[str, Any]) -> list[Bar]:
    spans = []
    for name, made in run["calls"].items():
        for each in made:
            call = each["call"]
            if call["started_s"] is not None and call["duration_s"] is not None:
                begins_ns = round(call["started_s"] * 1e9)
                ends_ns = begins_ns + round(call["duration_s"] * 1e9)
                spans.append((begins_ns, ends_ns, name, tone_of(call["outcome"])))
    free_ns: list[int] = []  # of each lane, when its last bar ends
    bars = []
    for begins_ns, ends_ns, name, tone in sorted(spans):
        lane = next((number for number, until_ns in enumerate(free_ns) if until_ns < begins_ns), None)
        if lane is None and len(free_ns) < LANES:
            lane = len(free_ns)
            free_ns.append(0)
        if lane is not None:
            free_ns[lane] = ends_ns
        bars.append(Bar(name, begins_ns, ends_ns, tone, lane))
    return bars


def calls(run: Mapping[str, Any]) -> Iterator[tuple[int, str, str, str]]:
    for name, made in run["calls"].items():
        for number, each in enumerate(made, start=1):
            call, which = each["call"], f"{name} {number} of {len(made)}" if len(made) > 1 else name
            if call["started_s"] is None or call["duration_s"] is None:
                continue
            tone, begins_ns = tone_of(call["outcome"]), round(call["started_s"] * 1e9)
            yield begins_ns, f"{which}: the program begins on {call['host']}", "call", tone
            ends_ns = begins_ns + round(call["duration_s"] * 1e9)
            yield ends_ns, f"{which}: {each['ended']}{ran_for(call)}", "ended", tone


def ran_for(call: Mapping[str, Any]) -> str:
    """How long a call took, behind how it ended. The start and the end of a program that was started for it are in
    its time, so there it is the program's and not the answer's."""
    if call["duration_s"] is None:
        return ""
    if call.get("warm", True):
        return f" after {seconds(call['duration_s'])}"
    return f"; its program ran for {seconds(call['duration_s'])}"


def steps(run: Mapping[str, Any], bars: Sequence[Bar]) -> Iterator[tuple[int, str, str, str]]:
    timed = {bar.name for bar in bars}
    faults = {name for name, _, _ in windows_of(run)}
    whole = {name for name, made in run["calls"].items() if name in timed and all(c["call"]["started_s"] for c in made)}
    for event in run["events"]:
        what = event["what"]
        if any(what.startswith(f"{name} ended: ") for name in whole):
            continue  # the call's own record says it, with the time at which the program itself ended
        kind = "step"
        if what.removesuffix(IN_FORCE) in faults or what.removeprefix(HEAL) in faults:  # and not what is given
            kind = "heal" if what.startswith(HEAL) else "fault"
        yield event["at_ns"], what, kind, ""


def stalls_of(run: Mapping[str, Any]) -> list[Stall]:
    """The longest of the stalls, in order of time; a run of an earlier version has none."""
    found = [Stall(**each) for each in run.get("stalls", {}).get("found", ())]
    longest = sorted(found, key=lambda each: -each.length_s)[:STALLS]
    return sorted(longest, key=lambda each: each.began_ns)


def stall_events(stalls: Sequence[Stall]) -> Iterator[tuple[int, str, str, str]]:
    for each in stalls:
        yield each.began_ns, each.how_long, "stall", ""
        yield each.ended_ns, f"{each.who} goes on", "stall", ""


def windows_of(run: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """The time in which each fault was in force: from its event to its heal, or to the end of the run.

    A program that stands in the place of another is in force from its step on. What is given is no fault.
    """
    begun: dict[str, int] = {}
    last_ns = max((event["at_ns"] for event in run["events"]), default=0)
    for event in run["events"]:
        at_ns, what = event["at_ns"], event["what"]
        if named := re.match(r"fault ([a-z][a-z0-9-]*): ", what):
            begun[named[1]] = at_ns
        elif what.removesuffix(IN_FORCE) in begun:
            begun[what.removesuffix(IN_FORCE)] = at_ns
        elif what.startswith(HEAL) and (name := what.removeprefix(HEAL)) in begun:
            yield name, begun.pop(name), at_ns
    for name, at_ns in begun.items():
        yield name, at_ns, last_ns + 3_600_000_000_000


def seconds(value: float) -> str:
    """`7 min 57 s`, `1.033 s`, `17.4 ms`, `20 µs`."""
    if value >= 60:
        return f"{int(value // 60)} min {value % 60:.0f} s"
    return f"{value:.3f} s" if value >= 1 else f"{value * 1e3:.1f} ms" if value >= 1e-3 else f"{value * 1e6:.0f} µs"
