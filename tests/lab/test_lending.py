"""Which labs a run may have beside its own: those that a run left, and free ones; never a person's, nor another's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.lab import locks, pool
from scenarios.lab.errors import LabProblem
from scenarios.lab.pool import Borrowed, claim, give_back, labs
from scenarios.lab.topology import LAB_NUMBERS

BORROWS = """
import sys, time
from scenarios.lab import locks
from scenarios.lab.pool import Borrowed
locks.PLACES = (sys.argv[2],)
lab = Borrowed(int(sys.argv[1]))
print("has it", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> set[int]:
    """The numbers of the labs that are up; no engine is asked."""
    numbers: set[int] = set()
    monkeypatch.setattr(locks, "PLACES", (str(tmp_path),))
    monkeypatch.setattr(pool, "labs_in_use", lambda: set(numbers))
    monkeypatch.setattr(Borrowed, "down", lambda self: numbers.discard(self.number))
    return numbers


def numbers_of(count: int, first: int = 1) -> list[int]:
    return [lab.number for lab in labs(first, count)]


def killed_with(number: int) -> None:
    """A process that borrowed the lab, and was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", BORROWS, str(number), *locks.PLACES], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "has it\n"
        with pytest.raises(BlockingIOError):
            Borrowed(number)
        process.kill()


def test_those_after_the_first_are_borrowed_and_no_other_run_gets_them() -> None:
    mine = labs(1, 3)
    assert [type(lab).__name__ for lab in mine] == ["Lab", "Borrowed", "Borrowed"]
    assert [lab.number for lab in mine] == [1, 2, 3]
    others = labs(1, 3)
    assert [lab.number for lab in others] == [1, 4, 5]
    give_back(mine)
    assert numbers_of(2) == [1, 2]


def test_what_a_killed_run_left_up_is_taken_first_and_taken_down(up: set[int]) -> None:
    killed_with(7)
    up |= {1, 7}
    mine = labs(1, 3)
    assert [lab.number for lab in mine] == [1, 7, 2]
    give_back(mine)
    assert up == {1}
    up.add(7)  # by a person this time
    assert numbers_of(3) == [1, 2, 3]


def test_a_lab_that_a_person_brought_up_is_never_taken_and_one_that_is_named_is_theirs(up: set[int]) -> None:
    killed_with(7)
    up |= {2, 7}
    claim(7)
    assert numbers_of(3) == [1, 3, 4]


def test_one_that_a_run_has_stays_its_own_whoever_names_it(up: set[int]) -> None:
    mine = labs(1, 2)
    up.add(2)
    claim(2)
    with pytest.raises(BlockingIOError):
        Borrowed(2)
    give_back(mine)
    assert up == set()


def test_one_that_cannot_be_taken_down_is_told_of_and_is_taken_first_by_the_next_run(
    up: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = labs(1, 3)
    up |= {1, 2, 3}
    down = Borrowed.down

    def fails(lab: Borrowed) -> None:
        if lab.number == 2:
            raise OSError("the engine is gone")
        down(lab)

    monkeypatch.setattr(Borrowed, "down", fails)
    told: list[str] = []
    give_back(mine, told.append)
    assert told == ["lab 2 was borrowed, and could not be taken down: the engine is gone"]
    assert up == {1, 2}
    monkeypatch.setattr(Borrowed, "down", down)
    assert numbers_of(2) == [1, 2]


def test_too_few_are_told_of(up: set[int]) -> None:
    up |= {*LAB_NUMBERS} - {1, 9}
    with pytest.raises(LabProblem, match="3 labs are wanted, and 2 are free"):
        labs(1, 3)
    assert numbers_of(2) == [1, 9]


def test_labs_that_are_named_are_those_that_are_used_one_that_is_up_stays_up(
    up: set[int],
) -> None:
    up.add(4)
    made = pool.these(3, [4, 9])
    assert [lab.number for lab in made] == [3, 4, 9]
    assert [isinstance(lab, pool.Borrowed) for lab in made] == [False, False, True]
    with pytest.raises(LabProblem, match="lab 9 is in use by another run"):
        pool.these(3, [4, 9])
    for lab in made:
        if isinstance(lab, pool.Borrowed):
            lab.forget()
    assert [lab.number for lab in pool.these(9, [])] == [9]
