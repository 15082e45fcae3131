"""The evidence of cells, fetched by threads of its own: the head hands out cells meanwhile.

What has ended by now is fetched in one message, for each message costs the head and the scheduler as much as a cell: so
the more there is to do, the less each cell costs.
"""

from __future__ import annotations

import contextlib
import functools
import queue
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from dask.typing import Key
from distributed import Client, Future

from scenarios.cluster import evidence, work
from scenarios.cluster.machine import Out
from scenarios.run import previous
from scenarios.verdict.result import Result

THREADS: Final = 2
TOGETHER: Final = 4  # cells, the most that a thread fetches at once: so many for each thread are in memory
WITHIN_S: Final = 120.0  # the evidence of one cell
TOGETHER_WITHIN_S: Final = 20.0  # that of several; each is asked for alone where one of them does not come
COMING: Final = ".coming-"

Answer = Result | Exception | Mapping[str, Any]  # what a cell came to, why there is nothing, or what the worker said


def beside(run_folder: Path, out: Out) -> Path:
    """Return where the evidence of a cell is until it is whole."""
    return run_folder / f"{COMING}{id(out)}"


@dataclass(slots=True)
class Fetching:
    """Fetch what cells come to, for the time of the `with` block, and put it into `done`."""

    client: Client
    run_folder: Path
    done: queue.SimpleQueue[tuple[Out, Answer]]
    _ended: queue.SimpleQueue[tuple[Out, Future[Any]]] = field(default_factory=queue.SimpleQueue)
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "evidence"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()

    def when_done(self, out: Out, future: Future[Any]) -> None:
        """Fetch the evidence of this cell when its future is done."""
        future.add_done_callback(lambda done: self._later(out, done))

    def _later(self, out: Out, future: Future[Any]) -> None:
        self._ended.put((out, future))
        with contextlib.suppress(RuntimeError):  # the run has ended meanwhile
            self._threads.submit(self._fetch)

    def _fetch(self) -> None:
        """Fetch what has ended by now; another thread may have done so."""
        futures: dict[Out, Future[Any]] = {}
        with contextlib.suppress(queue.Empty):
            while len(futures) < TOGETHER:
                out, future = self._ended.get_nowait()
                if not out.is_over:
                    futures[out] = future
        answers = self._gathered(list(futures.values()))
        done: list[tuple[Out, Answer]] = []
        while futures:
            out, future = futures.popitem()
            try:
                answer = answers.pop(future.key, None) or future.result(timeout=WITHIN_S)
                done.append((out, self._unpacked(out, answer)))
            except Exception as problem:
                done.append((out, problem))
        for each in done:  # at once: their labs get their next cells in one message, too
            self.done.put(each)

    def _gathered(self, futures: Sequence[Future[Any]]) -> dict[Key, Any]:
        """Return what these have come to, by key; what has failed, or does not come soon, is left out."""
        if len(futures) < 2:
            return {}
        wanted = {each.key: each for each in futures}
        gather = functools.partial(self.client.gather, wanted, errors="skip", asynchronous=True)
        try:
            found = self.client.sync(gather, callback_timeout=TOGETHER_WITHIN_S)
        except Exception:  # each is asked for alone then, and what is wrong with it is told
            return {}
        return {key: answer for key, answer in found.items() if answer is not None}

    def _unpacked(self, out: Out, answer: dict[str, Any]) -> Answer:
        if work.EVIDENCE not in answer:
            return answer
        place = beside(self.run_folder, out)
        evidence.unpack(answer.pop(work.EVIDENCE), place)
        return previous.from_evidence(out.cell, place)
