"""The bytes that all peers hold together, of messages that are not whole and of answers that are not sent: a limit.

Above it the peer that has held some for longest is cut off, again and again, until the others have room. So who uploads
slowly, or does not read what he asked for, loses to who is quick, and a small request is served at any time.

If the next one had to wait, a hundred slow uploads would keep everybody out; to refuse it would punish whoever comes
last. Cost: a long upload over a slow link, beside an attack, is cut off too.

A key is a peer; what it holds is asked of it when it counts, for some of it may have been sent unnoticed. No I/O.
"""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Final, Generic, TypeVar

MEMORY_LIMIT: Final = 128 * 1024 * 1024  # bytes, unless a server is told otherwise

K = TypeVar("K", bound=Hashable)


class Holding(Generic[K]):
    """Threads may share one."""

    def __init__(self, limit: int, held: Callable[[K], int]) -> None:
        self.limit = limit
        self.why = f"all peers together held more than {limit} bytes, and this one the longest"  # for the journal
        self.total = 0
        self._held = held
        self._of: dict[K, int] = {}  # in the order in which they came to hold something
        self._lock = Lock()

    def note(self, key: K) -> list[K]:
        """What a peer holds has changed; whom to cut off now, which may be itself. They are counted no more."""
        cut: list[K] = []
        with self._lock:
            self._count(key)
            while self.total > self.limit:
                oldest = next(iter(self._of))
                self._count(oldest)
                if self.total > self.limit:
                    self.total -= self._of.pop(oldest)
                    cut.append(oldest)
        return cut

    def forget(self, key: K) -> None:
        """A peer is gone."""
        with self._lock:
            self.total -= self._of.pop(key, 0)

    def _count(self, key: K) -> None:
        bytes_held = self._held(key)
        self.total += bytes_held - self._of.get(key, 0)
        if bytes_held:
            self._of[key] = bytes_held
        else:
            self._of.pop(key, None)
