"""What a cell's result depends on, as one digest: a cell whose inputs did not change need not run again.

The lab (its topology, images and programs), all of services/ but the words of the gallery, since services run each
other's programs and import each other, and the drill's file. The rooms that only tell of results are left out. The
kernel is not: the same files fail otherwise on another.
"""

from __future__ import annotations

import functools
import hashlib
import platform
from collections.abc import Iterable
from pathlib import Path

from scenarios.calls import compositions
from scenarios.lab import engine
from scenarios.lab.image_notes import NOTES
from scenarios.lab.places import CODE, ROOT
from scenarios.lab.topology import COMPOSE_FILE
from scenarios.spec.catalogue import files_beside
from scenarios.spec.cell import Cell

SCENARIOS, SERVICES, IMAGES = CODE, ROOT / "services", ROOT / "images"
JUDGING = ("lab", "spec", "calls", "faults", "evidence", "verdict", "run")  # the rooms that a result rests on


def _digest(paths: Iterable[Path], root: Path = CODE.parent) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)}\0{path.stat().st_mode & 0o111}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(folder: Path, pattern: str = "*") -> list[Path]:
    return [each for each in folder.rglob(pattern) if each.is_file() and "__pycache__" not in each.parts]


def _program() -> list[Path]:
    """The modules of the lab's own program that a verdict, or a word of the matrix, comes from."""
    return [file for room in JUDGING for file in _files(SCENARIOS / room, "*.py")]


def _images() -> list[Path]:
    return [each for each in _files(IMAGES) if IMAGES / "browser" not in each.parents]


def _services() -> list[Path]:
    """All of services/ but the gallery's own file: which cells there are, and words beside what was seen.

    How long a call has is in it too, and `inputs` takes that from the drill.
    """
    return [each for each in _files(SERVICES) if each != SERVICES / "gallery" / "gallery.yaml"]


@functools.cache
def of_lab() -> str:
    """What every cell depends on. Read once: a run does not see what is changed while it goes on."""
    files = _digest([COMPOSE_FILE, *_program(), *_services(), *_images()])
    return f"{platform.release()}\0{files}"


def parts_of_lab() -> dict[str, str]:
    """The same in parts, without the kernel: the digest of each, so that one can say what differs of two machines."""
    parts = {"compose.yaml": [COMPOSE_FILE], "scenarios": _program(), "services": _services(), "images": _images()}
    return {name: _digest(files) for name, files in parts.items()}


@functools.cache
def of_folder(folder: Path) -> str:
    """What stands in one folder: of a service that is elsewhere, which `of_lab` has not. Read once."""
    return _digest(_files(folder), folder)


def inputs(cell: Cell) -> str:
    """The digest of all that this cell's result depends on, but for chance; in hexadecimal."""
    service = cell.chosen.service
    patience = " ".join(
        f"{name} {each.within}" for name, each in cell.drill.calls.items()
    )  # may be more than the text's
    parts = [of_lab(), of_folder(service.folder), cell.drill.text, patience]
    parts += [text for _, text in sorted(files_beside(cell.drill).items())]
    by_name = [each for each in service.images if each not in service.dockerfiles]
    parts += [engine.image_id(NOTES.id_of(each)) or "" for each in by_name]  # what stands behind a name may change
    if service.compose:
        parts += [each.read_text("utf-8") for each in service.compose_files(service.folder)]
        parts += compositions.images_of(str(service.folder))
    parts += [cell.chosen.name, cell.chosen.client_name, cell.pair, str(cell.seed)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
