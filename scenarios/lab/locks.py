"""Locks between processes, which go with the process that holds them, however it ends (flock(2)).

There is one place for them on a machine, for all users and whatever their TMPDIR is: two runs that looked in different
places would hold one lab at once. Anybody may write there, so what stands in the place of a lock is not believed.

The package filelock would not do: it opens the file for writing, which Linux refuses for another user's file in such a
place, and follows a link that stands there. A user who locks a lab's file keeps others from that lab, as a drill does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from scenarios.lab.errors import LabProblem

# The first that there is: /run/lock by the Filesystem Hierarchy Standard (3.0, 3.15 and 5.9), which systemd gives all.
PLACES = ("/run/lock", "/var/lock", "/tmp")  # noqa: S108 (it is opened as one where anybody may write)
TRIES: Final = 5  # of opening a file that others make and remove at the same time
# Not a link of somebody else's, and not waiting for whoever should write to a FIFO (open(2)).
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def place() -> Path:
    """The folder of all locks of this machine."""
    return next((Path(each) for each in PLACES if Path(each).is_dir()), Path(PLACES[-1]))


def path_of(lab: int, what: str) -> Path:
    """The file of a lock on a lab: one for all users of this machine."""
    return place() / f"faultwire-lab-{lab}.{what}"


def remove_free() -> None:
    """Remove the files of all locks that nobody holds."""
    for path in place().glob("faultwire-lab-*.*"):
        with contextlib.suppress(OSError, LabProblem):  # somebody holds it, or it is another user's
            lock = take(path)
            path.unlink()
            os.close(lock)


def take(path: Path) -> int:
    """Lock this file, which is made if need be; return the descriptor, to be closed when the lock is to go.

    Raises BlockingIOError when another process has it, and LabProblem when something else stands in its place.
    """
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_still(path, descriptor):
            raise BlockingIOError(f"{path} is another file now: who had locked it removed it")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _opened(path: Path) -> int:
    """A descriptor of the file of a lock: an ordinary file, which any user may lock."""
    for _ in range(TRIES):
        # Where anybody may write, a file of another user is opened, and may be locked, if it is not to be made, or
        # written to (proc_sys_fs(5), protected_regular).
        try:
            descriptor = os.open(path, _FLAGS)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):  # another process made it meanwhile
                descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o644)
                os.fchmod(descriptor, 0o644)  # whatever the umask is
                return descriptor
            continue
        except OSError as error:  # a link (ELOOP), a socket (ENXIO), a file that may not be read
            if path.is_symlink() or path.is_socket():
                _remove(path, str(error.strerror))
                continue
            raise _no_lock(path, str(error.strerror)) from error
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        _remove(path, "it is not an ordinary file")
    raise BlockingIOError(f"something makes and removes {path} all the time")


def _remove(path: Path, why: str) -> None:
    """Remove what is no lock and stands in its place. Raises LabProblem when this user may not."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _no_lock(path, why) from error


def _no_lock(path: Path, why: str) -> LabProblem:
    try:
        owner = f"the user {path.owner() if not path.is_symlink() else path.lstat().st_uid}"
    except (OSError, KeyError):
        owner = "its owner"
    return LabProblem(f"{path} cannot be locked: {why}; {owner}, or root, can remove it")
