"""How many cells a second a head and a scheduler carry, and how much memory they take: with cells that do nothing.

Scheduler and workers are processes of their own, on this machine: the workers take a part of its processors from what
is measured, so the processor time of a cell says more than the rate.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from scenarios.bench import idle_worker
from scenarios.cluster import keys
from scenarios.cluster.address import parse_address
from scenarios.cluster.campaign import ClusterCampaign
from scenarios.cluster.joining import joined
from scenarios.cluster.version import rests_on
from scenarios.evidence import run_folder
from scenarios.lab.places import PACKAGE
from scenarios.lab.valueclass import valueclass
from scenarios.lab.waiting import wait_for
from scenarios.run import summary
from scenarios.spec.catalogue import chosen_service, find_drills
from scenarios.spec.cell import Cell
from scenarios.spec.service import services

CELLS, QUICK_CELLS = 10_000, 500
WORKERS, LABS = 2, 16  # of each
EVERY = 100  # cells, for a rate
TELLS_EVERY = 2000
LISTENS_WITHIN_S = 60


@valueclass
class Load:
    """What was measured. Memory is the most that a process had; `rate` the median of the rates of each EVERY cells."""

    cells: int
    took_s: float
    rate: float
    head_ms: float  # of processor, for a cell
    scheduler_ms: float
    head_before_mib: float
    head_mib: float
    scheduler_mib: float
    summary_s: float
    head_with_summary_mib: float


def _peak_mib(pid: int | str = "self") -> float:
    found = re.search(r"^VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text("ascii"), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def _processor_s(pid: int | None = None) -> float:
    if pid is None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _process(words: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def measure(say: Callable[[str], None], cells: int = CELLS) -> Load:
    """Run so many cells that do nothing; their folder is removed. Raise LabProblem, DeadlinePassed."""
    known = services()
    drill = find_drills(["lost-syn"], known)[0]
    wanted = [Cell(drill, chosen_service(drill, None, known), "le-le", 1, number) for number in range(1, cells + 1)]
    at_s: list[float] = []

    def tell(_: object) -> None:
        at_s.append(time.monotonic())
        if len(at_s) % TELLS_EVERY == 0:
            say(f"{len(at_s)} of {cells} cells, head {_peak_mib():.0f} MiB")

    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faultwire-bench-")))
        keys.make(place / "keys")
        log = place / "scheduler"
        words = (PACKAGE, "cluster", "scheduler", "tls://127.0.0.1:0", "--keys", str(place / "keys"))
        scheduler = stack.enter_context(_process(words, log))
        listens = wait_for(
            lambda: re.search(r"listens at (\S+)", log.read_text("utf-8")), "a scheduler", LISTENS_WITHIN_S
        )
        address = str(listens[1]) if listens else ""
        for number in range(WORKERS):
            of_worker = (idle_worker.__name__, "worker", address, "--labs", str(LABS), "--name", f"idle-{number}")
            stack.enter_context(_process((*of_worker, "--keys", str(place / "keys")), place / f"worker-{number}"))
        folder = run_folder.new_run()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = stack.enter_context(joined(parse_address(address), place / "keys"))
        campaign = ClusterCampaign(folder, cluster, rests_on(), tell, say)
        before_mib, head_s, scheduler_s = _peak_mib(), _processor_s(), _processor_s(scheduler.pid)
        campaign.run(wanted)
        head_s, scheduler_s = _processor_s() - head_s, _processor_s(scheduler.pid) - scheduler_s
        ran_mib, scheduler_mib, began_s = _peak_mib(), _peak_mib(scheduler.pid), time.monotonic()
        summary.write(folder, campaign.results, cells, at_s[-1] - at_s[0])
        summary_s = time.monotonic() - began_s
    rates = [EVERY / (later - earlier) for earlier, later in zip(at_s[::EVERY], at_s[EVERY::EVERY], strict=False)]
    a_cell_ms = 1000 / cells
    return Load(
        cells, at_s[-1] - at_s[0], median(rates), head_s * a_cell_ms, scheduler_s * a_cell_ms,
        before_mib, ran_mib, scheduler_mib, summary_s, _peak_mib(),
    )  # fmt: skip


def lines(load: Load) -> list[str]:
    """What was measured, a line each."""
    return [
        f"{load.cells} cells that do nothing, {WORKERS} workers with {LABS} labs each: {load.took_s:.0f} s, "
        f"{load.rate:.0f} cells a second",
        f"processor time of a cell: {load.head_ms:.1f} ms in the head, {load.scheduler_ms:.1f} ms in the scheduler",
        f"memory at most: head {load.head_mib:.0f} MiB ({load.head_before_mib:.0f} before the first cell), scheduler "
        f"{load.scheduler_mib:.0f}; head {load.head_with_summary_mib:.0f} with the summary and the report, which took "
        f"{load.summary_s:.1f} s",
    ]
