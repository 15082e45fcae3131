"""The commands that measure: bench, bench-services, ab."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from scenarios.bench import apache_bench as ab
from scenarios.bench import services, tables
from scenarios.bench.lab_cost import measure
from scenarios.cli.workforce import no_dask
from scenarios.evidence import run_folder as runs
from scenarios.faults.recovery import held_without_faults
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.markup import escape
from scenarios.report.console import console, step
from scenarios.run.prepare import bring_up


def apache_bench(options: argparse.Namespace) -> int:
    a_lab = Lab(options.lab)
    bring_up(a_lab)
    found = []
    with held_without_faults(a_lab), under_way("ab runs against each architecture"):
        for measured in ab.measure(a_lab):
            found.append(measured)
            step(f"{measured.architecture}: {measured.complete} requests")
    console.print(ab.table(found))
    return 0 if all(each.failed + each.other_than_2xx == 0 for each in found) else 1


def bench_services(options: argparse.Namespace) -> int:
    a_lab = Lab(options.lab)
    bring_up(a_lab)
    with held_without_faults(a_lab):
        measured = services.services(a_lab, step, options.quick)
    for table in tables.on_a_terminal(measured):
        console.print(table)
        console.print()
    console.print(tables.counted(measured))
    console.print(f"[dim]figures: {escape(str(runs.display_path(measured.folder)))}/result.json[/]")
    return 1 if any(cell.why.startswith("failed") or cell.errors for cell in measured.cells) else 0


def bench(options: argparse.Namespace) -> int:
    if options.cluster:
        return _bench_cluster(options)
    lab = Lab(options.lab)
    bring_up(lab)
    made = measure(lab, step, with_catalogue=not options.quick)
    for line in made.lines:
        console.print(escape(line))
    console.print(f"[dim]figures: {escape(str(runs.display_path(made.folder)))}/result.json[/]")
    return 0


def _bench_cluster(options: argparse.Namespace) -> int:
    """Head and scheduler under cells that do nothing: no lab and no engine is needed."""
    try:
        from scenarios.bench import cluster_load
    except ModuleNotFoundError as error:
        raise no_dask(error) from error
    with under_way("cells that do nothing are run"):
        load = cluster_load.measure(step, cluster_load.QUICK_CELLS if options.quick else cluster_load.CELLS)
    for line in cluster_load.lines(load):
        console.print(escape(line))
    return 0


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the command line; `command` makes one."""
    command("ab", apache_bench, "Apache's ab against the web service's architectures, in one table")
    sub = command("bench-services", bench_services, "the speed of every architecture beside a textbook's, in one run")
    sub.add_argument("--quick", action="store_true", help="small counts: shows that it works, not how fast")
    sub = command("bench", bench, "what the lab costs: overhead, injector, firewall, coming up, the catalogue")
    sub.add_argument("--quick", action="store_true", help="without the catalogue on 1, 2 and 4 labs")
    about = "instead: how many cells a second a head and a scheduler carry, and their memory (docs/scale.md)"
    sub.add_argument("--cluster", action="store_true", help=about)
