"""A drill that waits longer for the calls of a client: nobody says that a program hangs which would have ended soon."""

from __future__ import annotations

from dataclasses import replace

from scenarios.spec.drill import Drill
from scenarios.spec.steps import Call, Step
from scenarios.spec.units import Seconds


def patient(drill: Drill, within: Seconds) -> Drill:
    """The same drill, whose client's calls are given at least so long; as it is, where it claims how a call ends."""
    if not within or any(each.outcome or each.duration for each in drill.expect):
        return drill
    longer = replace(drill, script=tuple(_longer(step, within) for step in drill.script))
    object.__setattr__(longer, "path", drill.path)
    object.__setattr__(longer, "text", drill.text)
    return longer


def _longer(step: Step, within: Seconds) -> Step:
    if step.call:
        return replace(step, call=_call(step.call, within))
    return replace(step, start=_call(step.start, within)) if step.start else step


def _call(call: Call, within: Seconds) -> Call:
    return replace(call, within=max(call.within, within)) if call.run is None else call
