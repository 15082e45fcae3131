"""What the engine is told to do with a stranger's program, for each signal that is sent to it."""

from __future__ import annotations

import pytest

from scenarios.lab import engine
from scenarios.lab.errors import CommandFailed
from scenarios.lab.guest import KILL_OTHERS, Guest


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
