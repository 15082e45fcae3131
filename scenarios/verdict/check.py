"""Verdicts: what was expected, what was seen, and what follows. Knows nothing of how either came about."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import field

from scenarios.lab.topology import Host
from scenarios.lab.valueclass import valueclass


class Verdict(enum.Enum):
    """`UNPROVEN`: the claim may be true, and this run does not show it. `UNSUPPORTED`: it cannot be tried here."""

    PASS = "pass"  # noqa: S105 (a verdict, not a password)
    FAIL = "fail"
    UNPROVEN = "unproven"
    UNSUPPORTED = "unsupported"

    @property
    def exit_status(self) -> int:
        return {Verdict.PASS: 0, Verdict.FAIL: 1}.get(self, 2)


@valueclass
class Check:
    """One expectation beside what was seen. `frames` are the evidence: numbers of frames, by the leg they crossed.

    `expected` is empty where there is nothing to compare: the rule and what was seen are the whole message then.
    `stalled` says what stood still, where that may have made what was seen: it proves nothing then.
    """

    rule: str
    expected: str
    seen: str
    holds: Verdict
    frames: dict[str, list[int]] = field(default_factory=dict)
    stalled: str = ""

    @property
    def sentence(self) -> str:
        """The check in words: `outcome of hello: expected answered, saw hung`."""
        compared = f"expected {self.expected}, saw {self.seen}" if self.expected else self.seen
        return f"{self.rule}: {compared}"


def check(rule: str, expected: object, seen: object, frames: dict[str, list[int]] | None = None) -> Check:
    """A check that passes when what was seen equals what was expected, and fails otherwise."""
    holds = Verdict.PASS if expected == seen else Verdict.FAIL
    return Check(rule, str(expected), str(seen), holds, frames or {})


def proof(rule: str, expected: str, seen: str, proven: bool, frames: dict[str, list[int]] | None = None) -> Check:
    """A check of the evidence itself: where it does not hold, no claim is proven, and none is refuted."""
    return Check(rule, expected, seen, Verdict.PASS if proven else Verdict.UNPROVEN, frames or {})


def combine(checks: Iterable[Check]) -> Verdict:
    """The verdict of all checks together: what the evidence does not carry is unproven, whatever else was seen.

    No check at all is unproven too.
    """
    seen = {each.holds for each in checks}
    for verdict in (Verdict.UNSUPPORTED, Verdict.UNPROVEN, Verdict.FAIL):
        if verdict in seen:
            return verdict
    return Verdict.PASS if seen else Verdict.UNPROVEN


def check_architecture(host: Host, seen: str) -> Check:
    """What a host said that it is, against what its image promises: no result of another machine counts."""
    promised = str(host.promised)
    return proof(f"byte order, word size and CPU of {host.name}", promised, seen, seen == promised)


MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.UNPROVEN: "?", Verdict.UNSUPPORTED: "–"}


def only_stalled(checks: Iterable[Check]) -> bool:
    """Return whether checks are unproven because something stood still, and for no other reason."""
    checks = list(checks)
    unproven = [each for each in checks if each.holds is Verdict.UNPROVEN]
    return combine(checks) is Verdict.UNPROVEN and bool(unproven) and all(each.stalled for each in unproven)
