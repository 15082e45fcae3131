"""Drills that put a program in the place of the server, and what is left of a service's own server then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from scenarios.spec.expectations import Expectation
from scenarios.spec.fault import Fault
from scenarios.spec.roles import SERVER
from scenarios.spec.steps import Step
from scenarios.spec.validate import SERVICE_PLACE

NOTHING_OF_IT: Final = "another program stands in the server's place, and the client is the lab's own too"


def is_replaced(faults: Iterable[Fault]) -> bool:
    """Whether one of them puts a program in the server's place, which does not start the server itself."""
    found = (each.replace for each in faults if each.replace and each.replace.who == SERVER)
    return any(SERVICE_PLACE not in each.run for each in found)


def reads_server(
    script: Sequence[Step], faults: Sequence[Fault], expect: Iterable[Expectation], control: Iterable[Expectation]
) -> bool:
    """Whether it reads what the service's own server prints, in either run.

    With the fault a program may stand in its place, and only one that is given does so in the control too.
    """
    waited = {step.until.log for step in script if step.until}
    with_fault, in_control = ({each.log.of for each in part if each.log} for part in (expect, control))
    replaced = any(fault.replace and fault.replace.who == SERVER for fault in faults)
    given = any(step.given and step.given.replace and step.given.replace.who == SERVER for step in script)
    return (SERVER in with_fault and not replaced) or (SERVER in in_control | waited and not given)
