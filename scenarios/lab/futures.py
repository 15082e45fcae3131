"""Waiting for what other threads do, so that a signal which comes meanwhile leaves nothing locked."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future, wait
from typing import Any

from scenarios.lab import signals

# How often the main thread looks up from its wait: a signal that comes just before the wait, or that the system gives
# to another thread, does not end it.
LOOKS_EVERY_S = 0.2


def is_any_left(futures: Collection[Future[Any]]) -> bool:
    """Whether one of them has not ended, after a while.

    A signal is raised when the wait is over: within it, it would leave the lock of a future taken, and whoever works
    for that one could never end (concurrent.futures, _AcquireFutures).
    """
    with signals.held_back():
        return bool(wait(futures, LOOKS_EVERY_S).not_done)
