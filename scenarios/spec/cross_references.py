"""What the parts of a drill say of each other, and what is wrong where one is not there."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass

from scenarios.spec.counted import COUNTS
from scenarios.spec.declaration_error import advice, quoted
from scenarios.spec.expectations import Duration, Expectation, Outcomes
from scenarios.spec.packet_expectations import Matched
from scenarios.spec.steps import Call, Step
from scenarios.spec.validate import given_keys

_OF_ROLES = ("from_", "to", "on", "who", "between", "named", "name_of", "gives", "at")  # whose words are roles, or legs


def unknown(name: str, known: Sequence[str], at: str, what: str) -> list[str]:
    """The problem that a name is not known; empty when it is."""
    if name in known:
        return []
    there_are = advice(name, known) if known else f"; this drill has no {what}"
    return [f"{at}: unknown {what} {quoted(name)}{there_are}"]


def faults_of(step: Step) -> list[str]:
    """The fault that a step makes."""
    return [fault.name for fault in (step.fault, step.given) if fault]


def called_by(step: Step) -> list[str]:
    """The call that a step begins."""
    return [call.name for call in (step.call, step.start) if call]


def filters_by_key(part: str, expectations: Sequence[Expectation]) -> Iterator[tuple[str, str]]:
    """The display filters of a part of a drill, each behind the keys that lead to it: `expect.2.packets.where`."""
    for number, each in enumerate(expectations, 1):
        if isinstance(each.value, Matched):
            yield f"{part}.{number}.{given_keys(each)[0]}.where", each.value.where
        for at, where in enumerate(each.order.of if each.order else (), 1):
            yield f"{part}.{number}.order.of.{at}", where


@functools.cache
def _fields(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()


def named_in(value: object) -> frozenset[str]:
    """Every role and leg that a part of a drill names, at any depth."""
    named: set[str] = set()
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, tuple | list):
            left += part
            continue
        for name in _fields(type(part)):  # type: ignore[arg-type]  # a class has a hash
            found = getattr(part, name)
            if name in _OF_ROLES:
                words = found if isinstance(found, tuple) else (found,)
                named.update(each for each in words if isinstance(each, str))
            if found is not None:
                left.append(found)
    return frozenset(named)


def problems_of_call(expected: Outcomes | Duration, call: Call, at: str) -> Iterator[str]:
    """What makes an expectation of this call hold always, or never."""
    if isinstance(expected, Duration):
        if not expected.is_.least and expected.is_.most >= call.within:
            yield f"{at}.is: this always holds: the lab ends the call after {call.within} (its `within`)"
        return
    if given_keys(expected, COUNTS):
        if expected.least > call.times:
            yield f"{at}: this never holds: {call.name} is called {call.times} times, and not {expected.amount}"
        elif expected.least == 0 and expected.most is not None and expected.most >= call.times:
            yield f"{at}.at_most: this always holds: {call.name} is called {call.times} times"
