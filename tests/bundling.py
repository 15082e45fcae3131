"""A bundle for a second engine: written in a copy of this working tree, with the Python packages that the lab needs.

The packages of the tests do not travel (Playwright alone has 50 MiB): the copy has a shorter requirements.lock.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scenarios.lab.topology import ROOT

PACKAGES: Final = (
    *("certifi", "charset-normalizer", "docker", "idna", "jinja2", "markdown-it-py", "markupsafe", "mdurl", "pygments"),
    *("pyyaml", "requests", "rich", "urllib3"),
)


def checkout(folder: Path) -> Path:
    """A copy of this working tree as git would have it, with a shorter requirements.lock."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    lock = folder / "requirements.lock"
    pinned = {each.partition("==")[0]: each for each in re.split(r"^(?=\S)", lock.read_text(), flags=re.MULTILINE)}
    lock.write_text("".join(pinned[package] for package in PACKAGES))
    return folder


def bundled(file: Path, names: Sequence[str]) -> list[str]:
    """The command that writes a bundle of these images, in a checkout."""
    return [sys.executable, "-m", "scenarios", "bundle", str(file), *(f"--image={name}" for name in names)]
