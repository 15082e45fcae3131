"""Another client, that calls the same server again and again while a drill's script runs: are others served meanwhile?

It has a run of the script of its own, which is not captured. In a captured run it would be in the counts of packets,
sockets and log lines, and it would be the one client that `echo/once` serves. So a cell takes a third longer.

What it is asked for, and how a call is made, is its caller's to say. It judges nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from scenarios.calls.call import Call, Pending

HEAD_START_S = 0.05  # of the script's own first call: a server that takes one client only takes that one
EVERY_S = 0.4  # between the end of a call and the next


class Others:
    """Calls one after another, by `start`, from `begin` on. `tick` it while waiting for anything else."""

    def __init__(self, start: Callable[[], Pending]) -> None:
        self._start = start
        self._next_s: float | None = None
        self._pending: Pending | None = None
        self._ended: list[Call] = []
        self._every_s: float | None = EVERY_S

    def begin(self) -> None:
        """The script's own first call has begun."""
        if self._next_s is None and self._every_s is not None:
            self._next_s = time.monotonic() + HEAD_START_S

    def wind_up(self) -> None:
        """Begin no more calls; but one, if there was none."""
        self._every_s = None
        self._next_s = None if self._ended or self._pending else time.monotonic()

    def tick(self) -> None:
        """Take note of a call that has ended, and begin the next when it is time. Never waits for either."""
        now_s = time.monotonic()
        if self._pending is not None and self._pending.ended:
            self._ended.append(self._pending.wait())
            self._pending = None
            self._next_s = None if self._every_s is None else now_s + self._every_s
        if self._pending is None and self._next_s is not None and now_s >= self._next_s:
            self._pending = self._start()

    @property
    def is_over(self) -> bool:
        """Whether the last call has ended, after `wind_up`."""
        return self._every_s is None and self._pending is None and bool(self._ended)

    @property
    def calls(self) -> Sequence[Call]:
        """Those that have ended."""
        return tuple(self._ended)

    def give_up(self) -> None:
        """End the call that is under way."""
        if self._pending is not None:
            self._pending.cancel()
