"""A path as a link: when a packet that comes now has been sent, what finds no room, and what is lost on the way.

Times are nanoseconds. Draws are three a packet, whatever becomes of it, so that what is drawn for one does not depend
on when those before it came.
"""

from __future__ import annotations

import bisect
import random
from collections import deque

from .holding_back import NS, Acting, Done
from .packet import Packet
from .path_words import OPPORTUNITY_BYTES, Path, opportunities

MS = 1_000_000


class _Rate:
    """A link of so many bits a second."""

    def __init__(self, bits_per_s: int) -> None:
        self._bits_per_s, self._free_at = bits_per_s, 0

    def sent_at(self, now: int, size: int) -> int:
        self._free_at = max(now, self._free_at) + size * 8 * NS // self._bits_per_s
        return self._free_at


class _Trace:
    """A link that may send so many bytes at certain times; what is not there by then misses them."""

    def __init__(self, trace: str) -> None:
        self._times = [each * MS for each in opportunities(trace)]
        self._began: int | None = None
        self._next, self._left = 0, OPPORTUNITY_BYTES  # counted through all rounds; what is left of that one

    def _at(self, number: int) -> int:
        rounds, place = divmod(number, len(self._times))
        return (self._began or 0) + rounds * self._times[-1] + self._times[place]

    def _first_from(self, now: int) -> int:
        rounds, within = divmod(max(0, now - (self._began or 0)), self._times[-1])
        return rounds * len(self._times) + bisect.bisect_left(self._times, within)

    def sent_at(self, now: int, size: int) -> int:
        self._began = now if self._began is None else self._began
        if self._at(self._next) < now:
            self._next, self._left = self._first_from(now), OPPORTUNITY_BYTES
        while size > self._left:
            size -= self._left
            self._next, self._left = self._next + 1, OPPORTUNITY_BYTES
        self._left -= size
        at = self._at(self._next)
        if not self._left:
            self._next, self._left = self._next + 1, OPPORTUNITY_BYTES
        return at


class Link:
    """One direction of a path. Ask `arrives` once for each packet, in the order in which they come."""

    def __init__(self, declared: Path, draws: random.Random) -> None:
        self._declared, self._draws = declared, draws
        self._link = _Rate(declared.bits_per_s) if declared.bits_per_s else _Trace(declared.trace)
        self._is_bad = False
        self._waiting: deque[tuple[int, int]] = deque()  # when each has been sent, and its size
        self._waits = 0
        self._last = 0

    def arrives(self, now: int, size: int) -> tuple[str, int]:
        """What becomes of it, and when it arrives; 0 where it does not."""
        path = self._declared
        turns, lost, jitter = self._draws.random() * 100, self._draws.random() * 100, self._draws.random()
        self._is_bad = turns >= path.recovers if self._is_bad else turns < path.worsens
        while self._waiting and self._waiting[0][0] <= now:
            self._waits -= self._waiting.popleft()[1]
        if self._waits + size > path.queue_bytes:
            return "dropped: the queue is full", 0
        sent = self._link.sent_at(now, size)
        self._waiting.append((sent, size))
        self._waits += size
        if lost < (path.loss_bad if self._is_bad else path.loss_good):
            return "lost on the way", 0
        self._last = max(self._last, sent + round((path.delay_s + (2 * jitter - 1) * path.jitter_s) * NS))
        return f"arrives after {(self._last - now) / NS:.6f} s", self._last


class Travelling(Acting):
    def __init__(self, declared: Path, seed: int) -> None:
        super().__init__(seed)
        self._link = Link(declared, self.random)

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        did, due = self._link.arrives(now, packet.end)
        if due:
            self.hold(due, packet)
        return did, []
