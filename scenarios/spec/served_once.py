"""A server that ends after its first client, and drills whose control it cannot answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scenarios.spec.expectations import Expectation
from scenarios.spec.roles import SERVER
from scenarios.spec.steps import Step


def misfit_once(name: str, script: Sequence[Step], control: Iterable[Expectation]) -> str:
    """Why a drill is not for a server that serves one client in all; empty where it is.

    That is where the control wants more than one answer of one server, which the script does not restart.
    """
    answered = {each.outcome.call for each in control if each.outcome and each.outcome.is_ == "answered"}
    calls = [call for step in script if (call := step.call or step.start) and call.name in answered]
    count = sum(call.times for call in calls if call.to == SERVER and call.run is None)
    if count < 2 or any(step.restart for step in script):
        return ""
    return f"its control is answered {count} times, and {name} ends after its first client"
