"""Where the cells of a command are run: on the labs of this machine, or with `--cluster` on those of its workers."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from scenarios.cli.arguments import argument
from scenarios.cluster import address
from scenarios.cluster.address import Local
from scenarios.lab.errors import UsageError
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.places import document
from scenarios.lab.valueclass import valueclass
from scenarios.report.console import step, warn
from scenarios.run.campaign import Campaign
from scenarios.run.prepare import prepare
from scenarios.run.session import Happened
from scenarios.spec.cell import Cell
from scenarios.spec.units import Seconds
from scenarios.verdict.result import Result

MOST_CELLS: Final = 30_000  # of a head, which keeps a result of each: it stays below 300 MiB (docs/scale.md)
EXTRA = "pip install 'faultwire[cluster]'"


class Running(Protocol):
    """Cells being run; see Campaign."""

    results: list[Result]

    def run(self, cells: Sequence[Cell], until: Callable[[], bool] = lambda: False) -> list[Result]: ...


@valueclass
class RunOptions:
    """What a command wants of its cells; see Campaign. `patience` is what their drills were given.

    `took_s` is what cells took before, where their order is free; a cluster takes them in the order in which they come.
    """

    run_folder: Path
    tell: Callable[[Result], None]
    on_begin: Callable[[str, Cell], None] = lambda _, __: None
    beside: bool = False
    keep: bool = False
    happened: Callable[[Happened], None] = lambda _: None
    patience: Seconds = Seconds(0)
    took_s: Mapping[str, float] | None = None


@valueclass
class Workforce:
    """So many labs, and what runs cells on them. `labs` are those that are this machine's."""

    jobs: int
    labs: Sequence[Lab]
    running: Callable[[RunOptions], Running]


@contextlib.contextmanager
def workforce(options: argparse.Namespace, jobs: int, cells: Sequence[Cell]) -> Iterator[Workforce]:
    """Have the labs ready that are to run these cells: so many of this machine, or those of the cluster.

    Raise as `prepare` does; with `--cluster` LabProblem where it is not reached, UsageError where keys are missing.
    """
    if getattr(options, "cluster", None) is None:
        on = prepare(options.lab, jobs, cells, getattr(options, "labs", ())) if cells else []
        yield Workforce(jobs, on, lambda asked: _local_campaign(asked, on))
        return
    check_count(len(cells))
    with _join_cluster(options) as found:
        yield found


def check_count(cells: int) -> None:
    """Raise UsageError for more cells than the head of a cluster has memory for; it names the shards that do."""
    if cells > MOST_CELLS:
        parts = math.ceil(cells / MOST_CELLS)
        raise UsageError(
            f"{cells:,} cells are asked for, and the head of a cluster takes {MOST_CELLS:,}: its memory grows with "
            f"them. Run them in {parts} parts, with --shard 1/{parts} to --shard {parts}/{parts}, each in a run of its "
            "own; `merge` puts the parts together"
        )


def _local_campaign(asked: RunOptions, on: Sequence[Lab]) -> Campaign:
    return Campaign(
        asked.run_folder, on, asked.tell, step, warn, asked.on_begin, asked.beside, asked.keep,
        happened=asked.happened, took_s=asked.took_s,
    )  # fmt: skip


@contextlib.contextmanager
def _join_cluster(options: argparse.Namespace) -> Iterator[Workforce]:
    try:
        from scenarios.cluster.campaign import ClusterCampaign
        from scenarios.cluster.joining import joined
        from scenarios.cluster.version import rests_on
    except ModuleNotFoundError as error:
        raise no_dask(error) from error
    labs = getattr(options, "labs", ())
    if labs and not isinstance(options.cluster, Local):
        raise UsageError("--labs names labs of this machine; with --cluster each worker has its own")
    with contextlib.ExitStack() as stack:
        with under_way(f"the cluster {options.cluster} is joined"):
            cluster = stack.enter_context(joined(options.cluster, options.keys, labs))
        step(f"joined {cluster.address}")

        def running(asked: RunOptions) -> ClusterCampaign:
            return ClusterCampaign(
                asked.run_folder, cluster, rests_on(), asked.tell, step, warn, asked.on_begin, asked.beside,
                patience=asked.patience,
            )  # fmt: skip

        jobs = options.cluster.workers if isinstance(options.cluster, Local) else cluster.labs
        yield Workforce(max(1, jobs), [], running)


def no_dask(error: ModuleNotFoundError) -> UsageError:
    """What to say where a package of the extra `cluster` is not there."""
    return UsageError(f"there is no Python package `{error.name}`; many machines need the extra: {EXTRA}")


def add_cluster(sub: argparse.ArgumentParser) -> None:
    page = document("docs/cluster.md")
    about = f"run the cells on the workers of a cluster: tcp://head:8786, or local:3 ({page})"
    sub.add_argument("--cluster", type=argument(address.parse), metavar="ADDRESS", help=about)
    add_keys(sub)


def add_keys(sub: argparse.ArgumentParser) -> None:
    about = "the folder with the keys of the cluster (default: where `cluster keys` puts them)"
    sub.add_argument("--keys", type=Path, metavar="FOLDER", help=about)
