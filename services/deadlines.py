"""Who has waited too long, of thousands, at a cost that does not grow with their number. Time is passed in.

Every key is on one of two clocks: `idle` (nothing moves) or `message` (one has begun and is not whole). All
keys on a clock have the same time, so whoever is put on it last is due last, and the first one is due next.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    def __init__(self, idle_s: float, message_s: float) -> None:
        self.idle_s, self.message_s = idle_s, message_s
        self._idle: OrderedDict[K, float] = OrderedDict()
        self._message: OrderedDict[K, float] = OrderedDict()

    def idle(self, key: K, now_s: float) -> None:
        """Something moved: the idle time starts again."""
        self._message.pop(key, None)
        self._idle[key] = now_s + self.idle_s
        self._idle.move_to_end(key)

    def message(self, key: K, now_s: float, *, another: bool) -> None:
        """A message is not whole. Its time starts again for `another` message only, not for each byte."""
        self._idle.pop(key, None)
        if another or key not in self._message:
            self._message[key] = now_s + self.message_s
            self._message.move_to_end(key)

    def forget(self, key: K) -> None:
        self._idle.pop(key, None)
        self._message.pop(key, None)

    def next_s(self) -> float | None:
        """When the next one is due; None when nobody waits."""
        return min((due_s for clock in (self._idle, self._message) for due_s in _first(clock)), default=None)

    def overdue(self, now_s: float) -> list[tuple[K, str]]:
        """Who is due, off the clock now, each with why: close them, or put them back on."""
        late: list[tuple[K, str]] = []
        for clock, why in (
            (self._idle, f"idle for {self.idle_s:g} s"),
            (self._message, f"message not whole within {self.message_s:g} s"),
        ):
            while any(due_s <= now_s for due_s in _first(clock)):
                late.append((clock.popitem(last=False)[0], why))
        return late


def _first(clock: OrderedDict[K, float]) -> Iterator[float]:
    for due_s in clock.values():
        yield due_s
        return
