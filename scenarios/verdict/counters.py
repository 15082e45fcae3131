"""Expectations of a kernel's counters, held against their values before and after a script."""

from __future__ import annotations

from scenarios.evidence.record import Seen
from scenarios.evidence.stalls import COUNT_SLACK_S
from scenarios.spec.declaration_error import nearest
from scenarios.spec.expectations import Counters
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.weighing import doubted_for_repeats, passes, repeated_by_stalls, verdict_of, weighed


def check_counters(expected: Counters, seen: Seen) -> Check:
    """The check. A counter that the kernel does not have is unproven, and the nearest that it has are told."""
    risen = seen.counters.get(expected.on)
    if risen is None:
        return Check(expected.rule, expected.amount, "the kernel's counters could not be read", Verdict.UNPROVEN)
    if expected.of not in risen:
        told = f"this kernel has no such counter; the nearest are {', '.join(nearest(expected.of, risen)[:3])}"
        return Check(expected.rule, expected.amount, told, Verdict.UNPROVEN)
    count = risen[expected.of]
    check = Check(expected.rule, expected.amount, f"{count}", verdict_of(expected.holds(count)))
    repeated = repeated_by_stalls(seen)  # they are counted too
    if passes(check) and not all(expected.holds(count - fewer) for fewer in range(repeated + 1)):
        return doubted_for_repeats(check, seen)
    return weighed(check, seen, COUNT_SLACK_S)
