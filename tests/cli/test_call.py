"""From which hosts `call` calls a program of one's own: wherever a drill would run it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from scenarios.cli import calls
from scenarios.cli import main as command_line
from scenarios.cli import service_files as cli_known
from scenarios.evidence import run_folder
from scenarios.lab.errors import LabProblem
from scenarios.spec.service import services

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
