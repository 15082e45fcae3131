"""The command `storm`: runs of every kind of fault are ended at random moments, and nothing of them may be left.

Each run is a process of its own, which tells what happens in it (`run --events`). It is ended with SIGKILL, SIGTERM or
SIGINT, most of them a random time after a fault of the wanted kind came into force. Then a short drill must pass on the
same lab with no command in between, and lab and machine must look as before. The seed gives the order of kinds and
signals, the drills and the delays; what the machine makes of the delays is its own.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import queue
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

from scenarios.evidence import run_folder
from scenarios.faults.recovery import held_without_faults
from scenarios.lab import signals
from scenarios.lab.errors import DeadlinePassed, LabProblem
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.topology import ROOT
from scenarios.lab.waiting import wait_for
from scenarios.report.console import console, step
from scenarios.run.cell import unsupported
from scenarios.run.prepare import prepare
from scenarios.spec.drill import DEFAULT_PAIRS, DRILLS, Cell, Drill, Pair, chosen_service, drills
from scenarios.spec.service import services
from scenarios.spec.steps import given_keys
from scenarios.spec.units import so_many
from scenarios.stress import remains
from scenarios.verdict.check import MARKS, Verdict

SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
STATUS: Final = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGINT: 130}
NEXT: Final = ("reset-by-firewall", "le-le")  # the short drill that must pass afterwards
AIMED_PART: Final = 0.8  # of the blows; the others come at any time from the start on
LONGEST_DELAY_S: Final = 0.4  # after the fault came into force
ANY_TIME: Final = (0.1, 1.5)  # after the run was started, where 1 is the time that the short drill takes here
BEGINS_AFTER_S: Final = 0.5  # sooner it is Python itself that starts
COMES_WITHIN_S: Final = 150.0  # a fault, after the run was started: some controls take a minute
ENDS_WITHIN_S: Final = 60.0  # after a signal
PASSES_WITHIN_S: Final = 180.0  # the short drill; it makes a lab anew where it has to
SETTLES_WITHIN_S: Final = 10.0  # what has been told to end
TRIES: Final = 3  # for a blow: a run may be over before it
LOOKS_EVERY_S: Final = 0.005
PRINTED_LIMIT: Final = 1 << 20  # characters that are kept of what a run printed
# For the kinds of faults that no drill of the catalogue has.
BESIDE_THE_CATALOGUE: Final = Path(__file__).resolve().parent / "stormy"
MARK: Final = "FAULTWIRE_STORM"  # in the environment of every run, and so of all that it starts on this machine
LEAST_IN_FORCE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Target:
    """A drill on a pair, with the faults of one kind by name. `drill` is as `run` takes it: a name, or a file."""

    drill: str
    pair: Pair
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Blow:
    """How a run is to be ended: `delay` seconds after a fault of this kind came into force.

    Where it is not `aimed`: so long after the run's start, in parts of the time that the short drill takes.
    """

    number: int
    kind: str
    signal: signal.Signals
    target: Target
    seed: int
    aimed: bool
    delay: float

    def __str__(self) -> str:
        return f"{self.kind}: {self.target.drill} · {self.target.pair} · seed {self.seed}, {self.signal.name}"


@dataclass(slots=True)
class Struck:
    """What came of it. `in_force`: the names of the faults that were when the signal was sent; `wrong`: all that is."""

    blow: Blow
    at: str = ""  # the last event before the signal
    in_force: tuple[str, ...] = ()
    wrong: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)

    @property
    def of_its_kind(self) -> bool:
        """Whether a fault of the kind that was wanted was in force."""
        return bool(self.blow.target.names & {*self.in_force})


def kind_of(fault: object) -> str:
    """Return the key by which a drill file says what a fault does: `drop`, `link_down`."""
    return next(key for key in given_keys(fault) if key != "name")


def targets(catalogue: Mapping[str, Drill]) -> dict[str, list[Target]]:
    """Return the drills that have a fault of each kind, on the pairs on which they can be run."""
    known = services()
    found: dict[str, list[Target]] = {}
    for drill in catalogue.values():
        pairs = [
            pair for pair in DEFAULT_PAIRS if not unsupported(Cell(drill, chosen_service(drill, None, known), pair))
        ]
        by_kind: dict[str, set[str]] = {}
        for fault in drill.faults:
            by_kind.setdefault(kind_of(fault), set()).add(fault.name)
        for kind, names in by_kind.items():
            found.setdefault(kind, []).extend(Target(_word(drill), pair, frozenset(names)) for pair in pairs)
    return {kind: found[kind] for kind in sorted(found) if found[kind]}


def _word(drill: Drill) -> str:
    return drill.drill if drill.path.parent == DRILLS else str(drill.path.relative_to(ROOT))


def all_drills() -> dict[str, Drill]:
    """Return the drills of the catalogue, and those of the kinds of faults that none of it has."""
    known = services()
    return {**drills(known=known), **drills(BESIDE_THE_CATALOGUE, known)}


def blows(by_kind: Mapping[str, Sequence[Target]], seed: int, count: int) -> Iterator[Blow]:
    """Yield so many: each kind with each signal in random order, and again; the same for the same seed."""
    dice = random.Random(seed)  # noqa: S311 (that it can be repeated is what it is for)
    number = 0
    while True:
        pairs = [*itertools.product(by_kind, SIGNALS)]
        dice.shuffle(pairs)
        for kind, sent in pairs:
            if number == count:
                return
            number += 1
            aimed = dice.random() < AIMED_PART
            # Mostly short: many a fault is in force for some milliseconds only.
            delay = LONGEST_DELAY_S * dice.random() ** 3 if aimed else dice.uniform(*ANY_TIME)
            target = dice.choice(by_kind[kind])
            yield Blow(number, kind, sent, target, dice.randrange(1, 1 << 31), aimed, delay)


class Run:
    """A run as a process of its own. `told` has the lines of JSON that it printed so far."""

    def __init__(self, lab: int, drill: str, pair: str, seed: int, environment: Mapping[str, str]) -> None:
        words = ["run", drill, "--pair", pair, "--seed", str(seed), "--events", "--lab", str(lab)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scenarios", *words],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            start_new_session=True,  # Ctrl-C comes to us alone; we end it
        )
        self.told: list[dict[str, Any]] = []
        self._printed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._readers = [threading.Thread(target=each, daemon=True) for each in (self._read_lines, self._read_words)]
        for each in self._readers:
            each.start()

    def _read_lines(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 (for mypy: it was opened as a pipe)
        for line in self.process.stdout:
            try:
                self.told.append(json.loads(line))
            except ValueError:  # half a line, of a process that was killed; or no JSON, which is told below
                self._printed.put(line)

    def _read_words(self) -> None:
        assert self.process.stderr is not None  # noqa: S101 (for mypy: it was opened as a pipe)
        kept = 0
        for line in self.process.stderr:
            if kept < PRINTED_LIMIT:
                self._printed.put(line)
                kept += len(line)

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    @property
    def events(self) -> list[dict[str, Any]]:
        return [each for each in self.told if "event" in each]

    @property
    def folder(self) -> str | None:
        """The name of its folder in runs/; None before it has one."""
        return next((str(each["run"]) for each in self.told if "run" in each), None)

    def in_force(self, names: frozenset[str]) -> bool:
        """Whether one of these faults is, by the last event."""
        return bool(self.told and names & {*self.told[-1].get("in_force", ())})

    def wait(self, within_s: float) -> int | None:
        """Wait for its end, and for all that it said; its status, or None when it does not end: it is killed then."""
        try:
            status: int | None = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            status = None
            self.kill()
        for each in self._readers:
            each.join(SETTLES_WITHIN_S)
        return status

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(ENDS_WITHIN_S)

    def end(self) -> None:
        """End it, if it goes on: in order, and if need be not."""
        if not self.over:
            self.process.terminate()
            if self.wait(ENDS_WITHIN_S) is None:
                self.kill()

    def printed(self) -> str:
        """What it said to a person."""
        lines = []
        with contextlib.suppress(queue.Empty):
            while True:
                lines.append(self._printed.get_nowait())
        return "".join(lines)


def at(events: Sequence[Mapping[str, Any]], sent_ns: int) -> Mapping[str, Any]:
    """Return the last event before a moment; an empty one where there is none."""
    return next((each for each in reversed(events) if each["at_ns"] <= sent_ns), {})


def wrong_end(sent: signal.Signals, status: int | None, printed: str, folder: Path | None) -> list[str]:
    """Return what is wrong with how a run ended after a signal. `folder`: its own, if it had one."""
    wrong = []
    if status is None:
        wrong.append(f"it did not end within {ENDS_WITHIN_S:g} s after {sent.name}")
    elif status != STATUS[sent]:
        wrong.append(f"exit status: expected {STATUS[sent]}, got {status}: {_end_of(printed)}")
    if sent is signal.SIGKILL:
        return wrong
    if "Traceback" in printed or "Exception ignored" in printed:
        wrong.append(f"a traceback: {printed[printed.find('Traceback') :][:2000].strip()}")
    elif not re.search(r"^interrupted", printed, re.MULTILINE):
        wrong.append(f"it did not say that it was interrupted: {_end_of(printed)}")
    if folder and folder.is_dir():
        try:
            json.loads((folder / "summary.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            wrong.append(f"its summary cannot be read: {error}")
    return wrong


def _end_of(printed: str) -> str:
    return " / ".join(printed.strip().splitlines()[-3:]) or "(it said nothing)"


class Storm:
    """A lab, and what it looked like before."""

    def __init__(self, lab: Lab, temporary: Path) -> None:
        self.lab, self._temporary = lab, temporary
        self._variable = f"{MARK}={secrets.token_hex(8)}"
        name, _, value = self._variable.partition("=")
        self._environment = {name: value, "TMPDIR": str(temporary)}
        self._before: list[str] = []
        self._short_s = 0.0  # the short drill takes so long on this machine

    def begin(self) -> None:
        """Run the short drill, and look. Raise LabProblem when it does not pass: nothing could be told then."""
        folders: list[str] = []
        began_s = time.monotonic()
        if wrong := self._next(folders):
            raise LabProblem(f"before the first blow: {'; '.join(wrong)}")
        self._short_s = time.monotonic() - began_s
        _remove(folders)
        self._before = remains.of_lab(self.lab)

    @contextlib.contextmanager
    def _running(self, drill: str, pair: str, seed: int) -> Iterator[Run]:
        run = Run(self.lab.number, drill, pair, seed, self._environment)
        try:
            yield run
        finally:
            run.end()

    def strike(self, blow: Blow) -> Struck | None:
        """End a run as it is said, run the short drill, and look. None: the run was over before the blow, each time."""
        for number in range(TRIES):
            delay_s = blow.delay / 10**number
            if not blow.aimed:
                delay_s = max(BEGINS_AFTER_S, blow.delay * self._short_s / 2**number)
            struck = Struck(blow)
            if not self._end(struck, delay_s):
                _remove(struck.folders)
                continue
            struck.wrong += self._next(struck.folders)
            struck.wrong += self._left(struck.folders)
            if not struck.wrong:
                _remove(struck.folders)
            return struck
        return None

    def _end(self, struck: Struck, delay_s: float) -> bool:
        """Start a run and end it; whether it was ended before it was over."""
        blow = struck.blow
        with self._running(blow.target.drill, blow.target.pair, blow.seed) as run:
            with contextlib.suppress(DeadlinePassed):
                if blow.aimed:
                    within_s = COMES_WITHIN_S
                    wait_for(lambda: run.over or run.in_force(blow.target.names), "the fault", within_s, LOOKS_EVERY_S)
                wait_for(lambda: run.over, "its end", delay_s, LOOKS_EVERY_S)
            sent_ns = time.time_ns()
            if run.over:
                struck.folders += [run.folder] if run.folder else []
                return False
            # To the process alone, as systemd, CI and the kernel out of memory do it; what it has started are sessions
            # of their own, so that a terminal's Ctrl-C comes to nobody else either.
            run.process.send_signal(blow.signal)
            status = run.wait(ENDS_WITHIN_S)
            folder = run_folder.RUNS / run.folder if run.folder else None
            struck.folders += [run.folder] if run.folder else []
            printed = run.printed()
            last = at(run.events, sent_ns)
            struck.at, struck.in_force = str(last.get("event", "no event yet")), tuple(last.get("in_force", ()))
            if status == 0 and any("verdict" in each for each in run.told):
                return False  # it was over when the signal came
            struck.wrong += wrong_end(blow.signal, status, printed, folder)
        return True

    def _next(self, folders: list[str]) -> list[str]:
        """Run the short drill; what is wrong with it."""
        drill, pair = NEXT
        with self._running(drill, pair, 1) as run:
            status = run.wait(PASSES_WITHIN_S)
            folders += [run.folder] if run.folder else []
            if status == 0:
                return []
            verdicts = [f"{each['verdict']}: {each.get('sentence', '')}" for each in run.told if "verdict" in each]
            return [f"the next run did not pass (status {status}): {'; '.join(verdicts) or _end_of(run.printed())}"]

    def _left(self, folders: Sequence[str]) -> list[str]:
        """What is left of the runs that are over; what has been told to end has a little time for it."""
        found: list[str] = []
        now: list[str] = []

        def nothing() -> bool:
            found[:] = [f"left: process {each}" for each in remains.processes_with(self._variable)]
            found.extend(remains.of_machine(self.lab.number, folders, self._temporary))
            now[:] = remains.of_lab(self.lab)
            found.extend(remains.differences(self._before, now))
            return not found

        with contextlib.suppress(DeadlinePassed):
            wait_for(nothing, "nothing to be left", SETTLES_WITHIN_S, every_s=0.5)
        self._before = now  # what is left is told of this blow, and not of each that follows
        return found


def _remove(folders: Sequence[str]) -> None:
    for each in folders:
        shutil.rmtree(run_folder.RUNS / each, ignore_errors=True)


def table(struck: Sequence[Struck]) -> Table:
    """Make the table: a line for each kind of fault, how many blows of each signal, in force, with something wrong."""
    made = Table(title="storm", title_justify="left", box=None, pad_edge=False)
    made.add_column("kind of fault")
    for each in SIGNALS:
        made.add_column(each.name, justify="right")
    for column in ("blows", "in force", "of its kind", "wrong or left over"):
        made.add_column(column, justify="right")
    kinds = sorted({each.blow.kind for each in struck})
    for kind in (*kinds, ""):
        of_kind = [each for each in struck if kind in ("", each.blow.kind)]
        by_signal = Counter(each.blow.signal for each in of_kind)
        counts = [by_signal[each] for each in SIGNALS]
        counts += [len(of_kind), sum(bool(each.in_force) for each in of_kind)]
        counts += [sum(each.of_its_kind for each in of_kind), sum(bool(each.wrong) for each in of_kind)]
        made.add_row(kind or "all", *map(str, counts), style="" if kind else "bold")
    return made


def wrongs(struck: Sequence[Struck], count: int, kinds: int) -> list[str]:
    """Return why a storm has not shown what it is for; of nothing, that it has."""
    found = []
    if bad := sum(bool(each.wrong) for each in struck):
        found.append(f"after {bad} of {len(struck)} something was wrong or left over")
    if len(struck) < count:
        found.append(f"{len(struck)} of {count} blows were struck")
    in_force = sum(bool(each.in_force) for each in struck)
    if in_force < LEAST_IN_FORCE * len(struck):
        found.append(f"only {in_force} of {len(struck)} came while a fault was in force")
    met = len({each.blow.kind for each in struck})
    if count >= kinds * len(SIGNALS) and met < kinds:
        found.append(f"only {met} of {kinds} kinds of fault appeared")
    return found


def run(options: argparse.Namespace) -> int:
    """Strike, and print what came of it. Exit status 1 if something was wrong or left, or fewer blows came than asked.

    A lab that was not up before is taken down at the end; the folders of the runs that went well are removed.
    """
    catalogue, known = all_drills(), services()
    by_kind = targets(catalogue)
    cells = [Cell(drill, chosen_service(drill, None, known), DEFAULT_PAIRS[0]) for drill in catalogue.values()]
    lab = Lab(options.lab)
    struck: list[Struck] = []
    missed = 0
    began_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        if not lab.is_up():
            stack.callback(_take_down, lab)
        prepare(options.lab, 1, cells)
        temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="faultwire-storm-"))
        storm = Storm(lab, Path(temporary))
        stack.callback(_leave, lab)
        with under_way("the short drill runs, and the lab is looked at"):
            storm.begin()
        step(f"{so_many(len(by_kind), 'kind')} of fault, {options.count} blows (seed {options.seed})")
        try:
            for blow in blows(by_kind, options.seed, 2 * options.count):
                if len(struck) == options.count or time.monotonic() - began_s > options.within:
                    break
                with under_way(f"{len(struck) + 1} of {options.count}: {blow}"):
                    came = storm.strike(blow)
                if came is None:
                    missed += 1
                    console.print(f"[dim]{blow.number}: {escape(str(blow))}: the run was over before the blow[/]")
                    continue
                struck.append(came)
                _tell(came)
        finally:
            with signals.held_back():
                console.print()
                console.print(table(struck))
    took_s = time.monotonic() - began_s
    found = wrongs(struck, options.count, len(by_kind))
    over_before = f", {so_many(missed, 'run')} over before the blow" if missed else ""
    in_force = sum(bool(each.in_force) for each in struck)
    console.print(
        f"\n{so_many(len(struck), 'blow')} in {took_s:.0f} s (seed {options.seed}), {in_force} while a fault was in "
        f"force{over_before}: {'; '.join(found) or 'nothing was left, and the next run passed each time'}"
    )
    return 1 if found else 0


def _tell(struck: Struck) -> None:
    moment = f"in force: {', '.join(struck.in_force)}" if struck.in_force else f"after: {struck.at}"
    mark = MARKS[Verdict.FAIL] if struck.wrong else MARKS[Verdict.PASS]
    style = "bold red" if struck.wrong else "green"
    console.print(f"[{style}]{mark}[/] {struck.blow.number:3} {escape(str(struck.blow))} [dim]{escape(moment)}[/]")
    for each in struck.wrong:
        console.print(f"      {escape(each)}", soft_wrap=True)
    if struck.wrong and struck.folders:
        console.print(f"      [dim]kept: {escape(', '.join(f'runs/{each}' for each in struck.folders))}[/]")


def _take_down(lab: Lab) -> None:
    with under_way(f"lab {lab.number} goes down"):
        lab.down()


def _leave(lab: Lab) -> None:
    """Undo what the last blow left, if the storm itself was ended before the next run could."""
    with held_without_faults(lab):
        pass
