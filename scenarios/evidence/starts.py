"""How long the programs of a script took to start: from the beginning of a call to its first packet."""

from __future__ import annotations

from collections.abc import Mapping

from scenarios.calls.call import Call
from scenarios.evidence.record import Seen
from scenarios.evidence.tries import tries
from scenarios.spec.drill import Drill


def start_s(call: Call, began_s: float | None) -> float:
    """Return how long one took; 0 where nothing is known, and of a program that is started before its call."""
    if call.warm or call.started_s is None or began_s is None:
        return 0.0
    return max(0.0, began_s - call.started_s)


def starts_s(seen: Seen, drill: Drill) -> Mapping[str, float]:
    """Return the longest start of each call of a run, by its name."""
    found: dict[str, float] = {}
    for name, made in seen.calls.items():
        addresses = seen.addresses.get(drill.calls[name].from_, ()) if name in drill.calls else ()
        found[name] = max((start_s(each, tries(seen, each, addresses).began_s) for each in made), default=0.0)
    return found
