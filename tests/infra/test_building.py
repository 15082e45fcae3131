"""A build by the engine's own builder that fails, without a network: what one is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scenarios.lab.build_output import build
from scenarios.lab.errors import CommandFailed

TAG = "faultwire-test/fails"
WITHIN_S = 300


def why_it_fails(folder: Path, dockerfile: str) -> list[str]:
    """The lines that one is told of a build that fails."""
    (folder / "Dockerfile").write_text(dockerfile, "utf-8")
    (folder / "program").write_text("not a program", "utf-8")
    words = ["--tag", TAG, "--file", str(folder / "Dockerfile"), str(folder)]
    with pytest.raises(CommandFailed) as failed:
        build(TAG, words, within_s=WITHIN_S, logs=folder / "logs")
    lines = str(failed.value).splitlines()
    log = folder / "logs" / "build-faultwire-test-fails.log"
    assert lines[-1] == f"the whole log: {log}"
    assert "transferring dockerfile" in log.read_text("utf-8")
    return lines[:-1]


def test_a_command_that_fails_is_named_with_its_stage_its_exit_code_and_its_own_words(tmp_path: Path) -> None:
    cause, *words = why_it_fails(tmp_path, 'FROM scratch AS one\nCOPY program /p\nRUN ["/p"]\nRUN ["/never"]\n')
    pattern = rf"{TAG} could not be built: (stage one, )?step 2/3: `RUN \[\"/p\"\]` ended with exit code \d+"
    assert re.fullmatch(pattern, cause)
    assert any("/p" in word for word in words)


def test_a_dockerfile_that_cannot_be_read_is_told_with_its_line_and_its_word(tmp_path: Path) -> None:
    cause, *_ = why_it_fails(tmp_path, "FROM scratch\nRUNN x\n")
    assert re.search(r"line 2: unknown instruction: RUNN", cause)
