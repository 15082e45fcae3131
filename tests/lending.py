"""Labs that stay up between tests: one that comes up costs as much as half a dozen drills.

A test that is done with a lab hands it on to the next of its process, if it is as it was when it came up: what is
left of a test is seen here, and such a lab is taken down, as it always was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from scenarios.lab.errors import CommandFailed, LabProblem
from scenarios.lab.lab import Lab
from scenarios.stress import remains

MOST_LEFT_UP: Final = 2  # each has a dozen containers

_as_it_came_up: dict[int, list[str]] = {}  # what there is of a lab that is up and that no test has, by its number


@contextlib.contextmanager
def lab(new_number: Callable[[], int]) -> Iterator[Lab]:
    """A lab that is up, for the time of the `with` block: one that a test handed on, or one of a number that is new."""
    number, before = _as_it_came_up.popitem() if _as_it_came_up else (new_number(), [])
    lent = Lab(number)
    try:
        if not before:
            lent.up()
            _wait_for_addresses(lent)
            before = remains.of_lab(lent)
        yield lent
    except BaseException:
        lent.down()
        raise
    if len(_as_it_came_up) < MOST_LEFT_UP and is_as(before, lent):
        _as_it_came_up[number] = before
    else:
        lent.down()


def _wait_for_addresses(lent: Lab) -> None:
    """Until each address of the firewall is known as nobody else's (RFC 4862, 5.4): a comparison would show it."""
    script = 'while [ -n "$(ip -6 -o address show tentative)" ]; do sleep 0.1; done'
    if lent.run("firewall", ["sh", "-c", script], timeout_s=10).status != 0:
        raise LabProblem(f"lab {lent.number}: the firewall has addresses that may be somebody else's")


def is_as(before: list[str], lent: Lab) -> bool:
    """Whether a lab is as it was before, when what an ended program left running on it is gone."""
    try:
        with Lab(lent.number).hold_alone():
            pass
        return not remains.differences(before, remains.of_lab(lent))
    except (LabProblem, CommandFailed):  # it is down, or a machine of it does not run
        return False


def take_down() -> None:
    """Take down the labs that no test has any more."""
    labs = [Lab(number) for number in _as_it_came_up]
    _as_it_came_up.clear()
    with ThreadPoolExecutor() as pool:
        list(pool.map(Lab.down, labs))
