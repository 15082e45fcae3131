"""What each process, with all its descendants, uses now: memory and processor time, as one line of JSON, a list.

    python -m services.bench.usage PID…

Memory is the proportional set size, `pss_bytes` (proc_pid_smaps(5)): a page that a parent and its forked children share
counts once, in shares. Processor time has that of the children that have ended and been waited for. The kernel's memory
for them (socket buffers, the kernel's stack of a thread) is not in it.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Stat:
    """Of proc_pid_stat(5), what is wanted here."""

    parent: int
    cpu_s: float  # user and system, of itself and of the children it has waited for
    threads: int


@dataclass(frozen=True, slots=True)
class Usage:
    pss_bytes: int
    cpu_s: float
    processes: int
    threads: int


def stat(text: str) -> Stat:
    # The second field is the command's name in parentheses, and may hold spaces and parentheses of its own.
    fields = text.rpartition(")")[2].split()
    return Stat(parent=int(fields[1]), cpu_s=sum(map(int, fields[11:15])) / TICKS_PER_S, threads=int(fields[17]))


def pss(text: str) -> int:
    """Bytes, of the text of smaps_rollup."""
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


def family(root: int, stats: dict[int, Stat]) -> set[int]:
    """The process and all its descendants."""
    found = {root} & stats.keys()
    while more := {pid for pid, each in stats.items() if each.parent in found} - found:
        found |= more
    return found


def running() -> dict[int, Stat]:
    """Every process that there is."""
    texts = {int(each.name): _read(each / "stat") for each in PROC.iterdir() if each.name.isdigit()}
    return {pid: stat(text) for pid, text in texts.items() if text}


def usage(root: int, stats: dict[int, Stat]) -> Usage:
    """Of the process and its descendants. Raises ProcessLookupError when there is none."""
    pids = family(root, stats)
    if not pids:
        raise ProcessLookupError(f"there is no process {root}")
    memory = sum(pss(text) for pid in pids if (text := _read(PROC / str(pid) / "smaps_rollup")))
    cpu_s = sum(stats[pid].cpu_s for pid in pids)
    return Usage(memory, cpu_s, len(pids), sum(stats[pid].threads for pid in pids))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return ""


if __name__ == "__main__":
    now = running()
    print(json.dumps([asdict(usage(int(pid), now)) for pid in sys.argv[1:]]))
