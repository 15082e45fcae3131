"""What foreign text says to a terminal alone is in no message: with --no-color, in a pipe, in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.lab.build_output import Reading
from scenarios.lab.control_sequences import without_controls, without_sequences
from scenarios.lab.engine import docker_command
from scenarios.lab.errors import CommandFailed, LabProblem
from scenarios.lab.lab import Lab


@pytest.mark.parametrize(
    ("printed", "left"),
    [
        ("\x1b[2Kcables-1  | ready", "cables-1  | ready"),
        ("\x1b[1;31mERROR\x1b[0m: no such host", "ERROR: no such host"),
        ("\x1b]0;a title\x07words", "words"),
        ("\x1b]8;;http://a.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b(Bplain\x1b=\x1b7", "plain"),
        ("\x9b2Jgone\x07\x08\x00", "gone"),
        ("first\r\nsecond\ttabbed\n", "first\nsecond\ttabbed\n"),
        ("10 %\r20 %\r30 %\nend", "30 %\nend"),
        ("cut in the middle \x1b[3", "cut in the middle "),
        ("naïve – [2K stays", "naïve – [2K stays"),
    ],
)
def test_what_a_terminal_would_not_show_is_left_out(printed: str, left: str) -> None:
    assert without_controls(printed) == left


def test_of_what_a_program_says_its_colours_alone_are_left_out() -> None:
    coloured = "\x1b[31mECONNREFUSED\x1b[0m\t\x9b1mno\x9bm\r\nnext\rover\x08\x00"
    assert without_sequences(coloured) == "ECONNREFUSED\tno\r\nnext\rover\x08\x00"
    assert without_sequences("plain \r\n") == "plain \r\n"


def test_a_lab_that_did_not_come_up_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(7)

    def compose(*words: str, **_: object) -> str:
        if words[0] == "up":
            raise CommandFailed("no")
        return "\x1b[2Kcables-1  | \x1b[31mno bridge\x1b[0m\n"

    monkeypatch.setattr(lab, "_unpause", lambda: None)
    monkeypatch.setattr(lab, "_compose", compose)
    with pytest.raises(LabProblem) as problem:
        lab.up()
    assert str(problem.value).splitlines()[-1] == "cables-1  | no bridge"


def test_a_command_of_docker_that_failed_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "docker"
    command.write_text(
        "#!/bin/sh\nprintf '\\033[2K\\033[31mno such network\\033[0m\\n' >&2; exit 1\n", encoding="utf-8"
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(CommandFailed) as problem:
        docker_command("compose", "up", timeout_s=20)
    assert str(problem.value).splitlines()[-1] == "no such network"


def test_what_a_step_of_a_build_printed_is_told_in_words() -> None:
    reading = Reading()
    for line in ("#5 [2/2] RUN make", "#5 0.120 \x1b[1m\x1b[31merror:\x1b[0m no such file", "#5 ERROR: exit code: 1"):
        reading.feed(line)
    assert reading.why.splitlines()[-1] == "  error: no such file"
