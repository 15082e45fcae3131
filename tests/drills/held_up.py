"""Drills on a machine that does not keep up: `python -m tests.drills.held_up --lab 20 --for 600 [WORD…]`, beside a run.
Or with the run: `python -m tests.drills.held_up --lab 20 --labs 3 --cells 2000`, which ends with a table.

Again and again a random process of a lab is stopped for a moment (SIGSTOP, then SIGCONT). With WORDs, only one whose
command line has one of them: injector, services., forkserver. A drill whose margins are thin fails then, though its
claim holds. It needs to be root on the machine of the engine, to see the processes of containers.

With --cells their drills are run quietly first, each once, for what the controls show: an expectation that fails there,
where the fault is not, must not pass on the control of a lab that is held up. So a fail is a wrong verdict, and so is
such a pass. Evidence is kept of these alone. Ctrl-C, or SIGTERM, ends it with the table of what had been run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from scenarios.cli.arguments import between
from scenarios.evidence import run_folder
from scenarios.evidence.stalls import Stalls
from scenarios.lab import engine
from scenarios.lab.errors import LabProblem, NoEngine
from scenarios.lab.lab import Lab
from scenarios.lab.topology import LAB_NUMBERS, ROOT
from scenarios.run.campaign import Campaign
from scenarios.run.prepare import bring_up
from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.cell import Cell
from scenarios.spec.pairs import DEFAULT_PAIRS, Pair
from scenarios.spec.service import services
from scenarios.verdict.check import Verdict
from scenarios.verdict.judge import judged_alone
from scenarios.verdict.result import Result

MOMENTS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.6)
BETWEEN_S = (0.02, 0.2)
BATCH = 20  # cells, for each lab
HOLDER_ENDS_WITHIN_S = 30
STOPPED, DEAD = "T", "Z"  # proc(5), /proc/pid/stat: a drill's own pause is left alone


def processes(lab: int, words: Sequence[str]) -> Iterator[int]:
    """The process IDs of the lab's programs that have one of the words, or of all."""
    containers = [str(container.id) for container in engine.containers(f"{engine.LAB_LABEL}={lab}")]
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            groups = (folder / "cgroup").read_text("ascii")
            state = (folder / "stat").read_text("utf-8").rpartition(")")[2].split()[0]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if (
                state not in (STOPPED, DEAD)
                and any(container in groups for container in containers)
                and any(word in command for word in words or ("",))
            ):
                yield int(folder.name)


def hold_up(lab: int, words: Sequence[str], for_s: float) -> int:
    """Stop one after another for a moment; how many were, by the end or by Ctrl-C.

    Raises PermissionError for the processes of another user.
    """
    end_s, held_up = time.monotonic() + for_s, 0
    draw = random.Random()  # noqa: S311 (no secret)
    with contextlib.suppress(KeyboardInterrupt):
        while time.monotonic() < end_s:
            if found := [*processes(lab, words)]:
                process = draw.choice(found)
                with contextlib.suppress(ProcessLookupError):  # it has ended
                    os.kill(process, signal.SIGSTOP)
                    try:
                        time.sleep(draw.choice(MOMENTS_S))
                        held_up += 1
                    finally:
                        os.kill(process, signal.SIGCONT)
            time.sleep(draw.uniform(*BETWEEN_S))
    return held_up


@dataclass
class Tally:
    """What became of the cells, and what was wrong."""

    fails_quietly: set[tuple[str, int]] = field(default_factory=set)  # expectations, on a control: drill and number
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    by_a_stall: int = 0  # of those that are unproven
    other_reasons: Counter[str] = field(default_factory=Counter)
    not_made: int = 0  # passes of such an expectation that the stalls of its run forbade
    wrong: list[str] = field(default_factory=list)

    def _of_control(self, result: Result, *, held_up: bool) -> Iterator[tuple[tuple[str, int], Verdict, bool]]:
        drill, control = result.cell.drill, result.seen.get("control")
        if result.broke_off:  # what a script that did not finish left is judged by nobody
            return
        for number, expectation in enumerate(drill.expect):
            if control is not None and not expectation.hits:
                check = judged_alone(expectation, control if held_up else replace(control, stalls=Stalls()), drill)
                yield (drill.drill, number), check.holds, bool(check.stalled)

    def quiet(self, result: Result) -> None:
        self.fails_quietly |= {
            key for key, holds, _ in self._of_control(result, held_up=False) if holds is Verdict.FAIL
        }
        _throw_away(result)

    def held_up(self, result: Result) -> None:
        self.verdicts[result.verdict] += 1
        checks = [each for each in (*result.control, *result.checks) if each.holds is Verdict.UNPROVEN]
        if result.verdict is Verdict.UNPROVEN:
            stalled = any(each.stalled for each in checks)
            self.by_a_stall += stalled
            if not stalled:
                self.other_reasons[result.sentence.splitlines()[0][:100]] += 1
        wrong = [f"fail: {result.sentence}"] if result.verdict is Verdict.FAIL else []
        for key, holds, stalled in self._of_control(result, held_up=True):
            if key in self.fails_quietly:
                self.not_made += holds is Verdict.UNPROVEN and stalled
                if holds is Verdict.PASS:
                    wrong.append(f"false pass: expectation {key[1] + 1} of {key[0]} on the control")
        for each in wrong:
            self.wrong.append(f"{result.cell.title}: {each}\n    {result.folder}")
            print(self.wrong[-1], flush=True)
        if not wrong:
            _throw_away(result)
        if self.verdicts.total() % 20 == 0:
            told = ", ".join(f"{count} {each.value}" for each, count in self.verdicts.items())
            print(f"{self.verdicts.total()} run: {told}; {len(self.wrong)} wrong", flush=True)

    def table(self, held_up: int, not_run: int) -> str:
        unproven = self.verdicts[Verdict.UNPROVEN]
        rows = [
            ("cells", self.verdicts.total()),
            ("cells not run (no lab, or interrupted)", not_run),
            ("moments held up", held_up),
            *((each.value, self.verdicts[each]) for each in Verdict),
            ("unproven, and a stall is named", self.by_a_stall),
            ("unproven for other reasons", unproven - self.by_a_stall),
            ("expectations that cannot hold on a control", len(self.fails_quietly)),
            ("of these, doubted because of a stall", self.not_made),
            ("wrong words (fail, or a false pass)", len(self.wrong)),
        ]
        lines = [f"{what:<46}{count:>8}" for what, count in rows]
        return "\n".join([*lines, *(f"  {count} x {why}" for why, count in self.other_reasons.most_common(8))])


def _throw_away(result: Result) -> None:
    shutil.rmtree(result.folder, ignore_errors=True)


def random_cells(names: Sequence[str], pairs: Sequence[Pair], count: int, seed: int) -> list[Cell]:
    """So many cells in random order; each of the catalogue comes once before any comes again."""
    known, dice = services(), random.Random(seed)  # noqa: S311 (no secret)
    chosen = [each for each in drills().values() if not names or each.drill in names]
    every = [Cell(drill, chosen_service(drill, None, known), pair) for drill in chosen for pair in pairs]
    found: list[Cell] = []
    while every and len(found) < count:
        dice.shuffle(every)
        number = len(found) // len(every) + 1
        found += [Cell(each.drill, each.chosen, each.pair, dice.randrange(1, 1 << 31), number) for each in every]
    return found[:count]


def run_held_up(labs: Sequence[Lab], cells: Sequence[Cell], words: Sequence[str]) -> int:
    """Run cells in labs whose processes are held up, and print the table, also at an interrupt; the exit status."""
    tally, held_up = Tally(), 0
    try:
        for lab in labs:
            bring_up(lab)
        quietly = {each.drill.drill: replace(each, repeat=1) for each in cells}
        print(f"{len(quietly)} drills are run quietly", flush=True)
        Campaign(run_folder.new_run(), labs, tally.quiet, print, keep=True, tries=1).run([*quietly.values()])
        print(f"now {len(cells)} cells of labs that are held up", flush=True)
        with contextlib.ExitStack() as stack:
            holders = [stack.enter_context(holding_up(lab.number, words)) for lab in labs]
            try:
                _run_in_batches(labs, cells, tally)
            finally:
                for holder in holders:
                    holder.send_signal(signal.SIGINT)
                printed = [holder.communicate(timeout=HOLDER_ENDS_WITHIN_S)[0] for holder in holders]
                held_up = sum(int(each.split()[0]) for each in printed if each)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(tally.table(held_up, len(cells) - tally.verdicts.total()))
    return 1 if tally.wrong else 0


def _run_in_batches(labs: Sequence[Lab], cells: Sequence[Cell], tally: Tally) -> None:
    """Each batch has a campaign of its own, for the next cells to try anew where a lab that is held up did not open."""
    folder, size = run_folder.new_run(), BATCH * len(labs)
    for begin in range(0, len(cells), size):
        try:
            Campaign(folder, labs, tally.held_up, print, keep=True, tries=1).run(cells[begin : begin + size])
        except LabProblem as problem:
            tally.other_reasons[f"no lab: {problem}"[:100]] += 1


@contextlib.contextmanager
def holding_up(lab: int, words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Another process of this program holds the lab up, until it is sent SIGINT; it prints how many moments then."""
    argv = [sys.executable, "-m", "tests.drills.held_up", "--lab", str(lab), "--for", "86400", *words]
    # A Ctrl-C is for this program: the other one is told when the cells have ended, or it could leave one stopped.
    holder = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield holder
    finally:
        holder.kill()
        holder.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.drills.held_up", description=__doc__)
    parser.add_argument(
        "--lab", type=between(LAB_NUMBERS[0], LAB_NUMBERS[-1]), required=True, metavar="LAB", help="the lab's number"
    )
    parser.add_argument(
        "--labs", type=between(1, 16), default=1, metavar="N", help="with --cells: so many side by side, from LAB on"
    )
    how_long = parser.add_mutually_exclusive_group(required=True)
    how_long.add_argument("--for", type=between(1, 86400), dest="for_s", metavar="SECONDS")
    how_long.add_argument("--cells", type=between(1, 100_000), metavar="N", help="run so many, and print a table")
    parser.add_argument("--drill", action="append", default=[], help="with --cells: these alone")
    parser.add_argument(
        "--pair", action="append", default=[], choices=DEFAULT_PAIRS, help="with --cells: of these alone"
    )
    parser.add_argument("--seed", type=between(0, 2**31 - 1), default=1, help="with --cells: of their order")
    parser.add_argument("words", nargs="*", metavar="WORD")
    asked = parser.parse_args()
    for each in (signal.SIGINT, signal.SIGTERM):  # a shell starts what is in the background without the first
        signal.signal(each, signal.default_int_handler)
    if asked.cells:
        cells = random_cells(asked.drill, asked.pair or DEFAULT_PAIRS, asked.cells, asked.seed)
        labs = [Lab(number) for number in range(asked.lab, asked.lab + asked.labs)]
        sys.exit(run_held_up(labs, cells, asked.words))
    try:
        held_up = hold_up(asked.lab, asked.words, asked.for_s)
    except (PermissionError, NoEngine) as error:
        sys.exit(f"held_up: {error}")
    if not held_up:
        sys.exit(f"held_up: lab {asked.lab} had no such process in {asked.for_s} s")
    print(f"{held_up} moments")


if __name__ == "__main__":
    main()
