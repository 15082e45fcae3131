"""A head's way into a cluster: one that is there, or one that is started on this machine for the time of a run."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from distributed import Client

from scenarios.cluster import dask_settings, keys
from scenarios.cluster.address import Address, Local
from scenarios.cluster.card import KEY, Card
from scenarios.cluster.processes import scheduling
from scenarios.lab.errors import LabProblem
from scenarios.lab.places import CODE, IS_INSTALLED, LOGS, PACKAGE, display_path
from scenarios.lab.process_group import wait_or_kill
from scenarios.lab.valueclass import valueclass

ANSWERS_WITHIN_S: Final = 20.0
ENDS_WITHIN_S: Final = 60.0  # a worker takes its labs down
LINES_TOLD: Final = 5


@valueclass
class Cluster:
    """A cluster that a head has joined. `workers` are processes that were started for it."""

    client: Client
    address: str
    workers: Sequence[LocalWorker] = ()

    @property
    def labs(self) -> int:
        """How many labs the workers have that are there now; Dask is asked."""
        there = self.client.scheduler_info()["workers"].values()
        return sum(card.labs for each in there if (card := Card.read(each.get(KEY))))

    def check(self) -> None:
        """Raise LabProblem when all of its own workers have ended, with what the last of them said."""
        if self.workers and all(each.process.poll() is not None for each in self.workers):
            raise LabProblem(
                f"all workers of {self.address} have ended; the last one printed: {self.workers[-1].last_words()}"
            )


@valueclass
class LocalWorker:
    """A process on this machine, and the file with what it prints."""

    process: subprocess.Popen[bytes]
    log: Path

    def last_words(self) -> str:
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()[-LINES_TOLD:]
        return f"{' / '.join(lines) or 'nothing'} ({display_path(self.log)})"

    def tell_to_end(self) -> None:
        """Have it end in order."""
        if self.process.poll() is None:
            self.process.terminate()

    def wait(self) -> None:
        """Wait for its end; one that does not come is made."""
        wait_or_kill(self.process, ENDS_WITHIN_S)


@contextlib.contextmanager
def joined(where: Address | Local, folder: Path | None, labs: Sequence[int] = ()) -> Iterator[Cluster]:
    """Join a cluster for the time of the `with` block. `labs` are the numbers of the local workers' labs, if any.

    `folder` has keys, if a person named one. Raise LabProblem, UsageError.
    """
    if isinstance(where, Address):
        address, security = keys.security(where, folder, keys.HEAD)
        with dask_settings.applied(), _client(address, security) as client:
            yield Cluster(client, address)
        return
    with contextlib.ExitStack() as stack:
        secrets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faultwire-keys-")))
        keys.make(secrets)  # other users of this machine reach its loopback, too
        here = Address("tls", "127.0.0.1", 0)
        listen, security = keys.security(here, secrets, keys.HEAD)
        address = stack.enter_context(scheduling(listen, here.host, here.port, security))
        workers = [
            stack.enter_context(_worker(address, secrets, number, labs[number - 1 :: where.workers]))
            for number in range(1, where.workers + 1)
        ]
        stack.enter_context(dask_settings.applied())
        cluster = Cluster(stack.enter_context(_client(address, security)), address, workers)
        try:
            yield cluster
        finally:
            for each in workers:  # all at once, before the scheduler: each takes its labs down
                each.tell_to_end()
            for each in workers:
                each.wait()


@contextlib.contextmanager
def _client(address: str, security: object) -> Iterator[Client]:
    try:
        client = Client(address, security=security, timeout=ANSWERS_WITHIN_S, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise LabProblem(f"no scheduler answers at {address}: {error}") from error
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            client.close(timeout=5)


def start(words: Sequence[str], out: BinaryIO) -> subprocess.Popen[bytes]:
    """Start the command with these words; what it prints goes to `out`."""
    return subprocess.Popen(
        [sys.executable, "-m", PACKAGE, *words],
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        cwd=None if IS_INSTALLED else CODE.parent,
        start_new_session=True,  # Ctrl-C comes to the head alone, which ends its workers
    )


@contextlib.contextmanager
def _worker(address: str, secrets: Path, number: int, labs: Sequence[int]) -> Iterator[LocalWorker]:
    """A worker on this machine, with a lab of its own: one of these numbers, or one that is free."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"worker-{number}.log"
    words = ["worker", address, "--labs", str(len(labs) or 1), "--name", f"local-{number}", "--keys", str(secrets)]
    words += ["--numbers", ",".join(map(str, labs))] if labs else []
    with log.open("wb") as out:
        process = start(words, out)
    worker = LocalWorker(process, log)
    try:
        yield worker
    finally:
        if process.poll() is None:  # the cluster was not joined
            worker.tell_to_end()
            worker.wait()
