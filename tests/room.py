"""Room on this machine: the test process that is one more than there are cores begins a test when there is some.

Tests in labs mostly wait, and leave a third of the processors idle; but what they judge by clocks must not wait for a
processor. So that one process takes what is idle, and nothing while another test wants the machine quiet.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LEAST_IDLE: Final = 0.15  # of the processors' time, where there is room
LOOKS_AFTER_S: Final = 1.0  # of an idle share over less than this nothing is said
WAITS_S: Final = 0.25
LONGEST_WAIT_S: Final = 20.0  # for the tests of one part; then they begin all the same, for nobody else can take them
STAT: Final = Path("/proc/stat")  # proc(5): USER_HZ of user, nice, system, idle, iowait, …


class Room:
    """Whether the processors have room, as the kernel's counts say since the last look."""

    def __init__(self, stat: Path = STAT, clock: Callable[[], float] = time.monotonic) -> None:
        self._stat, self._clock = stat, clock
        self._looked_s, self._before = clock(), self._times()
        self._is_idle = True
        self._part, self._left_s = "", 0.0  # what is run, and how long its tests may wait yet

    def _times(self) -> tuple[int, int]:
        """All of the processors' time, and what of it was idle."""
        every = [int(each) for each in self._stat.read_text("ascii").splitlines()[0].split()[1:9]]
        return sum(every), every[3] + every[4]

    def is_there(self) -> bool:
        """Whether enough was idle since the last look; for one that is not yet some time ago what it said."""
        if self._clock() - self._looked_s >= LOOKS_AFTER_S:
            (every, idle), (before, idle_before) = self._times(), self._before
            self._is_idle = idle - idle_before >= LEAST_IDLE * (every - before)
            self._looked_s, self._before = self._clock(), (every, idle)
        return self._is_idle

    def wait(self, part: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """Wait until there is some for a test of this part (scheduling.py), but not for ever."""
        if part != self._part:
            self._part, self._left_s = part, LONGEST_WAIT_S
        while not self.is_there() and self._left_s > 0:
            sleep(WAITS_S)
            self._left_s -= WAITS_S


@dataclass(slots=True)
class Turns:
    """Who may run: a file whose lock the process that is one too many has for each of its tests, and whoever wants
    quiet. Where there is no such process there is no file, and it is quiet.
    """

    file: Path | None = None
    is_extra: bool = False  # whether this process is the one too many

    @contextlib.contextmanager
    def one_test(self, part: str, room: Room) -> Iterator[None]:
        """A test of the process that is one too many: begun when there is room, and nobody wants quiet."""
        room.wait(part)
        with self._locked(fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """For the time of the `with` block that process runs nothing: what it runs is waited for."""
        with contextlib.nullcontext() if self.is_extra else self._locked(fcntl.LOCK_SH):
            yield

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        if self.file is None:
            yield
            return
        with self.file.open("a") as lock:
            fcntl.flock(lock, how)
            yield


TURNS: Final = Turns()  # of this process


def quiet() -> contextlib.AbstractContextManager[None]:
    """For what cannot be judged while the processors are busy: the process that is one too many runs nothing."""
    return TURNS.quiet()
