"""What a test has open: its servers, faults, recordings and calls, and this machine as a side of the lab.

Whatever is left open when its test is over would act on the tests after it, so it can be undone from here. A fixture of
a module, a class or a session opens what is for several tests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from scenarios.lab.valueclass import valueclass


@valueclass
class _Open:
    name: str  # for a person
    close: Callable[[], object]
    is_for_several: bool
    is_call: bool


class OpenBlocks:
    """Those that are open, in the order in which they were opened. `for_several`: so is what is opened now."""

    def __init__(self) -> None:
        self._open: dict[object, _Open] = {}
        self.for_several = False

    def add(self, key: object, name: str, close: Callable[[], object], *, is_call: bool = False) -> None:
        """Note that `key` is open; `close` undoes it, and has it discarded."""
        self._open[key] = _Open(name, close, self.for_several, is_call)

    def discard(self, key: object) -> None:
        """Note that `key` is closed; one that is not open is left out."""
        self._open.pop(key, None)

    @property
    def names(self) -> list[str]:
        """What is open, for a person."""
        return [each.name for each in self._open.values()]

    def undo(self, *, of_several: bool = False) -> list[str]:
        """Close what was left open, the last first; the names, without calls, which end by themselves.

        `of_several`: also what is for several tests. Raises LabProblem after all that could be closed.
        """
        left = [(key, each) for key, each in self._open.items() if of_several or not each.is_for_several]
        with contextlib.ExitStack() as closing:
            for key, each in left:
                closing.callback(self.discard, key)
                closing.callback(each.close)
        return [each.name for _, each in left if not each.is_call]
