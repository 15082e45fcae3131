"""What the engine is told to do with a stranger's program, for each signal that is sent to it, and what it tells."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from scenarios.lab import engine
from scenarios.lab import guest as lab_guest
from scenarios.lab.errors import CommandFailed, LabProblem
from scenarios.lab.guest import KILL_OTHERS, Guest
from scenarios.lab.process import BoundedOutput


def sent(monkeypatch: pytest.MonkeyPatch, signal: str, *, paused: list[bool], fails: bool = False) -> list[str]:
    """The first and the last word of each command; `paused` is what the engine says of the program, each time."""
    told: list[str] = []

    def command(*words: str, timeout_s: float) -> str:  # noqa: ARG001
        told.append(f"{words[0]} {words[-1]}")
        if fails and words[0] == "run":
            raise CommandFailed(words, 125, "no such image")
        return ""

    monkeypatch.setattr(engine, "docker_command", command)
    monkeypatch.setattr(Guest, "is_paused", property(lambda _: paused.pop(0)))
    program = Guest.__new__(Guest)
    program._container = "theirs"
    program._send(signal)
    return told


def test_a_program_that_runs_is_killed_by_the_engine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sent(monkeypatch, "KILL", paused=[False]) == ["kill theirs"]


def test_a_paused_program_has_its_sigkill_before_the_engine_lets_it_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sent(monkeypatch, "KILL", paused=[True]) == [f"run {KILL_OTHERS}", "kill theirs"]


def test_one_that_cannot_be_killed_while_it_is_paused_is_told_and_not_let_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(CommandFailed, match="no such image"):
        sent(monkeypatch, "KILL", paused=[True, True], fails=True)


def test_one_that_ended_meanwhile_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sent(monkeypatch, "KILL", paused=[True, False], fails=True) == [f"run {KILL_OTHERS}", "kill theirs"]


@pytest.mark.parametrize(("signal", "word"), [("STOP", "pause"), ("CONT", "unpause"), ("TERM", "kill")])
def test_other_signals_ask_for_no_pause(monkeypatch: pytest.MonkeyPatch, signal: str, word: str) -> None:
    assert sent(monkeypatch, signal, paused=[]) == [f"{word} theirs"]


def test_a_program_that_the_engine_let_go_of_has_no_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """`docker start --attach` ends, with an engine that starts anew, and the program goes on: its ExitCode is 0."""
    state = {"Status": "running", "StartedAt": "2026-11-21T17:04:28Z", "FinishedAt": "0001-01-01T00:00:00Z"}
    theirs = SimpleNamespace(name="theirs", attrs={"State": {**state, "ExitCode": 0}}, reload=lambda: None)

    @contextlib.contextmanager
    def attached(*_: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(wait=lambda _: 1)

    monkeypatch.setattr(lab_guest, "attached", attached)
    monkeypatch.setattr(lab_guest, "STOP_WITHIN_S", 0.05)
    with pytest.raises(LabProblem, match="still ran"):
        lab_guest._attended(theirs, ["ask"], 5.0, BoundedOutput(), BoundedOutput())  # type: ignore[arg-type]
