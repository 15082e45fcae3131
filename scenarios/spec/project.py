"""The project of whoever calls: the folders of their own services and drills, and where their runs go.

`faultwire.toml`, or the table `[tool.faultwire]` of a pyproject.toml, says it; the nearest one is taken, from the
current folder upwards. Its paths begin at its own folder. It is read once, in the folder in which the program starts.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from scenarios.lab.places import WORK
from scenarios.lab.valueclass import valueclass
from scenarios.spec.declaration_error import DeclarationError, advice, quoted
from scenarios.spec.file_text import file_text

OWN_FILE: Final = "faultwire.toml"
SHARED_FILE: Final = "pyproject.toml"
TABLE: Final = "tool.faultwire"
KEYS: Final = ("services", "drills", "runs")
USUAL_RUNS: Final = "runs"


@valueclass
class Project:
    """Where a person's own things are. The first folder of `services` is where `init` writes a new one."""

    services: tuple[Path, ...]
    drills: tuple[Path, ...]
    runs: Path
    file: Path | None = None  # that says so


USUAL: Final = Project((WORK / "services",), (), WORK / USUAL_RUNS)


@functools.cache
def project() -> Project:
    """Return the project of the current folder. Raise DeclarationError where its file is wrong."""
    return nearest(Path.cwd()) or USUAL


def runs_folder() -> Path:
    """Return where runs go; the usual place where the file is wrong, which `project` tells."""
    try:
        return project().runs
    except DeclarationError:
        return USUAL.runs


def nearest(start: Path) -> Project | None:
    """Return the project whose file is in this folder, or in the nearest above it. Raise DeclarationError.

    A pyproject.toml without the table `[tool.faultwire]` is passed over.
    """
    for folder in (start, *start.parents):
        for name in (OWN_FILE, SHARED_FILE):
            path = folder / name
            if path.exists() and (table := _table(path)) is not None:
                return _read(path, table)
    return None


def name_taken(path: Path, what: str, other: Path, of_lab: Path) -> DeclarationError:
    """The error that a service's or a drill's name is that of another one, whose file is `other`."""
    whose = "the lab" if other.is_relative_to(of_lab) else str(other.parent)
    return DeclarationError(path, None, f"{whose} has a {what} already; take another name")


def _table(path: Path) -> Mapping[str, Any] | None:
    """The table that is ours in a file; None for a pyproject.toml that has none, though it were wrong elsewhere."""
    text = file_text(path)
    is_shared = path.name == SHARED_FILE
    if is_shared and "faultwire" not in text:
        return None
    try:
        table: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if is_shared and not re.search(r"^\s*\[\s*tool\s*\.\s*faultwire", text, re.MULTILINE):
            return None
        what, _, at = str(error).rpartition(" (at ")
        line = re.match(r"line (\d+)", at)  # else it is at the end of the document
        raise DeclarationError(path, int(line[1]) if line else len(text.splitlines()), f"not TOML: {what}") from error
    for key in TABLE.split(".") if is_shared else ():
        table = table.get(key) if isinstance(table, dict) else None
    if table is not None and not isinstance(table, dict):
        raise DeclarationError(path, _line(path, "faultwire"), f"expected a table, got {_kind(table)}", TABLE)
    return table


def _read(path: Path, table: Mapping[str, Any]) -> Project:
    errors = [DeclarationError(path, _line(path, key), what, _full(path, key)) for key, what in _problems(path, table)]
    if errors:
        first, *others = sorted(errors, key=lambda error: error.line or 0)
        first.others = tuple(others)
        raise first
    folder = path.parent
    services = tuple(folder / each for each in _listed(table.get("services", "services")))
    drills = tuple(folder / each for each in _listed(table.get("drills", "drills")))
    return Project(services, drills, folder / table.get("runs", USUAL_RUNS), path)


def _listed(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given


def _problems(path: Path, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong, each with its key."""
    for key, given in table.items():
        if key not in KEYS:
            yield key, f"unknown key {quoted(key)}{advice(key, KEYS)}"
        elif key == "runs":
            if not isinstance(given, str):
                yield key, f"expected a folder, as a string, got {_kind(given)}"
            elif not given.strip():
                yield key, "expected a folder, got an empty string"
            elif (path.parent / given).exists() and not (path.parent / given).is_dir():
                yield key, f"expected a folder, and {given} is a file"
        elif not isinstance(given, str | list) or not all(isinstance(each, str) for each in _listed(given)):
            yield key, f'expected a folder, or a list of folders, as ["{key}"], got {_kind(given)}'
        elif not given:
            yield key, "expected a folder, or a list of folders, got nothing"
        else:
            for each in _listed(given):
                if wrong := _wrong_folder(path.parent, each, key):
                    yield key, wrong


def _wrong_folder(root: Path, given: str, key: str) -> str:
    folder = root / given
    if not given.strip():
        return "expected a folder, got an empty string"
    if not folder.is_dir():
        beside = [each.name for each in sorted(folder.parent.glob("*")) if each.is_dir()]
        there = advice(folder.name, beside) if beside else ""
        return f"expected a folder, and {given} is a file" if folder.exists() else f"no such folder: {given}{there}"
    if key == "services" and (folder / "service.yaml").exists():
        above = Path(given).parent.as_posix()
        return f"{given} is the folder of one service; name the folder that holds it: {quoted(above)}"
    if key == "drills" and (odd := next(iter(sorted(folder.glob("*.yml"))), None)):
        return f"{given}/{odd.name}: the file of a drill ends in .yaml"
    return ""


def _kind(given: object) -> str:
    """What a value of TOML is, as it is written there."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, dict):
        return "a table"
    return quoted(repr(given).strip("'")) if isinstance(given, str) else str(given)[:60]


def _full(path: Path, key: str) -> str:
    return f"{TABLE}.{key}" if path.name == SHARED_FILE else key


def _line(path: Path, key: str) -> int | None:
    """The line in which a key of our table is given; None where it is written in a way that this does not know."""
    is_ours, holds_ours = path.name != SHARED_FILE, False
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([^\]]*?)\s*\]", line):
            name = re.sub(r"[\s\"']", "", header[1])
            is_ours, holds_ours = path.name == SHARED_FILE and name == TABLE, name == "tool"
            if name in (key, f"{TABLE}.{key}", f"tool.{key}"):
                return number
        is_given = re.match(rf"\s*(?:tool\s*\.\s*)?(?:faultwire\s*\.\s*)?[\"']?{re.escape(key)}[\"']?\s*[.=]", line)
        if is_given and (is_ours or "." in is_given[0].partition(key)[0] or (holds_ours and key == "faultwire")):
            return number
    return None
