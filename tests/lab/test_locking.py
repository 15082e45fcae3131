"""One lock for all users of a machine, which what others put in its place can neither hold nor hold up."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scenarios.lab import locks
from scenarios.lab.errors import LabProblem


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of a lock, in a place of the test's own."""
    monkeypatch.setattr(locks, "PLACES", (str(tmp_path),))
    return locks.path_of(7, "lock")


def test_it_is_at_one_place_whatever_the_user_calls_the_folder_for_temporary_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = locks.path_of(1, "lock")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert locks.path_of(1, "lock") == before
    code = "from scenarios.lab import locks; print(locks.path_of(1, 'lock'))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(before)


def test_the_first_place_that_there_is_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for each in ("second", "third"):
        (tmp_path / each).mkdir()
    monkeypatch.setattr(locks, "PLACES", tuple(str(tmp_path / each) for each in ("file", "second", "third")))
    assert locks.place() == tmp_path / "second"


def test_a_lock_that_is_held_is_refused_and_one_that_is_left_is_not(path: Path) -> None:
    held = locks.take(path)
    with pytest.raises(BlockingIOError):
        locks.take(path)
    os.close(held)
    os.close(locks.take(path))


def test_any_user_may_lock_it_whatever_the_umask_of_its_maker(path: Path) -> None:
    umask = os.umask(0o077)
    try:
        os.close(locks.take(path))
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o644


def a_link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize("stand", [os.mkfifo, a_link, a_socket], ids=["a FIFO", "a link", "a socket"])
def test_what_stands_in_its_place_is_removed_and_not_waited_for(path: Path, stand: Callable[[Path], None]) -> None:
    stand(path)
    os.close(locks.take(path))
    assert path.is_file()
    assert not path.is_symlink()
    assert not path.with_name("elsewhere").exists()


def test_what_cannot_be_removed_is_told_with_whose_it_is(path: Path) -> None:
    path.mkdir()
    (path / "something").touch()
    with pytest.raises(
        LabProblem, match=rf"{path} cannot be locked: it is not an ordinary file; the user {path.owner()}"
    ):
        locks.take(path)


@pytest.mark.parametrize("again", [True, False], ids=["and made again", "and not made again"])
def test_a_lock_on_a_file_that_its_owner_removed_meanwhile_is_none(
    monkeypatch: pytest.MonkeyPatch, path: Path, again: bool
) -> None:
    path.touch()

    def removed_first(*_: int) -> None:
        path.unlink()
        if again:
            path.touch()

    monkeypatch.setattr(fcntl, "flock", removed_first)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a folder that is listed, and no more)
    with pytest.raises(BlockingIOError, match="another file now"):
        locks.take(path)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_file_that_another_process_makes_at_the_same_time_is_locked_all_the_same(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    opened = os.open

    def made_meanwhile(at: Path, flags: int, *mode: int) -> int:
        if flags & os.O_EXCL:
            os.close(opened(at, flags, *mode))
        return opened(at, flags, *mode)

    monkeypatch.setattr(os, "open", made_meanwhile)
    os.close(locks.take(path))


def test_locks_that_nobody_holds_leave_no_file_after_a_clean(path: Path) -> None:
    free, held = locks.path_of(7, "lent"), locks.path_of(8, "lock")
    os.close(locks.take(free))
    kept = locks.take(held)
    path.with_name("faultwire-setup.0.log").touch()
    locks.remove_free()
    assert sorted(each.name for each in path.parent.iterdir()) == ["faultwire-lab-8.lock", "faultwire-setup.0.log"]
    os.close(kept)
