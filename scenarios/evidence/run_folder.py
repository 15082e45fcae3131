"""Where a run leaves its evidence: runs/<UTC time>/<drill>/<service>/<pair>/, and the link runs/latest.

Nothing in the folder of a run names the folder itself, or what is beside it: it can be renamed, moved and unpacked
elsewhere. While a run goes on, its folder is locked, so that no other run removes it or goes on with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import errno
import fcntl
import json
import os
import re
import shutil
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scenarios.lab.places import display_path as display_path
from scenarios.spec.cell import Cell
from scenarios.spec.project import runs_folder

RUNS = runs_folder()
RESULT_SCHEMA = 1
NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z")  # of the folder of a run, as `new_run` gives it
TRACEBACK, PAGE_TRACEBACK = "traceback.txt", "page-traceback.txt"
HALF_WRITTEN = re.compile(r"\..+-\d+")  # of `write`
# Room that is kept for what a run writes at its end, on a disk that is full by then: summary.json, junit.xml, the first
# page with its style and script, and summary.md.
ROOM, ROOM_BYTES, ROOM_BYTES_A_CELL = ".room", 128 << 10, 4 << 10
LEAST_BYTES = 256 << 10  # that must be free for a cell to be begun
_latest_before: dict[Path, str | None] = {}  # of each run that this process made, where runs/latest pointed before


class StorageProblem(Exception):
    """What a run leaves cannot be stored; the message names the place and the reason."""


@contextlib.contextmanager
def made_whole(folder: Path) -> Iterator[None]:
    """Make a new folder, for a `with` block that fills it; where that fails, it is taken away.

    Raise StorageProblem where it cannot be written.
    """
    try:
        folder.mkdir(parents=True)
        yield
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            why = error.strerror or error
            raise StorageProblem(f"{display_path(folder)} could not be written: {why}") from error
        raise


def new_run() -> Path:
    """Make a new folder, named by the time in UTC, and have runs/latest point to it. It is locked by this process.

    Raise StorageProblem where it cannot be made.
    """
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3] + "Z"
    run = RUNS / stamp
    try:
        RUNS.mkdir(parents=True, exist_ok=True)
        run.mkdir()
        take(run)
        _latest_before[run] = _latest()
        _point_latest_to(stamp)
    except OSError as error:
        raise _no_place(error) from error
    _tidy()
    return run


def _latest() -> str | None:
    """The name of the folder to which runs/latest points; None where it points to none."""
    with contextlib.suppress(OSError):
        return (RUNS / "latest").readlink().name
    return None


def _point_latest_to(name: str) -> None:
    link = RUNS / f".latest-{os.getpid()}"
    link.symlink_to(name)
    link.replace(RUNS / "latest")  # at once: whoever looks sees the old one or the new one


def is_latest(run: Path) -> bool:
    """Whether runs/latest points to this run."""
    return _latest() == run.name


def give_latest_back(run: Path) -> None:
    """Have runs/latest point again to the run before this one, where that is there still: in this nothing was run."""
    before = _latest_before.pop(run, None)
    if before is not None and is_latest(run) and (RUNS / before).is_dir():
        with contextlib.suppress(OSError):
            _point_latest_to(before)


def require_place() -> None:
    """Raise StorageProblem where no new folder can be made: for whoever makes his when all is done."""
    try:
        RUNS.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(prefix=".", dir=RUNS).cleanup()
    except OSError as error:
        raise _no_place(error) from error


def _no_place(error: OSError) -> StorageProblem:
    return StorageProblem(f"a folder for this run cannot be made in {RUNS}: {error.strerror or error}")


def _tidy() -> None:
    """Remove what runs that were killed left half written: room that they kept, and files that `write` had begun.

    A run that has ended in order has given up its room, and one that goes on has its folder.
    """
    left = [link for link in RUNS.glob(".latest-*") if link.is_symlink() and not is_taken(RUNS / link.readlink().name)]
    for room in RUNS.glob(f"*/{ROOM}"):
        if not is_taken(room.parent):
            left += [path for path in room.parent.rglob(".*") if HALF_WRITTEN.fullmatch(path.name)]
            left.append(room)
    for path in left:
        with contextlib.suppress(OSError):
            path.unlink()


def start_time_of(run: Path) -> datetime | None:
    """When a run began, by the name of its folder; None where a person has given it another name."""
    with contextlib.suppress(ValueError):
        if NAME.fullmatch(run.name):
            return datetime.strptime(run.name, "%Y-%m-%dT%H-%M-%S.%fZ").replace(tzinfo=UTC)
    return None


def take(run: Path) -> None:
    """Lock the folder of a run until this process ends (flock(2)). Raise BlockingIOError if another process has it."""
    descriptor = os.open(run, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError as error:  # a file system without locks: nobody is kept out
        os.close(descriptor)
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
            raise


def is_taken(run: Path) -> bool:
    """Whether a process has the folder of a run, this one or another; True also of one that cannot be asked."""
    try:
        descriptor = os.open(run, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def keep_room(run: Path, cells: int) -> None:
    """Take the room on the disk that the end of a run of so many cells needs. Raise StorageProblem if there is none.

    On a file system that copies on write this is a hope, and no promise.
    """
    wanted = ROOM_BYTES + cells * ROOM_BYTES_A_CELL
    try:
        with (run / ROOM).open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, wanted)
    except OSError as error:
        give_room(run)
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise StorageProblem(f"{run}: no room for {wanted >> 10} KiB of summary: {error.strerror}") from error


def give_room(run: Path) -> None:
    """Give up the room that was kept, to whatever is written next."""
    with contextlib.suppress(OSError):
        (run / ROOM).unlink()


def check_room(run: Path) -> None:
    """Raise StorageProblem when the disk has not even room for a small cell more."""
    try:
        free = shutil.disk_usage(run).free
    except OSError as error:  # somebody removed it, say
        raise StorageProblem(f"{run} cannot be read: {error.strerror}") from error
    if free < LEAST_BYTES:
        raise StorageProblem(
            f"the disk of {run} is full: {free >> 10} KiB are free, {LEAST_BYTES >> 10} KiB are needed"
        )


def cell_path(run: Path, drill: str, service: str, pair: str) -> Path:
    """Where the folder of one cell of a run is, or will be."""
    return run / drill / service / pair


def cell(run: Path, drill: str, service: str, pair: str) -> Path:
    """The folder of one cell of a run, made."""
    folder = cell_path(run, drill, service, pair)
    folder.mkdir(parents=True)
    return folder


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return value


def write(path: Path, text: str) -> Path:
    """Write a file whole or not at all: nobody reads half of it, on a full disk neither. Raise OSError."""
    beside = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        return beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def write_result(folder: Path, result: Mapping[str, Any], versions: Mapping[str, str]) -> Path:
    """Write result.json of a cell; its own keys are `schema` (RESULT_SCHEMA) and `versions`, what it was made on."""
    document = {"schema": RESULT_SCHEMA, **_plain(result), "versions": versions}
    return write(folder / "result.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_traceback(folder: Path, problem: BaseException, name: str = TRACEBACK) -> None:
    """Write into the folder of a cell where a problem came from, after what is there; a full disk is no error."""
    with contextlib.suppress(OSError), (folder / name).open("a", encoding="utf-8") as file:
        file.write("".join(traceback.format_exception(problem)))


def folder_of(run_folder: Path, cell: Cell) -> Path:
    """Where the folder of a cell is, or will be."""
    pair = cell.pair if cell.repeat == 1 else f"{cell.pair}-{cell.repeat}"
    return cell_path(run_folder, cell.drill.drill, cell.chosen.folder_name, pair)


def take_over(folder: Path, into: Path, page: str) -> None:
    """Put the evidence of a cell into the folder of another run: links on one file system, else copies. Raise OSError.

    Evidence is never written to again, so a link is as good as a copy. Its page of this name is left out: it names its
    run, and is made anew.
    """
    try:
        shutil.copytree(folder, into, copy_function=_link, ignore=shutil.ignore_patterns(page))
    except shutil.Error as error:  # a list of (source, destination, why)
        raise OSError(errno.EIO, str(error.args[0][0][2])) from error


def _link(source: str, destination: str) -> None:
    """The same file under another name."""
    try:
        os.link(source, destination, follow_symlinks=False)
    except OSError:  # on another file system
        shutil.copy2(source, destination, follow_symlinks=False)
