"""What becomes of a packet that was picked, where it may be held back: each action with what it holds, until when.

`act` says, in a word or two, what was done, and gives the packets that go on now. A packet that it neither gives nor
holds is lost. What it cannot do to a packet (a fragment cannot be split), it leaves undone: the word is UNTOUCHED.
"""

from __future__ import annotations

import heapq
import random

from .declared import Delay, Duplicate, Reorder
from .packet import Packet, copy
from .queueing import Line, Queue

UNTOUCHED = "untouched"
NS = 1_000_000_000
Done = tuple[str, list[Packet]]


class Acting:
    """What all actions share: a store of held packets, in the order in which they are due, then of arrival."""

    def __init__(self, seed: int) -> None:
        # Not the stream of draws that picks: what is picked must not depend on what is done with it.
        self.random = random.Random(f"{seed} action")  # noqa: S311 (that it can be foretold is what it is for)
        self.held: list[tuple[int, int, Packet]] = []
        self.count = 0  # of the packets that were ever held

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:
        """Deal with a picked packet; `offset` is where in the stream its payload begins, when that is known."""
        raise NotImplementedError

    def passed(self) -> list[Packet]:
        """A packet of the kind that was not picked has gone on; the packets that go on behind it."""
        return []

    def take_lost(self) -> list[Packet]:
        """Packets that were held and are lost since this was asked last."""
        return []

    def hold(self, due: int, packet: Packet) -> None:
        """Hold a packet until `due`."""
        self.count += 1
        heapq.heappush(self.held, (due, self.count, packet))

    @property
    def waiting(self) -> int:
        """How many packets are held."""
        return len(self.held)

    @property
    def due(self) -> int | None:
        """When the next of the held packets goes on."""
        return self.held[0][0] if self.held else None

    def release(self, now: int) -> list[Packet]:
        """The packets that are due."""
        released = []
        while self.held and self.held[0][0] <= now:
            released.append(heapq.heappop(self.held)[2])
        return released

    def release_all(self) -> list[Packet]:
        """All that is held, in the order in which it would have been due."""
        released = [packet for _, _, packet in sorted(self.held)]
        self.held.clear()
        return released


class Holding(Acting):
    FOR_EVER = 1 << 62

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        self.hold(self.FOR_EVER, packet)
        return "held", []

    @property
    def due(self) -> int | None:
        return None


class Delaying(Acting):
    def __init__(self, declared: Delay, seed: int) -> None:
        super().__init__(seed)
        self._declared = declared
        self._last = 0

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        jitter_s = (2 * self.random.random() - 1) * self._declared.jitter_s
        due = now + round((self._declared.by_s + jitter_s) * NS)
        if not self._declared.reorder:
            self._last = due = max(due, self._last)
        self.hold(due, packet)
        return f"delayed by {(due - now) / NS:.6f} s", []


class Duplicating(Acting):
    def __init__(self, declared: Duplicate, seed: int) -> None:
        super().__init__(seed)
        self._declared = declared

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        going = [packet]
        if not packet.is_whole:
            return UNTOUCHED, going
        for number in range(1, self._declared.copies + 1):
            after = round(number * self._declared.after_s * NS)
            if after:
                self.hold(now + after, copy(packet))
            else:
                going.append(copy(packet))
        return f"duplicated {self._declared.copies} times", going


class Reordering(Acting):
    """Holds a packet until so many have passed it; `_left` says how many still must, by its place in the count."""

    def __init__(self, declared: Reorder, seed: int) -> None:
        super().__init__(seed)
        self._declared = declared
        self._left: dict[int, int] = {}

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        self.hold(now + round(self._declared.within_s * NS), packet)
        self._left[self.count] = self._declared.behind
        return f"held behind {self._declared.behind}", []

    def release(self, now: int) -> list[Packet]:
        released = super().release(now)
        self._left = {number: self._left[number] for _, number, _ in self.held}
        return released

    def passed(self) -> list[Packet]:
        released = []
        for _, number, packet in sorted(self.held):
            self._left[number] -= 1
            if not self._left[number]:
                released.append(packet)
                del self._left[number]
        if released:
            self.held = [entry for entry in self.held if entry[1] in self._left]
            heapq.heapify(self.held)
        return released


class Queueing(Acting):
    """A line of packets in front of a slow link (queueing.py)."""

    def __init__(self, declared: Queue, seed: int) -> None:
        super().__init__(seed)
        self._line = Line(declared)
        self._lost: list[Packet] = []

    def act(self, packet: Packet, now: int, offset: int | None) -> Done:  # noqa: ARG002
        if not self._line.takes(packet, now, self.random.random()):
            return "dropped at the queue", []
        self.count += 1
        return "queued", []

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def due(self) -> int | None:
        return self._line.due

    def release(self, now: int) -> list[Packet]:
        released, lost = self._line.out(now)
        self._lost += lost
        return released

    def take_lost(self) -> list[Packet]:
        lost, self._lost = self._lost, []
        return lost

    def release_all(self) -> list[Packet]:
        return self._line.all()
