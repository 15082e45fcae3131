"""The rooms of scenarios/ import one way, and what is written, judged and told needs no Docker."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.lab.topology import ROOT

LINES_AT_MOST = 350  # of a module: what a person reads in one go
LINT = (sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache")


def linted(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter of imports over a checkout."""
    return subprocess.run([*LINT, "--no-logo"], cwd=root, capture_output=True, text=True, timeout=180, check=False)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A checkout to plant an import in: the code, and the contracts."""
    for name in ("scenarios", "services"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_rooms_import_one_way() -> None:
    ran = linted(ROOT)
    assert ran.returncode == 0, ran.stdout


PLANTED = {  # which module imports which, and how it is written there
    "scenarios.lab.waiting -> scenarios.spec.units": "from scenarios.spec import units",
    "scenarios.verdict.check -> scenarios.run.cell": "from scenarios.run import cell",
    "scenarios.spec.drill -> docker": "import docker",
    "scenarios.spec.units -> docker": "import docker.errors",
    "scenarios.evidence.frame -> scenarios.lab.engine": "from scenarios.lab import engine",
    "scenarios.evidence.conversation -> services.wire": "import os, services.wire",
    "services.wire -> scenarios.lab.topology": "from scenarios.lab import topology",
}


@pytest.mark.parametrize(("told", "planted"), PLANTED.items(), ids=PLANTED)
def test_a_planted_import_that_points_the_other_way_is_found(copied: Path, told: str, planted: str) -> None:
    module = copied.joinpath(*told.partition(" -> ")[0].split("."))
    path = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    path.write_text(f"{path.read_text('utf-8')}\n{planted}  # planted\n", "utf-8")
    ran = linted(copied)
    assert ran.returncode == 1, ran.stdout
    assert told in " ".join(ran.stdout.split())


@pytest.mark.parametrize("room", sorted(path.parent.name for path in ROOT.glob("scenarios/*/__init__.py")))
def test_a_room_says_in_its_first_lines_what_it_is_for_and_what_it_must_not_know(room: str) -> None:
    text = (ROOT / "scenarios" / room / "__init__.py").read_text("utf-8")
    assert text.startswith('"""')
    assert room == "cli" or "must not know" in text.split('"""')[1]


def too_long(scenarios: Path) -> list[str]:
    """The modules below a folder that are above the bound, each with its number of lines."""
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in sorted(scenarios.rglob("*.py"))}
    return [f"{path.relative_to(scenarios)}: {count}" for path, count in lines.items() if count > LINES_AT_MOST]


def test_no_module_of_the_rooms_is_too_long_to_read_in_one_go() -> None:
    assert too_long(ROOT / "scenarios") == []


def test_a_module_that_is_one_line_too_long_is_found(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "longest.py").write_text("x = 1\n" * LINES_AT_MOST, "utf-8")
    (tmp_path / "run" / "longer.py").write_text("x = 1\n" * (LINES_AT_MOST + 1), "utf-8")
    assert too_long(tmp_path) == ["run/longer.py: 351"]
