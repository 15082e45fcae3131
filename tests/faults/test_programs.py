"""What is done to a program counts where the program was there: one that had ended by itself is no hit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from scenarios.calls.forkserver import WarmRunning
from scenarios.faults.programs import Killed, Signalled
from scenarios.lab import engine
from scenarios.lab.box import Box
from scenarios.lab.guest import Guest


class OnHost:
    """A program of a host, as far as a signal goes."""

    def __init__(self, *, ended: bool) -> None:
        self.ended, self.sent = ended, [""]

    def signal(self, name: str) -> None:
        self.sent.append(name)
        self.ended = True


class OfImage(Guest):
    """A program of an image, whose end is not heard of yet."""

    ended = False

    def __init__(self) -> None:
        self._container, self._box = "one", Box("")
        self.signal = self._send


def _program(*, ended: bool) -> WarmRunning:
    return cast("WarmRunning", OnHost(ended=ended))


def test_a_kill_ends_a_program_and_is_a_hit() -> None:
    assert Killed(_program(ended=False), "KILL").read_hits().hits == 1


def test_a_kill_of_a_program_that_had_ended_hits_nothing_and_sends_nothing() -> None:
    dead = OnHost(ended=True)
    killed = Killed(cast("WarmRunning", dead), "KILL")
    assert killed.read_hits().hits == 0
    assert killed.end().hits == 0
    assert dead.sent == [""]


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> OfImage:
    """A program whose container has exited; what it printed has not come to its end here."""
    containers = SimpleNamespace(get=lambda _: SimpleNamespace(status="exited"))
    monkeypatch.setattr(engine, "client", lambda: SimpleNamespace(containers=containers))
    return OfImage()


def test_a_signal_to_a_container_that_has_exited_hits_nothing(gone: OfImage) -> None:
    assert Killed(gone, "TERM").read_hits().hits == 0
    signalled = Signalled([gone], "HUP", 1, 0.01)
    assert signalled.end().hits == 0


def test_a_signal_to_a_program_that_runs_is_a_hit_each_time() -> None:
    alive = cast("WarmRunning", SimpleNamespace(ended=False, signal=lambda _: None))
    assert Signalled([alive, _program(ended=True)], "HUP", 1, 0.01).end().hits == 1
