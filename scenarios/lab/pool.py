"""The labs that a run has beside the one that it was asked for: whose they are, and when another run may have them.

A run brings them up and takes them down. One that was killed leaves them up, and so does one that was asked to; the
next run takes those before it brings up others. A file says of a lab that it is a run's, and a lock on that file
(flock(2)), which goes with the process, that this run still goes on. What a person brought up has no such file.

A label on the containers would not do: it cannot be changed while they are there. A run in a container of its own does
not see the files of other runs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from scenarios.lab import locks
from scenarios.lab.cleanup import labs_in_use
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.places import either
from scenarios.lab.topology import DEFAULT_LAB, LAB_NUMBERS

LABS_A_CORE = 4  # a drill mostly waits
MEMORY_A_LAB = 700 << 20  # bytes, with its decoders
MOST_LABS = 16
OTHERS = either("`--labs` and LABS= name others", "`--labs` names others")


class Borrowed(Lab):
    """A lab that is this process's until it is given back, or the process ends. It may be up already."""

    def __init__(self, number: int, *profiles: str) -> None:
        """Raises BlockingIOError when another process has it."""
        super().__init__(number, *profiles)
        self._lock = locks.take(_path(number))

    def forget(self) -> None:
        """No run has it any more: it is as one that was never borrowed."""
        with contextlib.suppress(PermissionError):  # another user's run brought it up first
            _path(self.number).unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """The next run may have it, as it is. So it goes when this process ends, too."""
        os.close(self._lock)


def labs(first: int, count: int, profiles: Sequence[str] = ()) -> list[Lab]:
    """So many labs: the first by its number, the others borrowed. Raises LabProblem when there are too few.

    `profiles` are those whose machines are wanted too.
    """
    taken = labs_in_use()
    left = [number for number in sorted(taken) if _path(number).exists()]
    free = [number for number in (*LAB_NUMBERS[first + 1 :], *LAB_NUMBERS[:first]) if number not in taken]
    borrowed: list[Borrowed] = []
    for number in (*left, *free):
        if len(borrowed) == count - 1:
            break
        if number != first:
            with contextlib.suppress(BlockingIOError):
                borrowed.append(Borrowed(number, *profiles))
    if len(borrowed) < count - 1:
        for lab in borrowed:
            lab.release()
        raise LabProblem(f"{count} labs are wanted, and {len(borrowed) + 1} are free")
    return [Lab(first, *profiles), *borrowed]


def one(profiles: Sequence[str] = ()) -> Lab:
    """A lab that is borrowed: one that a run left, or one that is free, but never a person's usual one."""
    return labs(DEFAULT_LAB, 2, profiles)[1]


def these(first: int, others: Sequence[int], profiles: Sequence[str] = ()) -> list[Lab]:
    """These labs: the first, and the others as `exactly` has them. Raises LabProblem for one that another run has."""
    return [Lab(first, *profiles), *exactly(others, profiles)]


def exactly(numbers: Sequence[int], profiles: Sequence[str] = ()) -> list[Lab]:
    """These labs: one that is up, and that no run left so, is used as it is and stays up; others are borrowed.

    Raises LabProblem for one that another run has.
    """
    up = {number for number in labs_in_use() if not _path(number).exists()}
    found: list[Lab] = []
    for number in numbers:
        try:
            found.append(Lab(number, *profiles) if number in up else Borrowed(number, *profiles))
        except BlockingIOError:
            for lab in found:
                if isinstance(lab, Borrowed):
                    lab.release()
            raise LabProblem(f"lab {number} is in use by another run; {OTHERS}") from None
    return found


def give_back(labs: Iterable[Lab], complain: Callable[[str], None] = lambda _: None) -> None:
    """Take down those of them that are borrowed; they are nobody's then.

    One that cannot be taken down stays a run's, so that the next run takes it before others; `complain` is told.
    """
    for lab in labs:
        if isinstance(lab, Borrowed):
            try:
                lab.down()
            except Exception as problem:
                lab.release()
                complain(f"lab {lab.number} was borrowed, and could not be taken down: {problem}")
            else:
                lab.forget()


def claim(number: int) -> None:
    """Whoever names a lab has it from now on, though a run that has ended left it up."""
    if _path(number).exists():
        with contextlib.suppress(BlockingIOError):  # a run has it: who wants it now is told so later
            Borrowed(number).forget()


def _path(number: int) -> Path:
    return locks.path_of(number, "lent")


def default_jobs(labs_a_core: int = LABS_A_CORE) -> int:
    """How many labs this machine can run side by side, by its cores and its free memory."""
    cores = len(os.sched_getaffinity(0))
    said = Path("/proc/meminfo").read_text("ascii").splitlines()
    free = next(int(line.split()[1]) << 10 for line in said if line.startswith("MemAvailable:"))
    return max(1, min(cores * labs_a_core, free // MEMORY_A_LAB, MOST_LABS))
