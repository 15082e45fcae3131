"""`--keep`, of each command that has it: it reaches what takes the labs down."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from scenarios.calls import contract
from scenarios.cli import workforce
from scenarios.cli.main import main
from scenarios.evidence import run_folder
from scenarios.lab import engine
from scenarios.lab.errors import UsageError
from scenarios.lab.lab import Lab
from tests.teaching.handing_in import class_in


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[workforce.RunOptions]:
    """What commands asked of their labs; no lab comes up, and no cell runs."""
    found: list[workforce.RunOptions] = []

    def not_run(options: workforce.RunOptions, _: Sequence[Lab]) -> NoReturn:
        found.append(options)
        raise UsageError("seen")

    monkeypatch.setattr(workforce, "_local_campaign", not_run)
    monkeypatch.setattr(workforce, "prepare", lambda *_: [Lab(33)])
    monkeypatch.setattr(contract, "ready", lambda *_: None)
    monkeypatch.setattr(engine, "image_id", lambda _: "an image")
    monkeypatch.setattr(run_folder, "RUNS", tmp_path / "runs")
    return found


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    "words", [("run", "lost-syn"), ("matrix", "any-refused", "--service", "echo/select"), ("grade", "{class}")]
)
def test_keep_reaches_what_takes_labs_down(
    words: tuple[str, ...], keep: bool, tmp_path: Path, asked: list[workforce.RunOptions]
) -> None:
    folder = str(class_in(tmp_path))
    argv = [each.format(**{"class": folder}) for each in words]
    assert main([*argv, "--lab", "33", "--jobs", "1", *(["--keep"] if keep else [])]) == 64
    assert [each.keep for each in asked] == [keep]
