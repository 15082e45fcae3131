"""Processes that a call left behind, found through /proc. Who left its group is found by the pipe that it still holds.

Whoever left its group and closed both pipes is found at the fork server's end, by the variable MARK in its environment:
without ctypes there is no prctl(PR_SET_CHILD_SUBREAPER), so such a process becomes a child of the host's init. One that
was started by exec with another environment is not found; the number of processes of the host bounds those.
"""

import os
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

MARK: Final = "FAULTWIRE_FORKSERVER"  # set, to a value of its own, by who starts a fork server
GONE_WITHIN_S: Final = 2.0
PF_EXITING: Final = 0x4  # of its flags (linux/sched.h)
PF_KTHREAD: Final = 0x200000


def kill_holders(pipes: Collection[int], spared: Collection[int]) -> int:
    """Kill whoever holds one of these pipes (by inode), but for the spared; how many."""
    links = {f"pipe:[{inode}]" for inode in pipes}

    def holds(process: Path) -> bool:
        return any(str(descriptor.readlink()) in links for descriptor in (process / "fd").iterdir())

    return _kill_all(holds, spared)


def kill_group(group: int) -> None:
    """Kill whoever is in this process group and has the environment of this fork server.

    The number of a group whose leader has been waited for may be a stranger's.
    """

    def is_member(process: Path) -> bool:
        found = (process / "stat").read_text().rpartition(")")[2].split()
        return int(found[2]) == group and _is_marked(process)

    if os.environ.get(MARK):
        _kill_all(is_member)


def kill_marked(spared: Collection[int]) -> None:
    """Kill whoever has the environment of this fork server, but for the spared. Nobody, where it has no mark."""
    if os.environ.get(MARK):
        _kill_all(_is_marked, spared)


def _is_marked(process: Path) -> bool:
    """Whether it has the environment of this fork server; of one that is within execve(2), when it has one again."""
    deadline_s = time.monotonic() + GONE_WITHIN_S
    while not (environment := (process / "environ").read_bytes()):
        if (process / "cmdline").read_bytes() or not _may_get_one(process) or time.monotonic() > deadline_s:
            return False
        time.sleep(0.001)
    return f"{MARK}={os.environ[MARK]}".encode() in environment.split(b"\0")


def _may_get_one(process: Path) -> bool:
    """Whether it is a program's, and goes on: neither a kernel thread nor ended (proc_pid_stat(5))."""
    state, *_, flags = (process / "stat").read_text().rpartition(")")[2].split()[:7]
    return state not in "ZX" and not int(flags) & (PF_KTHREAD | PF_EXITING)


def _kill_all(is_one: Callable[[Path], bool], spared: Collection[int] = ()) -> int:
    """Kill all such processes, but for the spared, and wait until they are gone; how many were found."""
    killed: set[int] = set()
    deadline_s = time.monotonic() + GONE_WITHIN_S
    while (found := _find(is_one) - set(spared)) and time.monotonic() < deadline_s:
        killed |= found
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.005)  # and look again: one may have forked while we looked
    return len(killed)


def _find(is_one: Callable[[Path], bool]) -> set[int]:
    """Not this process, whoever else."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with suppress(OSError):  # it ended meanwhile, or is another user's
                if is_one(process):
                    found.add(int(process.name))
    return found
