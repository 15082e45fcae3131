"""The wheel, built and installed into an environment that has nothing else: once for all tests of a run that want it.

The packages that the wheel says it needs, and those that they need, are copied out of the environment of the tests, so
that no registry is asked. What it does not say, the environment lacks.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scenarios.lab.topology import ROOT

BUILDS_WITHIN_S = 240


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder of this run of the tests, which all workers share."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def built(folder: Path, environment: Mapping[str, str] | None = None) -> Path:
    """Have pip build the wheel into a folder, as `make wheel` does."""
    argv = [
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"),
        *("--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)),
    ]
    subprocess.run(argv, cwd=folder, env={**os.environ, **(environment or {})}, check=True, timeout=BUILDS_WITHIN_S)
    (wheel,) = folder.glob("*.whl")
    return wheel


def needed_by(requirements: Iterable[str]) -> set[str]:
    """The names of all distributions of this environment that these requirements come to."""
    found: set[str] = set()
    left = list(requirements)
    while left:
        wanted = Requirement(left.pop())
        if wanted.name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found.add(wanted.name)
        left += importlib.metadata.requires(wanted.name) or []
    return found


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the wheel, and the wheel's file."""

    environment: Path
    file: Path

    @property
    def programs(self) -> Path:
        return self.environment / "bin"

    @property
    def packages(self) -> Path:
        (found,) = self.environment.glob("lib/python*/site-packages")
        return found

    def add(self, *requirements: str) -> None:
        """Copy distributions of the tests' own environment into this one, with those that they need."""
        for name in needed_by(requirements):
            for path in importlib.metadata.files(name) or []:
                source, target = Path(str(path.locate())), self.packages / path
                if ".." not in path.parts and source.exists() and not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(source, target)

    def run(
        self, *words: str, cwd: Path, within_s: float = 60, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in a folder, as somebody whose shell has the environment activated."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        own["PATH"] = f"{self.programs}{os.pathsep}{own['PATH']}"
        own |= {"PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
        argv = [str(self.programs / words[0]), *words[1:]]
        return subprocess.run(argv, cwd=cwd, env=own, capture_output=True, text=True, check=False, timeout=within_s)


def installed(folder: Path, name: str = "faultwire") -> Installed:
    """The environment of this name below a folder that the tests of a run share: made by whoever comes first."""
    place = folder / f"installed-{name}"
    with (folder / f"installed-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = place / "done"
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)
            (place / "dist").mkdir(parents=True)
            wheel = built(place / "dist")
            venv.create(place / "environment", with_pip=False)
            made = Installed(place / "environment", wheel)
            pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python"]
            argv = [*pip, str(made.programs / "python"), "install", "--no-index", "--no-deps", str(wheel)]
            subprocess.run(argv, check=True, timeout=BUILDS_WITHIN_S)
            of_wheel = importlib.metadata.Distribution.at(next(made.packages.glob("faultwire-*.dist-info")))
            made.add(*(each for each in of_wheel.requires or [] if "extra ==" not in each))
            done.touch()
        (wheel,) = (place / "dist").glob("*.whl")
    return Installed(place / "environment", wheel)
