"""Many cells on the labs of many machines: the head gives each free lab a cell, and takes the evidence home.

It does what run/campaign.py does on one machine, and says the same. A lab gets its next cell when it has ended one, and
not before: so the longest stay first, a slow machine keeps nobody waiting, and what is lost with a machine was running.
"""

from __future__ import annotations

import contextlib
import queue
import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from distributed import Future, KilledWorker
from distributed.client import FutureCancelledError

from scenarios.cluster import card, plan, work
from scenarios.cluster.card import Card
from scenarios.cluster.fetching import COMING, Answer, Fetching, beside
from scenarios.cluster.joining import Cluster
from scenarios.cluster.machine import Machine, Out
from scenarios.cluster.plan import Plan
from scenarios.cluster.processes import RESOURCE
from scenarios.cluster.share import Shares
from scenarios.evidence import run_folder as runs
from scenarios.evidence.run_folder import folder_of
from scenarios.lab import signals
from scenarios.lab.errors import LabProblem, UsageError
from scenarios.run.cell import TRIES, not_run
from scenarios.spec.cell import Cell
from scenarios.spec.units import Seconds
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result

LOOKS_EVERY_S: Final = 0.2
WORKERS_EVERY_S: Final = 1.0  # how often the scheduler is asked who is there
WAITS_FOR_WORKERS_S = 60.0
READY_WITHIN_S: Final = 120.0  # what a machine says of it, when it has said that it is
LOST_TIMES: Final = 2  # a cell whose machine is lost so often is unproven


@dataclass(slots=True)
class ClusterCampaign:
    """As run.campaign.Campaign, on the workers of a cluster. `patience` is what the cells' drills were given."""

    run_folder: Path
    cluster: Cluster
    rests_on: Mapping[str, str]  # what a worker must have the same
    tell: Callable[[Result], None]
    say: Callable[[str], None] = lambda _: None
    complain: Callable[[str], None] = lambda _: None
    on_begin: Callable[[str, Cell], None] = lambda _, __: None
    beside: bool = False
    results: list[Result] = field(default_factory=list)
    patience: Seconds = Seconds(0)
    tries: int = TRIES
    _waiting: deque[Cell] = field(default_factory=deque)
    _plans: dict[Any, Plan] = field(default_factory=dict)  # what the machines are made ready for
    _services: dict[str, str] = field(default_factory=dict)
    _machines: dict[str, Machine] = field(default_factory=dict)  # those that may run cells, by address
    _refused: dict[str, str] = field(default_factory=dict)  # why others may not, by address
    _lost_on: dict[str, list[str]] = field(default_factory=dict)  # by title: machines
    _shares: Shares = field(default_factory=Shares)
    _done: queue.SimpleQueue[tuple[Out, Answer]] = field(default_factory=queue.SimpleQueue)
    _prepared: queue.SimpleQueue[tuple[Machine, Future[Any]]] = field(default_factory=queue.SimpleQueue)
    _looked_s: float = 0.0
    _alone_since_s: float | None = None
    _run: str = ""
    _began_ns: int = field(default_factory=time.time_ns)
    _numbered: int = 0
    _ran_on: dict[str, Mapping[str, str]] = field(default_factory=dict)  # by machine, once each

    def run(self, cells: Sequence[Cell], until: Callable[[], bool] = lambda: False) -> list[Result]:
        """Run them all, or until told, as Campaign.run does; and raise as it does.

        Raise LabProblem when the scheduler is gone, or no worker that may run cells is there for a minute.
        """
        self._run = self._run or f"{self.run_folder.name}-{self._began_ns}"
        self._ask_for(cells)
        self._waiting.extend(cells)
        try:
            with Fetching(self.cluster.client, self.run_folder, self._done) as fetching:
                while self._waiting or any(each.out for each in self._machines.values()):
                    if until():
                        self._waiting.clear()
                    self._look()
                    self._hand_out(fetching)
                    self._take_home()
        except BaseException as why:
            try:
                if isinstance(why, KeyboardInterrupt):
                    self.complain(signals.acknowledgement())
            finally:
                self._end()
            raise
        return self.results

    # What the machines are asked for

    def _ask_for(self, cells: Sequence[Cell]) -> None:
        """Note what the machines must have ready; where that is more than before, each is made ready anew."""
        for cell in cells:
            each = Plan.of(cell, self.patience)
            key = each.drill, each.text, each.service, each.pair
            if key not in self._plans:
                self._plans[key] = replace(each, seed=1, repeat=1)
                for address in [address for address, machine in self._machines.items() if not machine.out]:
                    del self._machines[address]
        self._services |= plan.services_of(cells)

    def _look(self) -> None:
        """See who has come and who has gone. Raise LabProblem when nobody is left to run cells."""
        if time.monotonic() < self._looked_s + WORKERS_EVERY_S:
            return
        try:
            there = self.cluster.client.scheduler_info()["workers"]
        except Exception as problem:
            raise self._scheduler_gone() from problem
        if self.cluster.client.status != "running":
            raise self._scheduler_gone()
        self._looked_s = time.monotonic()
        for address in [address for address in self._machines if address not in there]:
            machine = self._machines.pop(address)
            for out in list(machine.out):
                self._lost(out)
        for address in there.keys() - self._machines.keys() - self._refused.keys():
            self._admit(address, there[address])
        if self._machines:
            self._alone_since_s = None
            return
        self.cluster.check()
        self._alone_since_s = self._alone_since_s or time.monotonic()
        if time.monotonic() - self._alone_since_s > WAITS_FOR_WORKERS_S:
            why = "".join(f"\n{each}" for each in self._refused.values())
            raise LabProblem(
                f"no worker of {self.cluster.address} could take these cells for {WAITS_FOR_WORKERS_S:.0f} s{why}"
            )

    def _scheduler_gone(self) -> LabProblem:
        return LabProblem(
            f"the scheduler {self.cluster.address} does not answer any more; the cells that its workers had are not run"
        )

    def _admit(self, address: str, told: Any) -> None:
        found = Card.read(told.get(card.KEY))
        if found is None:
            self._refuse(address, f"{address} is not a worker of this version of Faultwire")
            return
        if differ := card.differences(self.rests_on, found.rests_on):
            also = "" if len(differ) > 1 else "s"
            self._refuse(
                address, f"{found.machine} ({address}) is of another version: {', '.join(differ)} differ{also}"
            )
            return
        machine = self._machines[address] = Machine(address, found)
        plans = [plan.as_plain(each) for each in self._plans.values()]
        future = self.cluster.client.submit(
            work.prepare, plans, self._services, key=self._key("ready"), workers=[address], pure=False, retries=0
        )
        future.add_done_callback(lambda each: self._prepared.put((machine, each)))

    def _refuse(self, address: str, why: str) -> None:
        """Give a worker no cells any more; those that it has come home, or are given up with it."""
        self._refused[address] = why
        self.complain(f"{why}; this worker gets no more cells")
        machine = self._machines.get(address)
        if machine is not None:
            machine.is_ready = False
            if not machine.out:
                del self._machines[address]

    def _key(self, what: str) -> str:
        """A name for Dask that no other task has. Its scheduler keeps what stands before the first number for ever."""
        self._numbered += 1
        return f"{what}-{self._began_ns}-{self._numbered}"

    # Cells out and home

    def _hand_out(self, fetching: Fetching) -> None:
        """Give each lab that is free a cell; a machine gets those for all of its labs at once."""
        while not self._prepared.empty():
            self._is_prepared(*self._prepared.get())
        free = deque(each for each in self._machines.values() if each.is_ready and each.free)
        given: dict[Machine, list[Out]] = {}
        while self._waiting and free:
            runs.check_room(self.run_folder)
            cell = self._waiting.popleft()
            for _ in range(len(free) - 1):  # elsewhere than where it was lost, if there is an elsewhere
                if free[0].name not in self._lost_on.get(cell.title, ()):
                    break
                free.rotate(-1)
            machine = free.popleft()
            given.setdefault(machine, []).append(machine.take(cell))
            if machine.free:
                free.append(machine)
        for machine, outs in given.items():
            self._give(machine, outs, fetching)

    def _is_prepared(self, machine: Machine, future: Future[Any]) -> None:
        if self._machines.get(machine.address) is not machine:
            return
        try:
            answer = future.result(timeout=READY_WITHIN_S)
        except (KilledWorker, FutureCancelledError, CancelledError, TimeoutError):
            return  # it is gone, or the scheduler is: the next look says so
        if work.WRONG in answer:
            raise UsageError(answer[work.WRONG])
        if work.CANNOT in answer:
            self._refuse(machine.address, f"{machine.name} ({machine.address}): {answer[work.CANNOT]}")
            return
        machine.is_ready, machine.free = True, machine.card.labs
        labs = "a lab" if machine.free == 1 else f"{machine.free} labs"
        self.say(f"{machine.name} runs cells on {labs}")

    def _give(self, machine: Machine, outs: Sequence[Out], fetching: Fetching) -> None:
        """Send a machine its cells in one message: each message costs the head and the scheduler as much as a cell."""
        wanted = [plan.as_plain(Plan.of(out.cell, self.patience)) for out in outs]
        same = (self._run, self.run_folder.name, self.beside, self.tries)
        futures = self.cluster.client.map(
            work.perform, wanted, *([each] * len(outs) for each in same), key=[self._key("cell") for _ in outs],
            workers=[machine.address], resources={RESOURCE: 1}, pure=False, retries=0,
        )  # fmt: skip
        for out, future in zip(outs, futures, strict=True):
            self.on_begin(f"{machine.name} lab {out.lab}", out.cell)
            fetching.when_done(out, future)

    def _take_home(self) -> None:
        """Take what has come, and wait a moment where nothing has."""
        with contextlib.suppress(queue.Empty):
            self._take(*self._done.get(timeout=LOOKS_EVERY_S))
            while True:
                self._take(*self._done.get_nowait())

    def _take(self, out: Out, answer: Answer) -> None:
        if out.is_over:  # it was given up, and is run elsewhere
            shutil.rmtree(beside(self.run_folder, out), ignore_errors=True)
            return
        if isinstance(answer, KilledWorker | TimeoutError | FutureCancelledError | CancelledError):
            self._looked_s = 0.0  # is it gone, or the scheduler?
            if isinstance(answer, KilledWorker | TimeoutError):
                self._lost(out)
            elif self.cluster.client.status != "running":
                raise self._scheduler_gone()
            else:
                self._lost(out)
            return
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, Result) and work.LOST in answer:
            self._lost(out)
            return
        self._over(out)
        if isinstance(answer, Result):
            self._home(out, answer)
            return
        self._waiting.appendleft(out.cell)
        why = answer.get(work.CANNOT) or "the worker is about to end"
        self._refuse(out.machine.address, f"{out.machine.name} ({out.machine.address}): {why}")

    def _over(self, out: Out) -> None:
        out.is_over = True
        out.machine.out.discard(out)
        out.machine.free += 1
        if out.machine.address in self._refused and not out.machine.out:
            self._machines.pop(out.machine.address, None)

    def _home(self, out: Out, result: Result) -> None:
        folder = folder_of(self.run_folder, out.cell)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)  # of soak: an earlier round's
        beside(self.run_folder, out).rename(folder)
        self._tell(replace(result, folder=folder))
        machine = out.machine
        self._shares.add(machine.name, is_unproven=result.verdict is Verdict.UNPROVEN)
        too_many = self._shares.too_many(machine.name)
        if too_many and machine.address not in self._refused:
            self._refuse(machine.address, f"{machine.name} ({machine.address}) is set aside: {too_many}")

    def _tell(self, result: Result) -> None:
        """Tell of a result, and keep of it what the summary needs: the rest is in its folder."""
        ran_on = self._ran_on.setdefault(str(sorted(result.ran_on.items())), result.ran_on)
        self.results.append(replace(result, control=(), checks=(), machines={}, ran_on=ran_on))
        self.tell(result)

    def _lost(self, out: Out) -> None:
        """A cell's machine is gone: it is run once more, or is unproven."""
        self._over(out)
        cell, names = out.cell, self._lost_on.setdefault(out.cell.title, [])
        names.append(out.machine.name)
        if len(names) < LOST_TIMES:
            self.complain(f"{names[0]} was lost while it ran {cell.title}, which runs once more")
            self._waiting.appendleft(cell)
            return
        why = f"two machines were lost while they ran it: {', then '.join(names)}"
        self._tell(not_run(cell, folder_of(self.run_folder, cell), why, beside=self.beside))

    def _end(self) -> None:
        """Have the machines end what they run for us."""
        busy = [each.address for each in self._machines.values() if each.out]
        if busy and self.cluster.client.status == "running":
            with contextlib.suppress(Exception):  # what runs there ends by itself, too
                self.cluster.client.run(work.end, self._run, workers=busy, on_error="ignore")
        with contextlib.suppress(queue.Empty):
            while True:  # what has come home by now has been run
                out, answer = self._done.get_nowait()
                if isinstance(answer, Result) and not out.is_over:
                    self._over(out)
                    self._home(out, answer)
        for out in [out for each in self._machines.values() for out in each.out]:
            out.is_over = True
        for each in self.run_folder.glob(f"{COMING}*"):
            shutil.rmtree(each, ignore_errors=True)
