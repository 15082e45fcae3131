"""What a test has open: its servers, faults, recordings and calls, and this machine as a side of the lab.

Whatever is left open when its test is over would act on the tests after it, so it can be undone from here. A fixture of
a module, a class or a session opens what is for several tests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from scenarios.lab.valueclass import valueclass

FUNCTION = "function"  # the scope of what one test opens; pytest has the others
# What the author of a test may do beside, where a fixture of this scope holds something open.
ELSEWHERE = {"class": ", or move this test out of the class", "module": ", or move this test to another module"}


@valueclass
class _Open:
    name: str  # for a person
    close: Callable[[], object]
    scope: str  # of the fixture that opened it
    is_call: bool


class OpenBlocks:
    """Those that are open, in the order in which they were opened. `scope` is that of what is opened now."""

    def __init__(self) -> None:
        self._open: dict[object, _Open] = {}
        self.scope = FUNCTION

    def add(self, key: object, name: str, close: Callable[[], object], *, is_call: bool = False) -> None:
        """Note that `key` is open; `close` undoes it, and has it discarded."""
        self._open[key] = _Open(name, close, self.scope, is_call)

    def discard(self, key: object) -> None:
        """Note that `key` is closed; one that is not open is left out."""
        self._open.pop(key, None)

    @property
    def names(self) -> list[str]:
        """What is open, for a person."""
        return [each.name for each in self._open.values()]

    def how_to_close(self, otherwise: str, *only: object) -> str:
        """What the author of a test may do about what is open, or about these alone.

        That is `otherwise`, but for what a fixture of several tests holds open.
        """
        asked = [each for key, each in self._open.items() if not only or key in only]
        held = [each for each in asked if each.scope != FUNCTION]
        if not held:
            return otherwise
        scope, names = held[0].scope, " and ".join(each.name for each in held)
        return (
            f"a fixture of the scope {scope!r} holds {names} open, perhaps for an earlier test; "
            f"give that fixture the scope {FUNCTION!r}{ELSEWHERE.get(scope, '')}"
        )

    def undo(self, *, of_several: bool = False) -> list[str]:
        """Close what was left open, the last first; the names, without calls, which end by themselves.

        `of_several`: also what is for several tests. Raises LabProblem after all that could be closed.
        """
        left = [(key, each) for key, each in self._open.items() if of_several or each.scope == FUNCTION]
        with contextlib.ExitStack() as closing:
            for key, each in left:
                closing.callback(self.discard, key)
                closing.callback(each.close)
        return [each.name for _, each in left if not each.is_call]
