"""From which hosts `call` calls a program of one's own: wherever a drill would run it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from scenarios.cli import calls
from scenarios.cli import main as command_line
from scenarios.cli import service_files as cli_known
from scenarios.cli.drills import cells
from scenarios.cli.main import parser
from scenarios.evidence import run_folder
from scenarios.lab import places
from scenarios.lab.errors import LabProblem
from scenarios.spec.service import SERVICES, services

PROGRAM = """
about: a program
port: 4000
servers: {one: {run: "python server.py {bind}", about: answers}}
clients: {ask: {run: "python client.py {host} {port}", about: asks}}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in Python, and one of an image; no lab comes up."""
    texts = {
        "snake": f"service: snake\npython: .{PROGRAM}",
        "mine": f"service: mine\nimage: mined{PROGRAM}",
    }
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "service.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(cli_known, "services", partial(services, tmp_path))
    monkeypatch.setattr(run_folder, "RUNS", tmp_path / "runs")

    def comes_up(_: object) -> None:
        raise LabProblem("the lab would come up now")

    monkeypatch.setattr(calls, "bring_up", comes_up)
    return tmp_path


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("ends", [("client-be", "server"), ("client", "server-be"), ("client-be64", "server-be")])
def test_a_program_in_python_is_called_from_every_host(
    ends: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    command_line.main(("call", "snake", "--from", ends[0], "--to", ends[1]))
    printed = capsys.readouterr()
    assert "the lab would come up now" in printed.out + printed.err


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(("ends", "side"), [(("client-be", "server"), "client"), (("client", "server-be"), "server")])
def test_a_program_of_an_image_is_not_called_from_another_byte_order(
    ends: tuple[str, str], side: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(("call", "mine", "--from", ends[0], "--to", ends[1])) == 64
    printed = capsys.readouterr()
    assert f"the {side} of mine is a program of its own image" in " ".join((printed.out + printed.err).split())


COMPOSED = """
service: composed
about: two services of a composition
compose: compose.yaml
client_side: [web]
server_side: [db]
families: [ipv4]
port: 5432
servers:
  db: {in: db, about: a database}
  names: {in: db, about: answers datagrams, transport: udp}
clients:
  ask: {in: web, run: "ask db {port}", about: asks}
  again: {in: web, run: "ask db {port}", about: asks twice}
  look: {in: web, run: "look db {port}", about: looks up, transport: udp}
"""


@pytest.fixture
def composed(root: Path) -> Path:
    """A composition too."""
    folder = root / "composed"
    folder.mkdir()
    (folder / "service.yaml").write_text(COMPOSED, encoding="utf-8")
    compose = "services: {web: {image: faultwire/host}, db: {image: faultwire/host}}"
    (folder / "compose.yaml").write_text(compose, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("words", "drill"),
    [
        (("composed/db",), "any-lost-syn --service composed/db"),
        (("composed/names",), "any-udp-lost-question --service composed/names"),
        (("composed/db", "--client", "again", "--lab", "7"), "any-lost-syn --service composed/db:again --lab 7"),
    ],
)
def test_of_a_composition_a_drill_is_advised_in_which_its_client_calls_its_server(
    words: tuple[str, ...],
    drill: str,
    composed: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(places, "IS_INSTALLED", True)
    assert command_line.main(("call", *words)) == 64
    said = " ".join(capsys.readouterr().out.split())
    assert f"`faultwire run {drill}` runs a drill that calls it" in said
    asked = parser("run").parse_args(["run", *drill.split()])
    monkeypatch.setattr("scenarios.cli.drills.known_services", lambda _: services(SERVICES, composed))
    (cell,) = cells(asked)
    assert cell.drill.calls["hello"].run is None  # by the service's own client


@pytest.mark.usefixtures("composed")
def test_of_a_composition_that_no_such_drill_fits_those_are_told_that_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(calls, "choose", lambda *_: (None, "it does not fit"))
    assert command_line.main(("call", "composed/db")) == 64
    said = " ".join(capsys.readouterr().out.split())
    assert "`make list SERVICE=composed/db` tells the drills that fit it" in said
