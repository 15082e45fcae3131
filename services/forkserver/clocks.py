"""When each call began and ended, written by the call itself into a page of memory that the fork server shares.

So the times are right however late the fork server gets its turn on a busy machine, and no descriptor is needed.
"""

import mmap
import struct
import time
from dataclasses import dataclass
from typing import Final

# Unix time of the begin; begin and end by CLOCK_MONOTONIC; whether the barrier was released. 0.0: not yet.
_RECORD: Final = struct.Struct("=dddd")


@dataclass(frozen=True, slots=True)
class Clock:
    """The times of one call."""

    page: mmap.mmap
    offset: int

    def _read(self) -> tuple[float, float, float, float]:
        began, began_s, ended_s, released = _RECORD.unpack_from(self.page, self.offset)
        return began, began_s, ended_s, released

    def clear(self) -> None:
        _RECORD.pack_into(self.page, self.offset, 0.0, 0.0, 0.0, 0.0)

    def begin(self) -> None:
        """It begins now. The last begin counts."""
        _RECORD.pack_into(self.page, self.offset, time.time(), time.monotonic(), 0.0, self._read()[3])

    def end(self) -> None:
        began, began_s, _, released = self._read()
        _RECORD.pack_into(self.page, self.offset, began, began_s, time.monotonic(), released)

    def release(self) -> None:
        _RECORD.pack_into(self.page, self.offset, *self._read()[:3], 1.0)

    @property
    def released(self) -> bool:
        return self._read()[3] != 0

    @property
    def began_s(self) -> float | None:
        """Unix time."""
        return self._read()[0] or None

    def duration_s(self, now_s: float) -> float | None:
        """From begin to end; for what was ended by a signal, or is no Python, to `now_s` of CLOCK_MONOTONIC."""
        _, began_s, ended_s, _ = self._read()
        return (ended_s or now_s) - began_s if began_s else None


def clocks(count: int) -> list[Clock]:
    """So many, in one shared page."""
    page = mmap.mmap(-1, count * _RECORD.size)  # MAP_SHARED: what a child writes is seen by its parent
    return [Clock(page, number * _RECORD.size) for number in range(count)]
