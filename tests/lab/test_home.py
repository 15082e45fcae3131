"""Where things lie for a user who has no home, as one whose number a container was given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.lab.topology import ROOT

# As passwd(5) has none of this number: what Path.home() asks when HOME is not set.
NOBODY = """
import pwd, sys
from pathlib import Path
def getpwuid(number):
    raise KeyError(number)
pwd.getpwuid = getpwuid
"""
PLACES = "from scenarios.lab import places; print(places.CONFIG, places._CACHE, places._STATE)"
LISTS = "from scenarios.cli.main import main; sys.exit(main(['learn', '--list']))"


def printed(program: str, folder: Path, **environment: str) -> str:
    without = {name: value for name, value in os.environ.items() if name != "HOME" and not name.startswith("XDG_")}
    own = {**without, "PYTHONPATH": str(ROOT), **environment}
    argv = [sys.executable, "-c", NOBODY + program]
    ran = subprocess.run(argv, cwd=folder, env=own, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "/nonexistent/.config/faultwire /nonexistent/.cache /nonexistent/.local/state"),
        ({"HOME": "/h"}, "/h/.config/faultwire /h/.cache /h/.local/state"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "/c"}, "/c/faultwire /h/.cache /h/.local/state"),
        ({"XDG_CACHE_HOME": "/k"}, "/nonexistent/.config/faultwire /k /nonexistent/.local/state"),
    ],
)
def test_a_user_without_a_home_has_places_where_nothing_is(
    environment: dict[str, str], said: str, tmp_path: Path
) -> None:
    assert printed(PLACES, tmp_path, **environment) == f"{said}\n"


def test_a_command_works_for_a_user_without_a_home(tmp_path: Path) -> None:
    assert "`make learn LESSON=1` begins with the first" in printed(LISTS, tmp_path)
