"""The command `soak`: the catalogue over and over; which verdicts flip?"""

from __future__ import annotations

import argparse
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from scenarios.cli.arguments import (
    add_keep_runs,
    add_labs,
    add_pairs,
    between,
    time_s,
)
from scenarios.cli.service_files import known_services
from scenarios.cli.workforce import RunOptions, Workforce, add_cluster, workforce
from scenarios.evidence import run_folder as runs
from scenarios.lab import signals
from scenarios.lab.heartbeat import minutes, under_way
from scenarios.lab.markup import escape
from scenarios.lab.pool import give_back
from scenarios.report.console import console, counted, marked, warn
from scenarios.run import previous, summary
from scenarios.spec.catalogue import ALL, chosen_service, find_drills
from scenarios.spec.cell import Cell, pairs_of
from scenarios.spec.drill import Drill
from scenarios.spec.pairs import Pair
from scenarios.spec.service import ServiceChoice
from scenarios.spec.units import so_many
from scenarios.verdict.check import MARKS, Verdict
from scenarios.verdict.result import Result

# So many flips and stalls have room in the summary, also on a disk that is full at the end.
SOAK_ROOM_CELLS = 1000


def soak(options: argparse.Namespace) -> int:
    """The catalogue over and over, in random order with random seeds, for a given time; each flip.

    What passes leaves its verdict in the counts, and no evidence. What is unproven only because something stood still
    is no flip: it is counted apart, with its evidence.
    """
    dice = random.Random(options.seed)  # noqa: S311 (an order, not a secret)
    known = known_services()
    served = [(drill, chosen_service(drill, None, known)) for drill in find_drills(options.names or [ALL], known)]
    chosen = [(*each, pair) for each in served for pair in pairs_of(*each, options.pair)]
    with workforce(options, len(options.labs) or options.jobs, [Cell(*each) for each in chosen]) as force:
        return _soak(options, dice, chosen, force)


def _soak(
    options: argparse.Namespace,
    dice: random.Random,
    chosen: Sequence[tuple[Drill, ServiceChoice, Pair]],
    force: Workforce,
) -> int:
    began_s = time.monotonic()
    ends_s = began_s + options.for_
    told = Counter[Verdict]()
    flips: list[Result] = []
    stalled: list[Result] = []  # something stood still: no flip, and no proof

    def tell(result: Result) -> None:
        told[result.verdict] += 1
        if result.is_stalled:
            stalled.append(replace(result, seen={}))
            return
        if result.verdict in (Verdict.FAIL, Verdict.UNPROVEN):
            flips.append(replace(result, seen={}))
            console.print(marked(result.verdict, f"{result.cell.title} · seed {result.cell.seed}: {result.sentence}"))
            console.print(f"  [dim]{escape(str(runs.display_path(result.folder)))}[/]")
            return
        shutil.rmtree(result.folder, ignore_errors=True)
        if sum(told.values()) % 50 == 0:
            left = f"{ends_s - time.monotonic():.0f} s left"
            console.print(f"[dim]{sum(told.values())} run, {so_many(len(flips), 'flip')}, {left}[/]")

    def at() -> str:
        return f"{told.total()} run, {len(flips)} flips, {minutes(max(0.0, ends_s - time.monotonic()))} left"

    run_folder = runs.new_run()
    runs.keep_room(run_folder, SOAK_ROOM_CELLS)
    campaign = force.running(RunOptions(run_folder, tell, keep=True))
    round_number = 0
    asked: list[Cell] = []
    broke_off: BaseException | None = None
    try:
        with under_way("soak", at):
            while time.monotonic() < ends_s:
                round_number += 1
                asked = [Cell(*each, dice.randrange(1, 1 << 31), round_number) for each in chosen]
                dice.shuffle(asked)
                campaign.results.clear()
                campaign.run(asked, until=lambda: time.monotonic() > ends_s)
    except (KeyboardInterrupt, Exception) as why:  # raised again, when what had been run is safe
        broke_off = why
    with signals.held_back():
        took_s = time.monotonic() - began_s
        with under_way("the report is written"):
            broke_off = summary.close(run_folder, [*flips, *stalled], told.total(), took_s, broke_off, verdicts=told)
        give_back(force.labs, warn)
        rounds = f"{so_many(told.total(), 'cell')} in {so_many(round_number, 'round')} (seed {options.seed})"
        console.print(f"\n{rounds}: {counted(told)}; {so_many(len(flips), 'flip')}, {len(stalled)} stalled")
        for flip, count in Counter(result.cell.title.split(" · ")[0] for result in flips).most_common():
            console.print(f"  {MARKS[Verdict.FAIL]} {flip}: {count}")
        previous.remove_runs(options.keep_runs, warn)
    if broke_off:
        last = summary.not_run(campaign.results, asked)
        broke_off.add_note(f"{so_many(told.total(), 'cell')} run; of the last round {last}")
        raise broke_off
    return 1 if flips else 0


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to the command line; `command` makes one."""
    sub = command("soak", soak, "the catalogue over and over, random order and seeds: which verdicts flip?")
    sub.add_argument("names", nargs="*", metavar="NAME")
    sub.add_argument("--for", dest="for_", type=time_s, default=3600.0, metavar="TIME", help="10min, 1h (default 1h)")
    add_pairs(sub)
    add_labs(sub)
    sub.add_argument("--seed", type=between(0, 2**31 - 1), default=1, metavar="N")
    sub.add_argument("--jobs", type=between(1, 16), default=2, metavar="N")
    add_keep_runs(sub)
    add_cluster(sub)
