"""Which runs are ended, how, and when: by the seed."""

from __future__ import annotations

import itertools
import random
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scenarios.lab.places import display_path
from scenarios.lab.valueclass import valueclass
from scenarios.spec.catalogue import DRILLS, chosen_service, drills
from scenarios.spec.cell import Cell, unsupported
from scenarios.spec.drill import Drill
from scenarios.spec.pairs import DEFAULT_PAIRS, Pair
from scenarios.spec.service import services
from scenarios.spec.validate import given_keys

SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)

AIMED_PART: Final = 0.8  # of the blows; the others come at any time from the start on
LONGEST_DELAY_S: Final = 0.4  # after the fault came into force
ANY_TIME: Final = (0.1, 1.5)  # after the run was started, where 1 is the time that the short drill takes here
# For the kinds of faults that no drill of the catalogue has.
BESIDE_THE_CATALOGUE: Final = Path(__file__).resolve().parent / "stormy"


@valueclass
class Target:
    """A drill on a pair, with the faults of one kind by name. `drill` is as `run` takes it: a name, or a file."""

    drill: str
    pair: Pair
    names: frozenset[str]


@valueclass
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
    return drill.drill if drill.path.parent == DRILLS else str(display_path(drill.path))


def all_drills() -> dict[str, Drill]:
    """Return the drills of the catalogue, and those of the kinds of faults that none of it has."""
    known = services()
    return drills(DRILLS, BESIDE_THE_CATALOGUE, known=known)


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
