"""The command `storm`: runs of every kind of fault are ended at random moments, and nothing of them may be left.

Each run is a process of its own, which tells what happens in it (`run --events`). It is ended with SIGKILL, SIGTERM or
SIGINT, most of them a random time after a fault of the wanted kind came into force. Then a short drill must pass on the
same lab with no command in between, and lab and machine must look as before. The seed gives the order of kinds and
signals, the drills and the delays; what the machine makes of the delays is its own.

What is in force is learnt from the run itself, and counted by the times of its events: a kill, a pause or a replaced
program leaves no trace on the firewall, and asking takes as long as many a fault lasts. What is left is never asked of
the run. A fault counts as in force until its undoing is done, so some blows come while it is being undone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import secrets
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from scenarios.evidence import run_folder
from scenarios.faults.recovery import held_without_faults
from scenarios.lab import signals
from scenarios.lab.errors import DeadlinePassed, LabProblem
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.markup import escape
from scenarios.lab.waiting import wait_for
from scenarios.report.console import console, step
from scenarios.run.prepare import prepare
from scenarios.spec.catalogue import chosen_service
from scenarios.spec.cell import Cell
from scenarios.spec.pairs import DEFAULT_PAIRS
from scenarios.spec.service import services
from scenarios.spec.units import so_many
from scenarios.stress import remains
from scenarios.stress.blows import SIGNALS, Blow, Struck, all_drills, blows, targets
from scenarios.stress.ended_run import ENDS_WITHIN_S, SETTLES_WITHIN_S, Run
from scenarios.verdict.check import MARKS, Verdict

STATUS: Final = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGINT: 130}
NEXT: Final = ("reset-by-firewall", "le-le")  # the short drill that must pass afterwards
BEGINS_AFTER_S: Final = 0.5  # sooner it is Python itself that starts
COMES_WITHIN_S: Final = 150.0  # a fault, after the run was started: some controls take a minute
PASSES_WITHIN_S: Final = 180.0  # the short drill; it makes a lab anew where it has to
TRIES: Final = 3  # for a blow: a run may be over before it
LOOKS_EVERY_S: Final = 0.005
GOES_ON_S: Final = 2.0  # after the signal: what begins later shows that it did not end for it
MARK: Final = "FAULTWIRE_STORM"  # in the environment of every run, and so of all that it starts on this machine
LEAST_IN_FORCE: Final = 0.5
A_SHARE_FROM: Final = 20  # blows; of fewer the share in force, and of each signal, is luck


def at(events: Sequence[Mapping[str, Any]], sent_ns: int) -> Mapping[str, Any]:
    """Return the last event before a moment; an empty one where there is none."""
    return next((each for each in reversed(events) if each["at_ns"] <= sent_ns), {})


def went_on(sent: signal.Signals, events: Sequence[Mapping[str, Any]], sent_ns: int) -> list[str]:
    """Return what is wrong with a run that came to its end: it began something well after the signal."""
    later = [each for each in events if each["at_ns"] > sent_ns + GOES_ON_S * 1e9]
    return [f"the run went on after {sent.name}: {later[0]['event']}"] if later else []


def wrong_end(sent: signal.Signals, status: int | None, printed: str, folder: Path | None) -> list[str]:
    """Return what is wrong with how a run ended after a signal. `folder`: its own, if it had one."""
    wrong = []
    if status is None:
        wrong.append(f"the run did not end within {ENDS_WITHIN_S:g} s after {sent.name}")
    elif status != STATUS[sent]:
        wrong.append(f"exit status: expected {STATUS[sent]}, got {status}: {_end_of(printed)}")
    if sent is signal.SIGKILL:
        return wrong
    if "Traceback" in printed or "Exception ignored" in printed:
        wrong.append(f"the run printed a traceback: {printed[printed.find('Traceback') :][:2000].strip()}")
    elif not re.search(r"^interrupted", printed, re.MULTILINE):
        wrong.append(f"expected a line that begins with `interrupted`, got: {_end_of(printed)}")
    if folder and folder.is_dir():
        try:
            json.loads((folder / "summary.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            wrong.append(f"the summary of the run cannot be read: {error}")
    return wrong


def _end_of(printed: str) -> str:
    return " / ".join(printed.strip().splitlines()[-3:]) or "(nothing)"


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
            raise LabProblem(f"the short drill does not pass before the first blow: {'; '.join(wrong)}")
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
            struck.wrong += self._remains(struck.folders)
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
            if status == 0 and any("verdict" in each for each in run.messages):
                struck.wrong += went_on(blow.signal, run.events, sent_ns)
                return bool(struck.wrong)  # else it was over when the signal came
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
            verdicts = [f"{each['verdict']}: {each.get('sentence', '')}" for each in run.messages if "verdict" in each]
            return [f"the short drill did not pass (status {status}): {'; '.join(verdicts) or _end_of(run.printed())}"]

    def _remains(self, folders: Sequence[str]) -> list[str]:
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
        found.append(f"after {bad} of {len(struck)} blows something was wrong or left over")
    if len(struck) < count:
        found.append(f"expected {count} blows, got {len(struck)}")
    in_force = sum(bool(each.in_force) for each in struck)
    if in_force < LEAST_IN_FORCE * len(struck) and len(struck) >= A_SHARE_FROM:
        found.append(f"only {in_force} of {len(struck)} blows came while a fault was in force")
    signals_sent = {each.blow.signal for each in struck}
    if count >= A_SHARE_FROM and (never := [each.name for each in SIGNALS if each not in signals_sent]):
        found.append(f"no blow was a {' or a '.join(never)}")
    met = len({each.blow.kind for each in struck})
    if count >= kinds * len(SIGNALS) and met < kinds:
        found.append(f"only {met} of {kinds} kinds of fault met a blow")
    return found


def run(options: argparse.Namespace) -> int:
    """Strike, and print what came of it. Exit status 1 if something was wrong or left, or fewer blows came than asked.

    A lab that was not up before is taken down at the end; the folders of the runs that went well are removed.
    """
    catalogue, known = all_drills(), services()
    by_kind = targets(catalogue)
    cells = [Cell(drill, chosen_service(drill, None, known), DEFAULT_PAIRS[0]) for drill in catalogue.values()]
    # A shell has what it starts with `&` ignore Ctrl-C, and a run would inherit that from here.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signals.end_in_order()
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
