"""Whatever stands still, stops or dies in a lab, and whenever: the run ends by itself, and says so.

A table: each machine of a lab is paused, stopped and killed at each phase of a drill. The verdict is then neither a
pass nor a fail, for the drill did not do it; the same lab runs the same drill afterwards, and nothing is left. The few
cells that concern every part of the lab are always run; the whole table is behind the marker `long`.
"""

from __future__ import annotations

import itertools
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pytest

from scenarios.evidence.capture import Capture
from scenarios.lab import engine
from scenarios.lab.guest import GUEST_LABEL
from scenarios.lab.lab import Lab
from scenarios.lab.sweep import MARK
from scenarios.lab.waiting import wait_for
from scenarios.run.campaign import Campaign
from scenarios.run.performance import Performance
from scenarios.run.settling import Settling
from scenarios.spec.catalogue import chosen_service, load_drill
from scenarios.spec.cell import Cell
from scenarios.spec.service import services
from scenarios.verdict.check import Verdict
from tests.conftest import free_numbers

Deed = Literal["pause", "stop", "kill"]
Phase = Literal["before the script", "in the control", "under the fault", "as the captures end"]
DEEDS: Final[tuple[Deed, ...]] = ("pause", "stop", "kill")
PHASES: Final[tuple[Phase, ...]] = ("before the script", "in the control", "under the fault", "as the captures end")
MACHINES: Final = ("client", "server", "firewall", "names", "web", "cables", "meter")
LABS: Final = 3  # side by side: what is run here mostly waits
WITHIN_S: Final = 480  # of one cell of the table and of its repetition, on a busy machine

MARKED: Final = f"""
for process in /proc/[0-9]*; do
    tr '\\0' '\\n' <$process/environ 2>/dev/null | grep -q '^{MARK}=' && cat $process/comm
done
true
"""

# A fault of the kernel's and one of the injector's are in force, and a call runs, while the script waits.
DRILL: Final = """\
drill: held
claim: A reply that is late arrives.
why: TCP waits (RFC 9293).
source: [RFC 9293]
tags: [delay]
service: echo/selectors
script:
  - given: {name: elsewhere, silence: {from: client, to: other-server}}
  - fault: {name: late, delay: {by: 0.5s, of: data, from: server, to: client, first: 1}}
  - start: {name: hello, within: 3s}
  - wait: 0.2s
  - await: hello
expect:
  - hits: {fault: late, exactly: 1}
  - outcome: {call: hello, is: answered}
  - packets: {at: client-leg, where: "tcp.len > 0", from: server, at_least: 1}
control:
  - outcome: {call: hello, is: answered}
"""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What becomes of one machine, and when."""

    deed: Deed
    machine: str
    phase: Phase

    def __str__(self) -> str:
        return f"{self.deed} {self.machine} {self.phase}"


ALWAYS: Final = [
    Disturbance("pause", "firewall", "as the captures end"),  # which were once waited for without a deadline
    Disturbance("pause", "server", "under the fault"),
    Disturbance("kill", "client", "in the control"),
]
ALL: Final = [Disturbance(deed, machine, phase) for machine, deed, phase in itertools.product(MACHINES, DEEDS, PHASES)]


class Disturber:
    """Does to the machines of labs what is planned for them, once, when the drill comes to that phase."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plans: dict[int, Disturbance] = {}
        play, stop = Performance.do, Capture.stop
        settle = Settling.set_earlier_aside

        def before(settling: Settling) -> None:
            self.reaches(settling.run.stage.lab, "before the script")
            settle(settling)

        def do(performance: Performance, step: object) -> None:
            if getattr(step, "wait", None) is not None:
                self.reaches(performance.stage.lab, "under the fault" if performance.run.armed else "in the control")
            play(performance, step)  # type: ignore[arg-type] # it is a step

        def end(capture: Capture) -> object:
            self.reaches(capture._program._lab, "as the captures end")
            return stop(capture)

        monkeypatch.setattr(Settling, "set_earlier_aside", before)
        monkeypatch.setattr(Performance, "do", do)
        monkeypatch.setattr(Capture, "stop", end)

    def reaches(self, lab: Lab, phase: Phase) -> None:
        plan = self.plans.get(lab.number)
        if plan and plan.phase == phase:
            del self.plans[lab.number]
            extra = ["--time", "1"] if plan.deed == "stop" else []
            command = ["docker", plan.deed, *extra, lab.container(plan.machine)]

            def done() -> bool:  # the freezer of a busy machine gives up: "unable to freeze"
                return subprocess.run(command, check=False, capture_output=True).returncode == 0

            wait_for(done, f"`{' '.join(command)}`", 30)


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one cell of the table. `problem` is empty when all is as it must be."""

    verdicts: Sequence[Verdict]
    sentence: str
    took_s: float
    problem: str
    goes_on: bool  # though its time is over


class Table:
    """Runs disturbances on labs of its own, several at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._disturber, self._folder = Disturber(monkeypatch), folder
        file = folder / "held.yaml"
        file.write_text(DRILL)
        known = services()
        drill = load_drill(file, known)
        self._cell = Cell(drill, chosen_service(drill, None, known), "le-le")
        self._labs: queue.SimpleQueue[Lab] = queue.SimpleQueue()
        self.labs = [Lab(number) for number in free_numbers(LABS)]
        for lab in self.labs:
            self._labs.put(lab)

    def run(self, disturbances: Sequence[Disturbance]) -> list[str]:
        """What is not as it must be, of each that is not; a line of each is printed as it comes."""
        with ThreadPoolExecutor(LABS) as pool:
            return [problem for problem in pool.map(self._one, disturbances) if problem]

    def _one(self, disturbance: Disturbance) -> str:
        lab = self._labs.get(timeout=LABS * WITHIN_S)
        came = self._on(lab, disturbance)
        if not came.goes_on:
            self._labs.put(lab)
        verdicts = ", ".join(verdict.value for verdict in came.verdicts)
        print(
            f"{disturbance!s:45} {came.took_s:5.1f} s  {verdicts:18} {came.problem or came.sentence}"[:200], flush=True
        )
        return f"{disturbance}: {came.problem} ({verdicts}: {came.sentence})" if came.problem else ""

    def _on(self, lab: Lab, disturbance: Disturbance) -> Came:
        self._disturber.plans[lab.number] = disturbance
        folder = self._folder / str(disturbance).replace(" ", "-")
        folder.mkdir()
        said: list[str] = []
        campaign = Campaign(folder, [lab], lambda _: None, said.append)
        runs = threading.Thread(target=self._campaign, args=(campaign, said), daemon=True)
        began_s = time.monotonic()
        runs.start()
        runs.join(WITHIN_S)
        took_s = time.monotonic() - began_s
        verdicts = [result.verdict for result in campaign.results]
        sentence = campaign.results[0].sentence if campaign.results else " | ".join(said)
        problem = ""
        if runs.is_alive():
            problem = f"it had not ended after {WITHIN_S} s"
        elif disturbance is self._disturber.plans.get(lab.number):
            problem = "the drill did not come to that phase"
        elif verdicts != [Verdict.UNPROVEN, Verdict.PASS]:
            problem = f"expected unproven, and then a pass; {' | '.join(said)}"
        elif left := self._remains(lab):
            problem = f"left: {left}"
        return Came(verdicts, sentence.splitlines()[0], took_s, problem, runs.is_alive())

    def _campaign(self, campaign: Campaign, said: list[str]) -> None:
        try:
            campaign.run([self._cell, Cell(self._cell.drill, self._cell.chosen, "le-le", repeat=2)])
        except Exception as error:  # it is told beside the verdicts
            said.append(repr(error))

    def _remains(self, lab: Lab) -> list[str]:
        guests = [str(each.name) for each in engine.containers(GUEST_LABEL, f"{engine.LAB_LABEL}={lab.number}")]
        rules = lab.run("firewall", ["nft", "list", "ruleset"], timeout_s=10, mark=False).stdout
        running = [
            f"{machine} {line}"
            for machine in ("client", "server", "firewall")
            for line in lab.run(machine, ["sh", "-c", MARKED], timeout_s=10, mark=False).stdout.splitlines()
        ]
        return [*guests, *(["a rule"] if "drop" in rules else []), *running]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Table]:
    made = Table(monkeypatch, tmp_path)
    yield made
    with ThreadPoolExecutor() as pool:
        list(pool.map(Lab.down, made.labs))


def test_a_part_of_the_lab_that_stands_still_or_dies_ends_the_drill_unproven_and_the_lab_goes_on(table: Table) -> None:
    assert table.run(ALWAYS) == []


@pytest.mark.long
def test_every_machine_may_stand_still_stop_and_die_at_every_phase(table: Table) -> None:
    assert table.run(ALL) == []
