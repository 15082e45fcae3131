"""Metering the stalls of a lab, and of this program, while a script runs. The lab's meter is images/meter/meter.

Whatever keeps it from metering is told in the stalls that it gives, as what was not seen; it never ends a script. Where
it had worked before, the time that it did not see counts as a stall.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Self

from docker.errors import APIError

from scenarios.evidence.pauses import Pause, without
from scenarios.evidence.stalls import MACHINE, RUNNER, Stall, Stalls, joined
from scenarios.lab import engine
from scenarios.lab.errors import CommandFailed, LabProblem, NoEngine
from scenarios.lab.guest import GUEST_LABEL
from scenarios.lab.json_lines import Child, Message, Request
from scenarios.lab.lab import Lab

METER: Final = "meter"  # the machine of the lab that it runs on
PROGRAM: Final = "/usr/local/lib/faultwire/meter"
ANSWERS_WITHIN_S: Final = 10.0
BEGINS_WITHIN_S: Final = 5.0
TICK_S: Final = 0.02
NOTED_S: Final = 0.02
MOST_STALLS: Final = 1000  # of this program
# What keeps the lab's machines from being asked for; OSError is of requests too.
NOT_ASKED: Final = (LabProblem, CommandFailed, NoEngine, APIError, OSError)


class OwnMeter:
    """The stalls of this program: a thread that sleeps, and notes how much later than it wanted it woke.

    `of_test`: this program is a person's test, and what it computes meanwhile, with Python's lock in its hand, is its
    own work: only the time in which it had no processor is a stall. It is noted as the end of that time.
    """

    def __init__(self, *, of_test: bool = False) -> None:
        self._of_test = of_test
        self._over = threading.Event()
        self._found: list[Stall] = []
        self._thread = threading.Thread(target=self._run, daemon=True, name="stalls of the runner")
        self._thread.start()

    def _run(self) -> None:
        before_ns, worked_before_ns = time.time_ns(), time.process_time_ns()
        while not self._over.wait(TICK_S):
            now_ns, worked_ns = time.time_ns(), time.process_time_ns()
            own_work_ns = worked_ns - worked_before_ns if self._of_test else 0
            began_ns = before_ns + own_work_ns
            if now_ns - began_ns >= (TICK_S + NOTED_S) * 1e9 and len(self._found) < MOST_STALLS:
                self._found.append(Stall(RUNNER, "still", began_ns, now_ns))
            before_ns, worked_before_ns = now_ns, worked_ns

    def stop(self) -> list[Stall]:
        """End the thread; what it noted."""
        self._over.set()
        self._thread.join()
        return self._found


class Metering:
    """The meter of a lab, for the time of the `with` block: it runs all the time, and meters between begin and end."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._machines: Mapping[str, str] = {}  # by the ids of their containers
        self._child: Child | None = None
        self._starting: Request | None = None
        self._stopping: Request | None = None
        self._started: Message | None = None
        self._problem = ""
        self._works = False  # whether the meter has ever answered: where it cannot run, there is none to miss
        self._own_meter: OwnMeter | None = None
        self._began_ns = self._stopped_ns = 0

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self.give_up()
        self._close()

    def _start(self) -> None:
        try:
            self._machines = self._of_lab()
            self._child = Child(self._lab.open(METER, [PROGRAM]), "the meter")
        except NOT_ASKED as problem:
            self._problem = str(problem)

    def _of_lab(self, *labels: str) -> Mapping[str, str]:
        """The containers of the lab, each with the machine that it is, or whose network it is in; in one question."""
        asked = {"label": [f"{engine.LAB_LABEL}={self._lab.number}", *labels]}
        found = {}
        with engine.request("list the lab's machines"):
            containers = engine.client().api.containers(filters=asked)
        for container in containers:
            of_it = container["Labels"]
            if machine := of_it.get(GUEST_LABEL) or of_it.get("com.docker.compose.service"):
                found[container["Id"]] = machine
        return found

    def _guests(self, are_there: bool) -> Mapping[str, str]:
        try:
            return self._of_lab(GUEST_LABEL) if are_there else {}
        except NOT_ASKED:  # their stalls are not seen then; what they do is seen all the same
            return {}

    def _close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()

    # Between two moments

    def begin(self, *, with_guests: bool = False, of_test: bool = False) -> None:
        """Note stalls from now on; `wait` before the script. `with_guests`: programs of other images may run.

        `of_test`: the script is a person's test in this program, and its work is no stall of the runner.
        """
        self.give_up()
        self._problem = ""
        self._lab.guests.clear()  # those of earlier scripts have ended
        if self._child is None:
            self._start()
        guests = self._guests(with_guests)
        self._own_meter, self._began_ns, self._stopped_ns = OwnMeter(of_test=of_test), time.time_ns(), 0
        self._starting = self._ask({"start": {**self._machines, **guests}}, "begin to meter")

    def wait(self) -> None:
        """Wait until it meters, if it does at all: what happens from now on is what is metered."""
        self._wait()
        self._began_ns = time.time_ns()

    def _wait(self) -> None:
        starting, self._starting = self._starting, None
        if starting is not None:
            self._started = self._answer(starting, BEGINS_WITHIN_S)

    def give_up(self) -> None:
        """Forget what was begun, if it was not ended."""
        if self._own_meter is not None:
            self.end()

    def stop(self, *, with_guests: bool = False) -> None:
        """Note no more stalls; `end` gives them. Between the two there is time for something else."""
        self._stopped_ns = time.time_ns()
        self._stopping = self._ask({"stop": {**self._lab.guests, **self._guests(with_guests)}}, "tell the stalls")

    def end(self, pauses: Sequence[Pause] = (), in_play: Collection[str] = ()) -> Stalls:
        """The stalls from `wait` to `stop`, or until now; without the pauses that the drill made."""
        assert self._own_meter is not None  # noqa: S101 (it was begun)
        if not self._stopped_ns:
            self.stop()
        self._wait()
        started, self._started = self._started, None
        stopping, self._stopping = self._stopping, None
        told = self._answer(stopping, ANSWERS_WITHIN_S) if started and stopping else None
        own, self._own_meter = self._own_meter, None
        found = own.stop()
        if started is None or told is None:
            unseen: Sequence[str] = (f"the stalls of the lab's machines: {self._problem}",)
            stolen_s = None
            self._close()  # the next script has another
            if self._works:  # it was held up itself, or ended: whatever happened, nobody saw
                found.append(Stall(MACHINE, "unwatched", self._began_ns, time.time_ns()))
        else:
            self._works = True
            found += without([Stall(**each) for each in told["stalls"]], pauses)
            if started["began_ns"] - self._began_ns >= NOTED_S * 1e9:
                found.append(Stall(MACHINE, "unwatched", self._began_ns, started["began_ns"]))
            left_out = f"{told['left_out']} shorter stalls" if told["left_out"] else ""
            unseen, stolen_s = tuple(filter(None, (told["unseen"], left_out))), told["stolen_s"]
        meanwhile = [each for each in found if each.ended_ns > self._began_ns and each.began_ns < self._stopped_ns]
        return Stalls(tuple(joined(meanwhile)), stolen_s, unseen, frozenset(in_play))

    def _ask(self, request: Mapping[str, object], to: str) -> Request | None:
        if self._child is None:
            return None
        try:
            return self._child.begin(request, to, ANSWERS_WITHIN_S)
        except LabProblem as problem:
            self._problem = self._problem or str(problem)
            return None

    def _answer(self, asked: Request, within_s: float) -> Message | None:
        """What the meter answered; None where it did not, and `_problem` says why."""
        try:
            return asked.wait(within_s).message
        except LabProblem as problem:
            self._problem = self._problem or str(problem)
            return None
