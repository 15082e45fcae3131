"""What `validate` says of a service whose composition no lab can honour."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from scenarios.cli import files
from scenarios.cli import main as command_line
from scenarios.lab import composition
from scenarios.spec.service import services
from tests.composed import service_file

SERVICE = service_file("composed", "two services", server="a server", client="run: ask, about: asks, prints: hello")
COMPOSE = """\
services:
  web:
    image: one
    privileged: true
  db:
    image: two
    network_mode: host
"""
needs_compose = pytest.mark.skipif(
    not (shutil.which("docker") and composition.compose_is_here()), reason="there is no `docker compose`"
)


def said_of(
    folder: Path, compose: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    own = folder / "composed"
    own.mkdir(exist_ok=True)
    (own / "service.yaml").write_text(SERVICE, encoding="utf-8")
    (own / "compose.yaml").write_text(compose, encoding="utf-8")
    monkeypatch.setattr(files, "services", partial(services, folder))
    status = command_line.main(("validate", str(own / "service.yaml")))
    return status, capsys.readouterr().out


@needs_compose
def test_what_no_lab_honours_is_told_with_its_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = said_of(tmp_path, COMPOSE, monkeypatch, capsys)
    path = tmp_path / "composed" / "compose.yaml"
    assert status == 64
    assert f"{path}:4: services.web.privileged: 'True' is not for a lab" in said
    assert f"{path}:7: services.db.network_mode: 'host' is not for a lab" in said
    assert "1 service and 0 drills read; 1 wrong" in said


@needs_compose
@pytest.mark.parametrize(
    ("compose", "line", "told"),
    [
        ("services: {web: {image: one}, db: {imag: two}}", 4, "compose: Docker Compose refuses it"),
        ("services: {web: {image: one}}", 6, "server_side: the composition has no service 'db'"),
    ],
)
def test_what_docker_compose_refuses_is_told_with_the_line_of_the_service(
    compose: str,
    line: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, said = said_of(tmp_path, compose, monkeypatch, capsys)
    assert status == 64
    assert f"{tmp_path / 'composed' / 'service.yaml'}:{line}: {told}" in said


@needs_compose
@pytest.mark.parametrize(("of_shell", "of_file"), [("p", ""), ("", "COMPOSE_PROFILES=p\n")])
def test_a_service_in_a_profile_is_there_when_that_is_active(
    of_shell: str, of_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COMPOSE_PROFILES", raising=False)
    if of_shell:
        monkeypatch.setenv("COMPOSE_PROFILES", of_shell)
    own = tmp_path / "composed"
    own.mkdir()
    (own / ".env").write_text(of_file, encoding="utf-8")
    compose = "services: {web: {image: one}, db: {image: two, profiles: [p]}}"
    status, said = said_of(tmp_path, compose, monkeypatch, capsys)
    assert (status, "0 wrong" in said) == (0, True), said


@needs_compose
@pytest.mark.parametrize(("active", "cure"), [("", "COMPOSE_PROFILES=p before"), ("q", "COMPOSE_PROFILES=q,p before")])
def test_a_service_in_a_profile_that_is_not_active_is_told_so(
    active: str, cure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPOSE_PROFILES", active)
    compose = "services: {web: {image: one}, db: {image: two, profiles: [p]}}"
    status, said = said_of(tmp_path, compose, monkeypatch, capsys)
    assert status == 64
    assert "service.yaml:6: server_side: the service 'db' is in the profile 'p', which is not active; " in said
    assert cure in said


@needs_compose
def test_a_composition_that_a_lab_honours_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = said_of(tmp_path, "services: {web: {image: one}, db: {image: two}}", monkeypatch, capsys)
    assert (status, said.strip()) == (0, "1 service and 0 drills read; 0 wrong")


def test_without_docker_compose_it_is_said_that_none_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    status, said = said_of(tmp_path, COMPOSE, monkeypatch, capsys)
    assert status == 0
    assert "0 wrong; compositions were not read: there is no `docker compose`" in said
