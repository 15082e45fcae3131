"""Build the wheel: scenarios/ as the package `faultwire`; compose.yaml, images/ and services/ in its folder `home`.

It is the build backend that pyproject.toml names (PEP 517), and stands on Python's standard library alone: `make wheel`
and `pip install .` need nothing from a registry to build. The same files give the same bytes, whoever builds, and when:
every entry has the time SOURCE_DATE_EPOCH (default: the first that a zip can hold), its name's place in the order, and
the mode 644 or 755.

The package's modules name each other as `scenarios.…` in the clone; here they become `faultwire.…`, and `images.…`,
two modules of which the program shares with the firewall, becomes `faultwire.home.images.…`. Nothing that runs inside
the lab is changed: what is under `home` is the clone's, byte for byte, so that images are as fresh for one as for the
other.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import subprocess
import time
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGE: Final = "faultwire"
# Beside the program, as the clone has them: .dockerignore is the build context's, and `faultwire schema` needs no docs.
HOME: Final = ("compose.yaml", ".dockerignore", "images", "services")
NOT_CARRIED: Final = re.compile(r"__pycache__|(^|/)images/(browser|bigendian/\.sources)/")
EARLIEST_S: Final = 315532800  # 1980-01-01, the first time that a zip can hold

_IMPORTS: Final = re.compile(r"^(\s*(?:from|import) )(scenarios|images)\b", re.MULTILINE)
_RUNS: Final = re.compile(r"\bpython -m scenarios\b(\.)?")


def as_package(text: str) -> str:
    """A module of scenarios/ as a module of the package: what it imports, and how its documentation says it is run."""
    names = {"scenarios": PACKAGE, "images": f"{PACKAGE}.home.images"}
    text = _IMPORTS.sub(lambda found: found[1] + names[found[2]], text)
    return _RUNS.sub(lambda found: f"python -m {PACKAGE}{found[1]}" if found[1] else PACKAGE, text)


def _listed(folder: str) -> Iterator[Path]:
    """The files of a folder (or the file) that git knows; where there is no git, as in an archive, all of them."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        argv = ["git", "-C", str(ROOT), "ls-files", "-z", "--", folder]
        listed = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
        if listed:
            yield from (path for name in listed.split("\0")[:-1] if (path := ROOT / name).is_file())
            return
    place = ROOT / folder
    yield from [place] if place.is_file() else (path for path in place.rglob("*") if path.is_file())


def carried() -> dict[str, tuple[bytes, bool]]:
    """Every file of the package by its name in the wheel: its bytes, and whether it can be executed."""
    found: dict[str, tuple[bytes, bool]] = {}
    for folder in ("scenarios", *HOME):
        for path in _listed(folder):
            name = path.relative_to(ROOT).as_posix()
            if NOT_CARRIED.search(name):
                continue
            content = path.read_bytes()
            if folder == "scenarios":
                name = name.removeprefix("scenarios/")
                if path.suffix == ".py":
                    content = as_package(content.decode()).encode()
            else:
                name = f"home/{name}"
            found[f"{PACKAGE}/{name}"] = content, bool(path.stat().st_mode & 0o100)
    return found


def _project() -> Mapping[str, Any]:
    project: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project


def version() -> str:
    """The version, where it is said once: scenarios/version.py."""
    text = (ROOT / "scenarios" / "version.py").read_text("utf-8")
    found = re.search(r'^VERSION: Final = "(\d+\.\d+\.\d+)"$', text, re.MULTILINE)
    if not found:
        raise ValueError('scenarios/version.py: expected a line such as: VERSION: Final = "1.0.0"')
    return found[1]


def _described() -> dict[str, str]:
    """The files of the .dist-info folder, but for RECORD, by their names there (PyPA: core metadata, entry points)."""
    project = _project()
    extras = [
        line
        for extra, wanted in project.get("optional-dependencies", {}).items()
        for line in (f"Provides-Extra: {extra}", *(f"Requires-Dist: {each}; extra == '{extra}'" for each in wanted))
    ]
    metadata = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {version()}",
        f"Summary: {project['description']}",
        f"License-Expression: {project['license']}",
        "License-File: LICENSE",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {each}" for each in project["dependencies"]),
        *extras,
        "Description-Content-Type: text/markdown",
        "",
        (ROOT / "README.md").read_text("utf-8"),
    ]
    groups = {"console_scripts": project["scripts"], **project.get("entry-points", {})}
    entries = [
        line for group, of_it in groups.items() for line in (f"[{group}]", *(f"{a} = {b}" for a, b in of_it.items()))
    ]
    return {
        "METADATA": "\n".join(metadata),
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: {PACKAGE}\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": "\n".join(entries) + "\n",
        "licenses/LICENSE": (ROOT / "LICENSE").read_text("utf-8"),
    }


def _entry(name: str, executable: bool) -> zipfile.ZipInfo:
    at_s = max(EARLIEST_S, int(os.environ.get("SOURCE_DATE_EPOCH") or EARLIEST_S))
    entry = zipfile.ZipInfo(name, time.gmtime(at_s)[:6])
    entry.external_attr = (0o100755 if executable else 0o100644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, wherever it is built: the modes count
    return entry


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: str | None = None) -> str:
    """Write the wheel into a folder, and return its file's name (PEP 517)."""
    del config_settings, metadata_directory
    named = f"{PACKAGE}-{version()}"
    files = carried() | {f"{named}.dist-info/{name}": (text.encode(), False) for name, text in _described().items()}
    record = f"{named}.dist-info/RECORD"
    lines = []
    for name, (content, _) in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}\n")
    files[record] = "".join([*lines, f"{record},,\n"]).encode(), False
    wheel = f"{named}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / wheel, "w") as archive:
        for name in sorted(files, key=lambda each: (".dist-info/" in each, each)):  # the description last (PEP 427)
            content, executable = files[name]
            archive.writestr(_entry(name, executable), content)
    return wheel


def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:
    """Nothing: pip asks (PEP 517)."""
    del config_settings
    return []
