"""A worker of a cluster whose cells do nothing, to measure how many cells head and scheduler can carry.

    python -m scenarios.bench.idle_worker worker ADDRESS --labs N --name NAME --keys FOLDER

It is started as `faultwire worker` is (cluster/joining.py). Its evidence is as large as a cell's usually is, and takes
no lab, no engine, and next to nothing of the processor: it is packed once. It must not be joined to a cluster of
anybody's.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scenarios.cluster import evidence, keys, processes, work
from scenarios.cluster.address import parse_address
from scenarios.cluster.card import Card
from scenarios.cluster.plan import Plan
from scenarios.cluster.version import rests_on
from scenarios.evidence import run_folder
from scenarios.lab import signals
from scenarios.lab.lab import Lab
from scenarios.spec.catalogue import chosen_service, find_drills
from scenarios.spec.cell import Cell
from scenarios.spec.service import services
from scenarios.verdict.check import Check, Verdict

CAPTURE_BYTES = 4 << 10  # of each of two, random: what does not compress
PAGE_BYTES = 30 << 10


class Idle(work.Worker):
    """It is ready at once, and each cell is a pass that nothing was done for."""

    def prepare(self, plans: Sequence[Plan], of_services: Any) -> dict[str, Any]:
        del of_services
        return {work.READY: len(plans)}

    def perform(self, run: str, name: str, wanted: Plan, *, beside: bool, tries: int) -> dict[str, Any]:
        del run, name, beside, tries
        return {work.EVIDENCE: packed(wanted.drill)}


@functools.cache
def packed(name: str) -> bytes:
    """The evidence of a cell of this drill. It does for each: the head reads no more of it than what it came to."""
    known = services()
    drill = find_drills([name], known)[0]
    cell = Cell(drill, chosen_service(drill, None, known), "le-le")
    with tempfile.TemporaryDirectory(prefix="faultwire-idle-") as temporary:
        folder = run_folder.folder_of(Path(temporary) / "run", cell)
        leave(cell, folder)
        return evidence.pack(folder)


def leave(cell: Cell, folder: Path) -> None:
    """Leave what a cell of usual size leaves."""
    (folder / "fault").mkdir(parents=True)
    for leg in ("client-leg", "server-leg"):
        (folder / "fault" / f"{leg}.pcapng").write_bytes(os.urandom(CAPTURE_BYTES))
    result = {
        "drill": cell.drill.drill, "claim": cell.drill.claim, "source": cell.drill.source, "service": cell.chosen.label,
        "client": cell.chosen.client_name, "pair": cell.pair, "machines": {}, "family": cell.drill.family,
        "seed": cell.seed, "repeat": cell.repeat, "verdict": Verdict.PASS, "sentence": cell.drill.claim,
        "duration_s": 0.0, "control": [], "expectations": [Check("nothing was done", "", "", Verdict.PASS)],
        "runs": {}, "repeat_with": cell.command, "inputs": "",
    }  # fmt: skip
    run_folder.write_result(folder, result, {"machine": "idle"})
    (folder / "index.html").write_text(" " * PAGE_BYTES, "utf-8")  # newer than the result: it is not made again


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb")
    parser.add_argument("address")
    parser.add_argument("--labs", type=int)
    parser.add_argument("--name")
    parser.add_argument("--keys", type=Path)
    options = parser.parse_args()
    where = parse_address(options.address)
    address, security = keys.security(where, options.keys, keys.WORKER)
    labs = [Lab(number) for number in range(1, options.labs + 1)]  # nobody brings them up
    card = Card(options.name, len(labs), rests_on(), {})
    with tempfile.TemporaryDirectory(prefix="faultwire-idle-") as folder:
        processes.be_worker(where, address, security, card, Idle(labs), Path(folder))


if __name__ == "__main__":
    signals.end_in_order()
    main()
