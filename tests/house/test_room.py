"""The test process that is one too many: it begins a test when there is room, and none while another wants quiet."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from scenarios.lab.waiting import wait_for
from tests.room import LONGEST_WAIT_S, LOOKS_AFTER_S, Room, Turns


class Processors:
    """A machine of two processors, whose clock goes on when somebody sleeps."""

    def __init__(self, stat: Path) -> None:
        self.stat, self.now_s, self.slept_s = stat, 0.0, 0.0
        self._busy = self._idle = 0
        self.goes_on(0, 0)

    def goes_on(self, seconds: float, idle: float) -> None:
        """Let time pass in which this share of both processors was idle."""
        self.now_s += seconds
        self._idle += round(200 * seconds * idle)
        self._busy += round(200 * seconds * (1 - idle))
        self.stat.write_text(f"cpu  {self._busy} 0 0 {self._idle} 0 0 0 0 0 0\ncpu0 1 1 1 1\n", "ascii")

    def sleep(self, seconds: float, idle: float = 0.0) -> None:
        self.slept_s += seconds
        self.goes_on(seconds, idle)


@pytest.fixture
def processors(tmp_path: Path) -> Processors:
    return Processors(tmp_path / "stat")


@pytest.fixture
def room(processors: Processors) -> Room:
    return Room(processors.stat, lambda: processors.now_s)


@pytest.mark.parametrize(("idle", "is_there"), [(0.0, False), (0.1, False), (0.2, True), (1.0, True)])
def test_there_is_room_where_a_part_of_the_processors_was_idle(
    processors: Processors, room: Room, idle: float, is_there: bool
) -> None:
    processors.goes_on(LOOKS_AFTER_S, idle)
    assert room.is_there() is is_there


def test_of_a_moment_nothing_is_said_and_what_was_seen_before_holds(processors: Processors, room: Room) -> None:
    processors.goes_on(LOOKS_AFTER_S, 0.0)
    assert not room.is_there()
    processors.goes_on(LOOKS_AFTER_S / 2, 1.0)
    assert not room.is_there()
    processors.goes_on(LOOKS_AFTER_S / 2, 1.0)
    assert room.is_there()


def test_it_waits_until_there_is_room(processors: Processors, room: Room) -> None:
    processors.goes_on(LOOKS_AFTER_S, 0.0)
    room.wait("a", lambda seconds: processors.sleep(seconds, 0.0 if processors.slept_s < 3 else 1.0))
    assert 3 < processors.slept_s < 3 + 2 * LOOKS_AFTER_S


def test_all_tests_of_a_part_wait_so_long_together_and_those_of_the_next_anew(
    processors: Processors, room: Room
) -> None:
    processors.goes_on(LOOKS_AFTER_S, 0.0)
    for number, part in enumerate(["a", "a", "b", "b", "b"]):
        room.wait(part, processors.sleep)
        assert processors.slept_s == LONGEST_WAIT_S * (1 + (number > 1))


@pytest.fixture
def turns(tmp_path: Path) -> tuple[Turns, Turns]:
    """Those of the process that is one too many, and of another."""
    return Turns(tmp_path / "lock", is_extra=True), Turns(tmp_path / "lock")


def test_who_wants_quiet_waits_for_the_test_that_runs_and_no_other_begins(
    room: Room, turns: tuple[Turns, Turns]
) -> None:
    extra, other = turns
    begun: list[str] = []
    may_end = threading.Event()

    def is_quiet() -> None:
        with other.quiet():
            begun.append("quiet")
            may_end.wait(30)

    def is_next() -> None:
        with extra.one_test("a", room):
            begun.append("next")

    threads = [threading.Thread(target=is_quiet), threading.Thread(target=is_next)]
    with extra.one_test("a", room):
        threads[0].start()
        threads[0].join(0.2)
        assert begun == []
    wait_for(lambda: begun == ["quiet"], "quiet", 30)
    threads[1].start()
    threads[1].join(0.2)
    assert begun == ["quiet"]
    may_end.set()
    for each in threads:
        each.join(30)
    assert begun == ["quiet", "next"]


def test_two_may_want_quiet_at_once_and_it_is_quiet_where_nobody_is_one_too_many(turns: tuple[Turns, Turns]) -> None:
    extra, other = turns
    with other.quiet(), other.quiet(), Turns().quiet():
        pass
    with extra.one_test("a", Room()), extra.quiet():
        pass
