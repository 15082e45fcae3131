"""Waiting, with a deadline, for a condition. The only place where this program sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from scenarios.lab.errors import DeadlinePassed

Value = TypeVar("Value")
Meanwhile = Callable[[], None]


def nothing() -> None:
    """Do nothing while something is waited for."""


def wait_for(
    condition: Callable[[], Value], what: str, within_s: float, every_s: float = 0.02, meanwhile: Meanwhile = nothing
) -> Value:
    """Return the first true value of `condition`, asked every `every_s` seconds; `what` names it for a person.

    Raises DeadlinePassed after `within_s` seconds. The condition is always asked at least once. `meanwhile` is called
    before each look; what it raises ends the wait. A signal reaches the main thread only, so a wait in any other ends
    no sooner for Ctrl-C unless this says so.
    """
    deadline = time.monotonic() + within_s
    while True:
        meanwhile()
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise DeadlinePassed(f"{what}: not within {within_s:g} s")
        time.sleep(every_s)
