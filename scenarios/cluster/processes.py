"""The processes of a cluster: a scheduler, or a worker, while it is wanted. Dask's loop has a thread of its own.

The main thread waits, so that a signal reaches it (lab/signals.py) and what was begun is undone in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import distributed
from distributed.security import Security

from scenarios.cluster import dask_settings, work
from scenarios.cluster.address import Address
from scenarios.cluster.card import KEY, Card
from scenarios.cluster.dask_settings import NO_PAGES
from scenarios.lab.errors import LabProblem
from scenarios.spec.units import so_many

LOOKS_EVERY_S: Final = 0.2
JOINS_WITHIN_S: Final = 60.0
RESOURCE: Final = "lab"
FETCHED_WITHIN_S: Final = 2.0  # what a worker that ends has still to give


@contextlib.contextmanager
def _looping(make: Callable[[], Any], what: str) -> Iterator[tuple[Any, asyncio.AbstractEventLoop, threading.Event]]:
    """Have what `make` makes, a server of Dask's, run in a loop of its own. Raise LabProblem when it does not come up.

    Yield it, its loop, and an event that is set when it has ended.
    """
    started: dict[str, Any] = {}
    ready, ended = threading.Event(), threading.Event()

    async def serving() -> None:
        server = await make()
        started.update(server=server, loop=asyncio.get_running_loop())
        ready.set()
        await server.finished()

    def run() -> None:
        try:
            asyncio.run(serving())
        except Exception as problem:
            started.setdefault("problem", problem)
        finally:
            ended.set()
            ready.set()

    thread = threading.Thread(target=run, name=what, daemon=True)
    thread.start()
    ready.wait()
    if "server" not in started:
        raise LabProblem(f"{what}: {started.get('problem', 'it ended')}")
    server, loop = started["server"], started["loop"]
    try:
        yield server, loop, ended
    finally:
        if not ended.is_set():
            with contextlib.suppress(RuntimeError):  # it ends just now
                asyncio.run_coroutine_threadsafe(server.close(), loop)
            thread.join(10)


def _until(ended: threading.Event) -> None:
    while not ended.wait(LOOKS_EVERY_S):
        pass


@contextlib.contextmanager
def scheduling(address: str, host: str, port: int, keys: Security | None) -> Iterator[str]:
    """A scheduler that listens there, in this process; yield its address. Raise LabProblem."""
    protocol = address.partition(":")[0]

    def make() -> Any:
        return distributed.Scheduler(
            host=host, port=port, protocol=f"{protocol}://", security=keys, dashboard=False, dashboard_address=NO_PAGES
        )

    with dask_settings.applied(), _looping(make, f"a scheduler at {address}") as (server, _, _):
        yield server.address


def schedule(address: str, host: str, port: int, keys: Security | None, say: Callable[[str], None]) -> None:
    """Be a scheduler until this process is told to end. Raise LabProblem, KeyboardInterrupt."""
    with scheduling(address, host, port, keys) as found:
        say(f"a scheduler listens at {found}")
        _until(threading.Event())


def be_worker(
    scheduler: Address, address: str, keys: Security | None, card: Card, worker: work.Worker, folder: Path
) -> None:
    """Join the cluster and run what its heads ask for, until this process is told to end, or the scheduler is gone.

    `folder` is for Dask's own files. Raise LabProblem when the scheduler is not reached or has gone, KeyboardInterrupt.
    """
    work.serve(worker)

    def make() -> Any:
        return distributed.Worker(
            address,
            name=card.machine,
            nthreads=card.labs + 1,  # one for what makes ready
            resources={RESOURCE: card.labs},
            startup_information={KEY: lambda _: card.as_plain()},
            security=keys,
            host=scheduler.host if scheduler.is_loopback else None,
            memory_limit=0,
            death_timeout=JOINS_WITHIN_S,
            local_directory=str(folder),
            dashboard=False,
            dashboard_address=NO_PAGES,
        )

    with dask_settings.applied(), _looping(make, f"a worker of {address}") as (_, loop, ended):
        labs = so_many(card.labs, "lab")
        worker.say(f"{card.machine} has joined {address} with {labs} (process {os.getpid()})")
        try:
            _until(ended)
        finally:
            worker.close()
            if not ended.is_set():  # the head fetches what it still may
                with contextlib.suppress(TimeoutError, RuntimeError):
                    _after(loop, FETCHED_WITHIN_S)
    raise LabProblem(f"the scheduler {address} does not answer any more; the labs of this worker are free again")


def _after(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    asyncio.run_coroutine_threadsafe(asyncio.sleep(seconds), loop).result(seconds + 1)
