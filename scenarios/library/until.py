"""Waiting, in a test, for the hits of a fault, for a line that a program prints, or for sockets in a state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scenarios.lab.errors import UsageError
from scenarios.lab.waiting import wait_for
from scenarios.library.faulting import FaultBlock
from scenarios.library.session import Session
from scenarios.library.words import is_whole
from scenarios.spec.given_values import read
from scenarios.spec.steps import Until


def until_hits(session: Session, fault: object, hits: int, within_s: float) -> None:
    """Wait for the hits of a fault; the control run has none to wait for. Raises UsageError, DeadlinePassed."""
    if not isinstance(fault, FaultBlock):
        raise UsageError(f"lab.until: fault: expected what `lab.fault(…)` gave, got {fault!r}")
    if not is_whole(hits):
        raise UsageError(f"lab.until: hits: expected a whole number, got {hits!r}")
    if session.story.armed:
        wait_for(lambda: fault.hits >= hits, f"{hits} hits of {fault.name}", within_s)


def until_line(log: object, line: str, within_s: float) -> None:
    """Wait for a line that a program prints. Raises UsageError, DeadlinePassed."""
    if not hasattr(log, "lines"):
        raise UsageError(f"lab.until: log: expected what `lab.serve(…)` or `lab.start(…)` gave, got {log!r}")
    if not line:
        raise UsageError("lab.until: line: expected a regular expression for the line that `log` is read for")
    try:
        re.compile(line)
    except (re.error, TypeError) as error:
        raise UsageError(f"lab.until: line: {line!r} is not a regular expression: {error}") from error
    wait_for(lambda: any(re.search(line, each) for each in log.lines), f"a line with {line!r}", within_s)


def until_sockets(session: Session, words: Mapping[str, Any], within_s: float) -> None:
    """Wait for sockets in a state, by a drill's `on`, `state` and `sockets`. Raises UsageError, DeadlinePassed."""
    given = {name: each for name, each in {**words, "within": within_s}.items() if each is not None}
    asked = read(given, Until, "lab.until", {"within": "within_s"})
    assert asked.on and asked.state  # noqa: S101, PT018 (its own check)

    def there() -> bool:
        found = session.sockets(asked.on or "server", "lab.until: on")
        return sum(each.state == asked.state for each in found) >= asked.sockets

    wait_for(there, asked.says, within_s)
