"""A lab without an engine, in which a test says what becomes of each cell; all that stores and tells is the real thing.

`python -m tests.run.faking RUNS WORD…` is the command line with such a lab, for tests that end a process: each cell
takes CELL_S seconds.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Self
from unittest import mock

from scenarios.cli import workforce
from scenarios.evidence import run_folder
from scenarios.evidence.record import LegCapture, Seen
from scenarios.lab import signals
from scenarios.lab.errors import DeadlinePassed
from scenarios.lab.lab import Lab
from scenarios.lab.waiting import Meanwhile, nothing, wait_for
from scenarios.run import cell, ends, summary, workplace
from scenarios.run.session import Happened, Interrupted
from scenarios.spec.catalogue import DRILLS, chosen_service, load_drill
from scenarios.spec.cell import Cell
from scenarios.spec.drill import Drill
from scenarios.spec.service import ServiceChoice, services
from scenarios.verdict.check import Check, Verdict

CELL_S = 0.2
Perform = Callable[["Stage", Cell, bool], None]  # what happens in a cell beyond what is made up, by armed or not


class FakeLab(Lab):
    """It is up, and no engine knows of it."""

    def is_up(self) -> bool:
        return True

    def up(self, meanwhile: Meanwhile = nothing) -> float:  # noqa: ARG002
        return 0.0

    def down(self) -> None:
        pass

    @contextlib.contextmanager
    def hold_alone(self) -> Iterator[None]:
        yield


@dataclass
class Stage:
    """As scenarios.run.session.Stage, to what a campaign and a cell ask of it."""

    lab: Lab
    interrupted: Callable[[], bool] = lambda: False
    happened: Callable[[Happened], None] = lambda _: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def check_interrupted(self) -> None:
        if self.interrupted():
            raise Interrupted

    def machine(self, _: object) -> str:
        return "a machine"

    def remember_links(self, _: object) -> None:
        """There are none."""

    def forget_links(self, _: object) -> None:
        """There are none."""

    def changed_links(self, _: object) -> list[str]:
        return []


@functools.cache
def _drill() -> tuple[Drill, ServiceChoice]:
    known = services()
    drill = load_drill(DRILLS / "lost-syn.yaml", known)
    return drill, chosen_service(drill, None, known)


def cells(count: int) -> list[Cell]:
    """So many repetitions of one cell."""
    drill, chosen = _drill()
    return [Cell(drill, chosen, "le-le", number, number) for number in range(1, count + 1)]


def evidence(*, armed: bool, capture: bytes = b"a capture") -> Seen:
    """What a script saw, without a packet in it."""
    return Seen(
        armed=armed,
        port=1,
        addresses={},
        client_side=frozenset(),
        calls={},
        caught={},
        looks={},
        logs={"server": ["listening"]},
        captures={leg: LegCapture(leg, capture, 0, 0) for leg in ("client-leg", "server-leg")},
        frames={"client-leg": [], "server-leg": []},
        events=[],
    )


@contextlib.contextmanager
def faked(
    runs_folder: Path, perform: Perform = lambda *_: None, *, capture: bytes = b"a capture", labs: int = 1
) -> Iterator[list[FakeLab]]:
    """Have every campaign run on made-up labs, and store into this folder; what `perform` does not raise is a pass.

    What else is to be made up of these modules is patched within the block, and for no longer.
    """
    on = [FakeLab(number) for number in range(1, labs + 1)]

    def performed(stage: Stage, cell: Cell, *, armed: bool, control: Seen | None = None) -> Seen:  # noqa: ARG001
        perform(stage, cell, armed)
        return evidence(armed=armed, capture=capture)

    made_up: Sequence[tuple[ModuleType, str, object]] = (
        (run_folder, "RUNS", runs_folder),
        (cell, "versions", lambda: {"python": "3"}),
        (summary, "versions", lambda: {"python": "3"}),
        (workplace, "Stage", Stage),
        (cell, "perform", performed),
        (cell, "perform_beside", lambda *_: "it was not asked"),
        (ends, "check_architecture", lambda *_: Check("the machine", "it", "it", Verdict.PASS)),
        (cell, "judged", lambda *_: ([], [Check("the rule", "1", "1", Verdict.PASS)])),
        (cell, "combine", lambda checks: Verdict.UNPROVEN if _is_broken(checks) else Verdict.PASS),
        (workforce, "prepare", lambda *_: on),
    )
    with contextlib.ExitStack() as stack:
        for where, name, what in made_up:
            stack.enter_context(mock.patch.object(where, name, what))
        yield on
        # Another patch that ends after this one would put back what is made up here, for every test that follows.
        assert [name for where, name, what in made_up if getattr(where, name) is not what] == []


def _is_broken(checks: object) -> bool:
    return any(each.holds is not Verdict.PASS for each in checks)  # type: ignore[attr-defined]


def taking(seconds: float) -> Perform:
    """Each script takes so long, and can be interrupted."""

    def perform(stage: Stage, _: Cell, __: bool) -> None:
        with contextlib.suppress(DeadlinePassed):
            wait_for(stage.interrupted, "an interrupt", seconds, every_s=0.005)
        stage.check_interrupted()

    return perform


def at_the_second(do: Perform) -> Perform:
    """Nothing is done but in the second cell that is begun."""
    begun: set[str] = set()

    def perform(stage: Stage, cell: Cell, armed: bool) -> None:
        begun.add(cell.title)
        if len(begun) == 2:
            do(stage, cell, armed)

    return perform


if __name__ == "__main__":
    from scenarios.cli.main import main

    os.environ.pop("GITHUB_STEP_SUMMARY", None)
    signals.end_in_order()
    with faked(Path(sys.argv[1]), taking(CELL_S)):
        sys.exit(main(sys.argv[2:]))
