"""How Dask is set for cells: the same for a scheduler, a worker and a head."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from typing import Final

import dask

OF_DASK: Final = re.compile(r"(distributed|tornado)(\.|$)")  # loggers
# Nobody on the network but the cluster is answered: no pages, and the port for them is of this machine alone.
NO_PAGES: Final = "127.0.0.1:0"
SETTINGS: Final = {
    "distributed.scheduler.allowed-failures": 0,  # whether a cell is run once more is the head's to say
    "distributed.scheduler.worker-ttl": "60s",  # a machine that is silent for so long is lost
    "distributed.scheduler.work-stealing": False,  # the head gives a cell to a lab that is free
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.log-length": 100,
    "distributed.admin.low-level-log-length": 100,
    "distributed.comm.timeouts.connect": "10s",
}


@contextlib.contextmanager
def applied() -> Iterator[None]:
    """Have Dask set so for the time of the `with` block, and quiet: what goes wrong is told by us."""
    loggers = [logging.getLogger(name) for name in [*logging.root.manager.loggerDict] if OF_DASK.match(name)]
    before = [each.level for each in loggers]
    with dask.config.set(SETTINGS):
        for each in loggers:  # Dask gives several of them a level of their own
            each.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for each, level in zip(loggers, before, strict=True):
                each.setLevel(level)
