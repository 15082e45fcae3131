"""Metering the stalls of a lab, and of this program, while a script runs. The lab's meter is images/meter/meter.

Whatever keeps it from metering is told in the stalls that it gives, as what was not seen; it never ends a script. Where
it had worked before, the time that it did not see counts as a stall.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from docker.errors import APIError

from scenarios import engine
from scenarios.json_lines import LATE_WITHIN_S
from scenarios.lab import GUEST_LABEL, Lab
from scenarios.programs import LabProblem
from scenarios.stalls import MACHINE, RUNNER, Pause, Stall, Stalls, joined, without

METER: Final = "meter"  # the machine of the lab that it runs on
PROGRAM: Final = "/usr/local/lib/faultwire/meter"
ANSWERS_WITHIN_S: Final = 10.0
TICK_S: Final = 0.02
NOTED_S: Final = 0.02
MOST_STALLS: Final = 1000  # of this program
# What keeps the lab's machines from being asked for; OSError is of requests too.
NOT_ASKED: Final = (LabProblem, engine.CommandFailed, engine.NoEngine, APIError, OSError)


class OwnMeter:
    """The stalls of this program: a thread that sleeps, and notes how much later than it wanted it woke."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._found: list[Stall] = []
        self._thread = threading.Thread(target=self._run, daemon=True, name="stalls of the runner")
        self._thread.start()

    def _run(self) -> None:
        before_ns = time.time_ns()
        while not self._over.wait(TICK_S):
            now_ns = time.time_ns()
            if now_ns - before_ns >= (TICK_S + NOTED_S) * 1e9 and len(self._found) < MOST_STALLS:
                self._found.append(Stall(RUNNER, "still", before_ns, now_ns))
            before_ns = now_ns

    def stop(self) -> list[Stall]:
        """End the thread; what it noted."""
        self._over.set()
        self._thread.join()
        return self._found


@dataclass(slots=True)
class _Answers:
    """What the meter of the lab says, line by line, read by a thread; None is its end."""

    process: subprocess.Popen[bytes]
    lines: queue.SimpleQueue[bytes | None] = field(default_factory=queue.SimpleQueue)
    said: bytes = b""  # on standard error

    def read(self) -> None:
        assert self.process.stdout is not None and self.process.stderr is not None  # noqa: S101, PT018 (for mypy)
        for line in self.process.stdout:
            self.lines.put(line)
        self.said = self.process.stderr.read(10_000)
        self.lines.put(None)


class Metering:
    """The meter of a lab, for the time of the `with` block: it runs all the time, and meters between begin and end."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._machines: Mapping[str, str] = {}  # by the ids of their containers
        self._answers: _Answers | None = None
        self._problem = ""
        self._works = False  # whether the meter has ever answered: where it cannot run, there is none to miss
        self._own: OwnMeter | None = None
        self._began_ns = 0
        self._is_stopped = False

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_up()
        self._close()

    def _start(self) -> None:
        try:
            self._machines = self._of_lab()
            process = self._lab.open(METER, [PROGRAM])
        except NOT_ASKED as problem:
            self._problem = str(problem)
            return
        self._answers = _Answers(process)
        threading.Thread(target=self._answers.read, daemon=True, name="meter").start()

    def _of_lab(self, *labels: str) -> Mapping[str, str]:
        """The containers of the lab, each with the machine that it is, or whose network it is in; in one question."""
        asked = {"label": [f"{engine.LAB_LABEL}={self._lab.number}", *labels]}
        found = {}
        with engine.asked("list the lab's machines"):
            containers = engine.client().api.containers(filters=asked)
        for container in containers:
            of_it = container["Labels"]
            found[container["Id"]] = of_it.get(GUEST_LABEL) or of_it.get("com.docker.compose.service", "")
        return found

    def _guests(self, are_there: bool) -> Mapping[str, str]:
        try:
            return self._of_lab(GUEST_LABEL) if are_there else {}
        except NOT_ASKED:  # their stalls are not seen then; what they do is seen all the same
            return {}

    def _close(self, within_s: float = ANSWERS_WITHIN_S) -> None:
        answers, self._answers = self._answers, None
        if answers is None:
            return
        assert answers.process.stdin is not None  # noqa: S101 (for mypy: it was opened as a pipe)
        with contextlib.suppress(OSError):
            answers.process.stdin.close()  # which ends it
        try:
            answers.process.wait(within_s)
        except subprocess.TimeoutExpired:
            answers.process.kill()
            answers.process.wait()

    # Between two moments

    def begin(self, *, with_guests: bool = False) -> None:
        """Note stalls from now on. `with_guests`: programs of other images may run."""
        self.give_up()
        self._problem = ""
        self._lab.guests.clear()  # those of earlier scripts have ended
        if self._answers is None:
            self._start()
        guests = self._guests(with_guests)
        self._own, self._began_ns = OwnMeter(), time.time_ns()
        self._say({"start": {**self._machines, **guests}})

    def give_up(self) -> None:
        """Forget what was begun, if it was not ended."""
        if self._own is not None:
            self.end()

    def stop(self, *, with_guests: bool = False) -> None:
        """Note no more stalls; `end` gives them. Between the two there is time for something else."""
        self._say({"stop": {**self._lab.guests, **self._guests(with_guests)}})
        self._is_stopped = True

    def end(self, pauses: Sequence[Pause] = (), in_play: Collection[str] = ()) -> Stalls:
        """The stalls from `begin` to `stop`, or until now; without the pauses that the drill made."""
        assert self._own is not None  # noqa: S101 (it was begun)
        if not self._is_stopped:
            self.stop()
        own, self._own, self._is_stopped = self._own, None, False
        started = self._answer()
        told = self._answer() if started else None
        found = own.stop()
        if started is None or told is None:
            unseen = f"the stalls of the lab's machines: {self._problem}"
            self._close(LATE_WITHIN_S)  # the next script has another
            if self._works:  # it was held up itself, or ended: whatever happened, nobody saw
                found.append(Stall(MACHINE, "unwatched", self._began_ns, time.time_ns()))
            return Stalls(tuple(joined(found)), None, (unseen,), frozenset(in_play))
        self._works = True
        if started["began_ns"] - self._began_ns >= NOTED_S * 1e9:
            found.append(Stall(MACHINE, "still", self._began_ns, started["began_ns"]))
        found += [Stall(**each) for each in told["stalls"]]
        unseen_too = [told["unseen"], f"{told['left_out']} shorter stalls" if told["left_out"] else ""]
        made = tuple(joined(without(found, pauses)))
        return Stalls(made, told["stolen_s"], tuple(filter(None, unseen_too)), frozenset(in_play))

    def _say(self, what: Mapping[str, object]) -> None:
        if self._answers is None:
            return
        assert self._answers.process.stdin is not None  # noqa: S101 (for mypy: it was opened as a pipe)
        with contextlib.suppress(OSError, ValueError):  # it ended: _answer says why
            self._answers.process.stdin.write(json.dumps(what).encode("ascii") + b"\n")
            self._answers.process.stdin.flush()

    def _answer(self) -> dict[str, Any] | None:
        if self._answers is None:
            return None
        try:
            line = self._answers.lines.get(timeout=ANSWERS_WITHIN_S)
        except queue.Empty:
            self._problem = f"the meter did not answer within {ANSWERS_WITHIN_S:g} s"
            return None
        try:
            found: dict[str, Any] = json.loads(line or b"")
        except ValueError:
            said = ((line or b"") + self._answers.said).decode("utf-8", "replace").strip()
            self._problem = f"the meter ended: {said or 'it said nothing'}"
            return None
        return found
