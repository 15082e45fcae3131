"""Where Docker's package for Python is not there: what reads, judges and tells works, and the rest says why it
cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.lab.topology import ROOT
from tests.report import making

REFUSES = """
import sys

class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "docker":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuses())
"""
COMMANDS = "from scenarios.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"
JUDGES = """
from scenarios.evidence.record import LegCapture, Seen
from scenarios.spec.catalogue import DRILLS
from scenarios.spec.catalogue import load_drill
from scenarios.spec.service import services
from scenarios.verdict import judge, survival
from scenarios.verdict.check import combine

drill = load_drill(DRILLS / "lost-syn.yaml", services())
seen = Seen(
    armed=True, port=1, addresses={}, client_side=frozenset(), calls={}, caught={}, looks={}, logs={}, events=[],
    captures={leg: LegCapture(leg, b"", 0, 0) for leg in ("client-leg", "server-leg")},
    frames={"client-leg": [], "server-leg": []},
)
print(combine(judge.judged(drill, seen, seen)[1]).value)
"""


def without_docker(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program where `import docker` fails."""
    argv = [sys.executable, "-c", REFUSES + program, *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_docker_is_refused_there() -> None:
    ran = without_docker("import docker")
    assert ran.returncode == 1
    assert "No module named 'docker'" in ran.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["validate"], "0 wrong; display filters were not compiled: there is no Python package `docker`"),
        (["explain", "lost-syn"], "lost-syn"),
        (["list", "syn"], "lost-syn"),
    ],
)
def test_files_are_read_and_told(words: list[str], told: str) -> None:
    ran = without_docker(COMMANDS, *words)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert told in " ".join(ran.stdout.split())


def test_the_schema_is_told() -> None:
    ran = without_docker(COMMANDS, "schema")
    assert ran.returncode == 0, ran.stderr
    assert "$defs" in json.loads(ran.stdout)


def test_the_pages_of_a_run_are_made_again(tmp_path: Path) -> None:
    run = tmp_path / "2026-11-26T12-00-00.000Z"
    page = making.run(run, [making.result(run)])
    page.unlink()
    ran = without_docker(COMMANDS, "report", str(run))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert page.exists()


def test_evidence_is_judged() -> None:
    ran = without_docker(JUDGES)
    assert (ran.returncode, ran.stdout) == (0, "unproven\n"), ran.stderr


@pytest.mark.parametrize("command", ["run", "demo", "doctor"])
def test_a_command_that_needs_docker_says_what_is_missing(command: str) -> None:
    ran = without_docker(COMMANDS, command)
    assert ran.returncode == 64
    assert "there is no Python package `docker`; `make setup` installs it" in ran.stderr
