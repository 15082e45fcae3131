"""A build by the engine's own builder that fails, without a network: what one is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scenarios.calls import compositions
from scenarios.lab import engine
from scenarios.lab.build_output import build
from scenarios.lab.engine import IMAGE_LABEL
from scenarios.lab.errors import CommandFailed, UsageError
from scenarios.spec.service import load_service
from tests.composed import service_file

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


COMPOSITION = """
services:
  web: {build: {context: fails}}
  db: {build: {context: works}}
"""
SERVICE = service_file(
    *("unbuildable", "a composition of which one image cannot be built"),
    server="a server",
    client="run: ask db, about: a client, prints: yes",
)


def test_an_image_of_a_composition_that_cannot_be_built_is_told_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "unbuildable"
    for name, dockerfile in (("fails", 'FROM scratch\nCOPY p /p\nRUN ["/p"]\n'), ("works", "FROM scratch\nCOPY p /\n")):
        (folder / name).mkdir(parents=True)
        (folder / name / "p").write_text("not a program", "utf-8")
        (folder / name / "Dockerfile").write_text(dockerfile, "utf-8")
    (folder / "compose.yaml").write_text(COMPOSITION, "utf-8")
    (folder / "service.yaml").write_text(SERVICE, "utf-8")
    monkeypatch.setattr("scenarios.lab.build_output.LOGS", tmp_path / "logs")
    with pytest.raises(UsageError) as failed:
        compositions.ready([load_service(folder)], print)
    cause, *printed, log = str(failed.value).splitlines()
    start = re.escape(f"{folder / 'service.yaml'}: compose: faultwire/composition-unbuildable-web:")
    why = r'(stage \S+, )?step 2/2: `RUN \["/p"\]` ended with exit code \d+'
    found = re.fullmatch(rf"{start}(?P<tag>[0-9a-f]+) could not be built: {why}", cause)
    assert found
    assert any("/p" in each for each in printed)
    assert log == f"the whole log: {tmp_path / 'logs' / 'build-composition-unbuildable-web-'}{found['tag']}.log"
    labels = [f"{IMAGE_LABEL}=composition-unbuildable-{each}" for each in ("web", "db")]
    left = [image for label in labels for image in engine.client().images.list(filters={"label": label})]
    assert all(each.labels[IMAGE_LABEL] == "composition-unbuildable-db" for each in left)
    for image in left:  # the one that could be built is for the next try, and goes with all images of the lab
        engine.client().images.remove(str(image.id), force=True)
