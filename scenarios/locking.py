"""Locks between processes, which go with the process that holds them, however it ends (flock(2))."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path


def path_of(lab: int, what: str) -> Path:
    """The file of a lock on a lab: one for all users of this machine."""
    return Path(tempfile.gettempdir(), f"faultwire-lab-{lab}.{what}")


def remove_free() -> None:
    """Remove the files of all locks that nobody holds."""
    for path in Path(tempfile.gettempdir()).glob("faultwire-lab-*.*"):
        with contextlib.suppress(OSError):  # somebody holds it, or it is another user's
            lock = take(path)
            path.unlink()
            os.close(lock)


def take(path: Path) -> int:
    """Lock this file, which is made if need be; the descriptor, to be closed when the lock is to go.

    Raises BlockingIOError when another process has it.
    """
    try:
        # Where anybody may write, a file of another user is opened, and may be locked, if it is not to be made, or
        # written to (proc_sys_fs(5), protected_regular).
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not (path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor))):
            raise BlockingIOError(f"{path} is another file now: who had locked it removed it")
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor
