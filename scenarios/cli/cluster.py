"""The commands of many machines: worker, cluster."""

from __future__ import annotations

import argparse
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scenarios.calls import bundle
from scenarios.cli.arguments import argument, between, labs
from scenarios.cli.workforce import add_keys, no_dask
from scenarios.cluster.address import PORT, parse_address
from scenarios.lab import doctor, images, pool, versions
from scenarios.lab.bundle_file import in_lines
from scenarios.lab.errors import LabProblem, UsageError
from scenarios.lab.lab import Lab
from scenarios.lab.places import typed
from scenarios.lab.topology import DEFAULT_LAB
from scenarios.report.console import console, image_step, step, warn

LISTENS = f"tcp://127.0.0.1:{PORT}"


def worker(options: argparse.Namespace) -> int:
    """Be a worker until told to end. Raise LabProblem where this machine lacks something, or the scheduler is gone."""
    try:
        from scenarios.cluster import keys, processes, work
        from scenarios.cluster.card import Card
        from scenarios.cluster.version import rests_on
    except ModuleNotFoundError as error:
        raise no_dask(error) from error
    address, security = keys.security(options.address, options.keys, keys.WORKER)
    os.environ[versions.NAME] = options.name
    ready(options.bundle)
    on = labs_of(options.labs, options.numbers)
    try:
        card = Card(options.name, len(on), rests_on(), versions.versions())
        with tempfile.TemporaryDirectory(prefix="faultwire-worker-") as folder:
            ours = work.Worker(on, step, warn)
            processes.be_worker(options.address, address, security, card, ours, Path(folder))
    finally:
        pool.give_back(on, warn)
    return 0


def ready(from_bundle: Path | None) -> None:
    """Have the images of every lab here, and see that a lab can run. Raise LabProblem, UsageError for the bundle."""
    if from_bundle is not None:
        bundle.load(from_bundle, None, step, in_lines(step))
    images.build(image_step)
    lacking = [each for each in doctor.examine() if each.state is doctor.State.MISSING]
    if lacking:
        told = "; ".join(f"{each.what}: {each.seen}" for each in lacking)
        raise LabProblem(f"no lab can run on this machine: {told}; `{typed('doctor')}` tells all of it")


def labs_of(count: int, numbers: Sequence[int]) -> Sequence[Lab]:
    """So many labs, or those of these numbers; they are this worker's while it is there."""
    return pool.exactly(numbers) if numbers else pool.labs(DEFAULT_LAB, count + 1)[1:]


def cluster(options: argparse.Namespace) -> int:
    try:
        from scenarios.cluster import keys, processes
    except ModuleNotFoundError as error:
        raise no_dask(error) from error
    if options.what == "keys":
        folder = Path(options.where) if options.where else keys.FOLDER
        copied = keys.make(folder)
        step(f"keys are in {folder}, for {keys.DAYS} days")
        console.print(f"Each worker's machine needs {' and '.join(map(str, copied))}, in a folder of the same name.")
        console.print("Whoever has one of these keys can run any program on every machine of the cluster.")
        return 0
    try:
        where = parse_address(options.where or LISTENS)
    except ValueError as error:
        raise UsageError(str(error)) from error
    address, security = keys.security(where, options.keys, keys.HEAD)
    processes.schedule(address, where.host, where.port, security, step)
    return 0


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the command line; `command` makes one."""
    sub: Any = command("worker", worker, "run cells for the head of a cluster, on labs of this machine", in_lab=False)
    about = "the scheduler: tcp://head:8786 (over TLS, unless it is on this machine)"
    sub.add_argument("address", type=argument(parse_address), metavar="ADDRESS", help=about)
    about = "how many labs, side by side (default %(default)s)"
    sub.add_argument("--labs", type=between(1, pool.MOST_LABS), default=1, metavar="N", help=about)
    about = "the numbers of these labs: 20,21 (default: free ones)"
    sub.add_argument("--numbers", type=labs, default=(), metavar="N,N", help=about)
    about = "what the report calls this machine (default: its host name)"
    sub.add_argument("--name", default=socket.gethostname(), metavar="NAME", help=about)
    sub.add_argument("--bundle", type=Path, metavar="FILE", help="take the images out of what `bundle` wrote")
    add_keys(sub)
    about = "keys: make the keys of a cluster, into a folder; scheduler: be its scheduler, at an address"
    sub = command("cluster", cluster, "the keys of a cluster, and its scheduler", in_lab=False)
    sub.add_argument("what", choices=("keys", "scheduler"), help=about)
    about = f"the folder of the keys, or the address to listen at (default {LISTENS})"
    sub.add_argument("where", nargs="?", metavar="FOLDER|ADDRESS", help=about)
    add_keys(sub)
