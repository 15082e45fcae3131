"""A drill told in sentences, without running it: the claim, why, what is done to whom, and what must be seen."""

from __future__ import annotations

from collections.abc import Iterator

from scenarios.spec.drill import Drill


def explained(drill: Drill) -> Iterator[str]:
    """The lines, headings without an indent."""
    yield f"{drill.drill}: {drill.claim}"
    yield f"  {drill.why}"
    yield f"  See {'; '.join(drill.source)}."
    yield f"Runs with {drill.service}" + (f", and fits {', '.join(drill.fits)}" if drill.fits else "") + "."
    for pair, reason in drill.unsupported_on.items():
        yield f"  Not on {pair}: {reason}"
    yield "What is done:"
    for number, step in enumerate(drill.script, 1):
        yield f"  {number}. {step.says}"
    other = drill.control_with
    yield f"First the same with {other.says if other else 'no fault'}, the control. Then it must be that"
    for each in drill.control:
        yield f"  - {each.says}"
    yield f"{'With what the cell says' if other else 'With the faults'} it must be that"
    for each in drill.expect:
        yield f"  - {each.says}"
    if drill.premise:
        yield "The claim means nothing unless in both runs"
    for each in drill.premise:
        yield f"  - {each.says}"
