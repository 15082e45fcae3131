"""Workers of a cluster whose labs are made up, as processes of their own.

`python -m tests.cluster.faking worker ADDRESS …` is the command, with such labs. The environment says what becomes of a
cell (CELL_S seconds for each script), of which version the worker is, and which cells end its process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO
from unittest import mock

from scenarios.cli import cluster
from scenarios.cluster import joining, version, work
from scenarios.lab import pool, signals, versions
from scenarios.lab.errors import LabProblem, NoEngine
from scenarios.run import cell as run_cell
from scenarios.run.session import Interrupted
from scenarios.spec.cell import Cell
from tests.run.faking import FakeLab, Stage, faked, taking
from tests.services.forking import Forked, forked

CELL_S, UNPROVEN_AT, KILLED_BY, VERSION = "FAKE_CELL_S", "FAKE_UNPROVEN_AT", "FAKE_KILLED_BY", "FAKE_VERSION"
NO_LAB_AT, KILLED_ONCE_BY = "FAKE_NO_LAB_AT", "FAKE_KILLED_ONCE_BY"
ENGINE_LOST_AT = "FAKE_ENGINE_LOST_AT"

ITSELF = "tests.cluster.faking"
# As one that Python starts in a session of its own: a signal to the group of the tests is not for it.
_OF_A_SESSION = (
    "import os, runpy, sys; os.setsid(); sys.argv = sys.argv[1:]; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


def _perform(stage: Stage, cell: Cell, armed: bool) -> None:
    """Take its time. A worker that is named so is killed by a cell that is named, or proves nothing."""
    taking(float(os.environ.get(CELL_S, "0")))(stage, cell, armed)
    me = os.environ.get(versions.NAME, "")
    once, _, marker = os.environ.get(KILLED_ONCE_BY, "").partition("|")
    is_first = cell.title == once and _is_first(Path(marker))
    if is_first or cell.title == os.environ.get(KILLED_BY):
        os.kill(os.getpid(), signal.SIGKILL)
    if me == os.environ.get(ENGINE_LOST_AT):
        _NoEngine.is_lost = True
        raise NoEngine("the engine was killed")
    if me == os.environ.get(UNPROVEN_AT) and armed:
        raise LabProblem("this machine is ill")
    if stage.interrupted():
        raise Interrupted


def _is_first(marker: Path) -> bool:
    """Whether no process has asked this before."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _fake_labs(count: int, _: object) -> list[FakeLab]:
    if os.environ.get(NO_LAB_AT) == os.environ.get(versions.NAME):
        return [_NoLab(number) for number in range(1, count + 1)]
    return [_NoEngine(number) for number in range(1, count + 1)]


def _versions() -> dict[str, str]:
    return {"kernel": "Linux 1", "machine": os.environ[versions.NAME]}


class _NoLab(FakeLab):
    def is_up(self) -> bool:
        raise LabProblem("no address is free")


class _NoEngine(FakeLab):
    """A lab until its engine is lost."""

    is_lost = False

    def is_up(self) -> bool:
        return bool(self.states())

    def states(self) -> dict[str, str]:
        if _NoEngine.is_lost:
            raise NoEngine("the engine was killed")
        return {"client-le": "running"}


@contextlib.contextmanager
def faked_worker() -> Iterator[None]:
    """Have the worker command of this process find made-up labs."""
    with tempfile.TemporaryDirectory() as folder, faked(Path(folder), _perform), contextlib.ExitStack() as stack:
        for where, name, what in (
            (cluster, "ready", lambda _: None),
            (cluster, "labs_of", _fake_labs),
            (work, "make_ready", lambda *_: None),
            (pool, "give_back", lambda *_: None),
        ):
            stack.enter_context(mock.patch.object(where, name, what))
        stack.enter_context(mock.patch.object(run_cell, "versions", _versions))
        if other := os.environ.get(VERSION):
            rests_on = {**version.rests_on(), "services": other}
            stack.enter_context(mock.patch.object(version, "rests_on", return_value=rests_on))
        yield


def forked_command(words: Sequence[str], out: BinaryIO, environment: Mapping[str, str] | None = None) -> Forked:
    """Start the command with made-up labs, without the start of an interpreter; what it prints goes to `out`."""
    argv = ["-c", _OF_A_SESSION, ITSELF, *words]
    return forked(argv, out.fileno(), out.fileno(), environment={**os.environ, **(environment or {})})


def started_command(words: Sequence[str], out: BinaryIO) -> subprocess.Popen[bytes]:
    """Have Python start it, as it starts a worker that is none of the tests'."""
    argv = [sys.executable, "-m", ITSELF, *words]
    return subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
    )  # fmt: skip


@contextlib.contextmanager
def faked_cluster(folder: Path, start: Callable[[Sequence[str], BinaryIO], object] = forked_command) -> Iterator[None]:
    """Have `--cluster local:N` of this process start such workers; what one that is killed leaves is in the folder."""
    folder.mkdir(exist_ok=True)
    with (
        mock.patch.dict(os.environ, TMPDIR=str(folder)),
        mock.patch.object(joining, "start", start),
        mock.patch.object(joining, "LOGS", folder),
        mock.patch("scenarios.cluster.campaign.WORKERS_EVERY_S", 0.1),
    ):
        yield


if __name__ == "__main__":
    from scenarios.cli.main import main

    signals.end_in_order()
    with faked_worker():
        sys.exit(main(sys.argv[1:]))
