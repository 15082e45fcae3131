"""A cell: a drill with a service, in a pair, with a seed; and why it cannot be tried, where it cannot."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.lab.places import PROGRAM
from scenarios.spec.drill import Drill
from scenarios.spec.pairs import DEFAULT_PAIRS, Pair
from scenarios.spec.service import ServiceChoice


def cell_title(drill: str, service: str, pair: str, repeat: int = 1) -> str:
    """`lost-syn · echo/select · be-le`: what a cell is called, on every machine."""
    again = f" · {repeat}" if repeat > 1 else ""
    return f"{drill} · {service} · {pair}{again}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One drill with one service on one pair of machines."""

    drill: Drill
    chosen: ServiceChoice
    pair: Pair
    seed: int = 1
    repeat: int = 1

    @property
    def title(self) -> str:
        return cell_title(self.drill.drill, self.chosen.label, self.pair, self.repeat)

    @property
    def command(self) -> str:
        """What repeats it."""
        words = f"--service {self.chosen.label} --pair {self.pair} --seed {self.seed}"
        return f"{PROGRAM} run {self.drill.drill} {words}"


def without_machine(chosen: ServiceChoice, pair: Pair) -> str:
    """Why the programs of a service do not run on the machines of a pair; empty when they do."""
    service = chosen.service.service
    if chosen.server.runs_on and not pair.endswith("-le"):
        return f"{chosen.name} runs on {chosen.server.runs_on}, which is little-endian"
    if chosen.server_image and not pair.endswith("-le"):
        return f"the server of {service} is a program of its own image, which is little-endian"
    if chosen.image and not pair.startswith("le-"):
        return f"the client of {service} is a program of its own image, which is little-endian"
    return ""


def default_pairs(chosen: ServiceChoice) -> tuple[Pair, ...]:
    """The pairs that a service is run in where none is asked for: the usual ones, of those that its programs run on."""
    return tuple(pair for pair in DEFAULT_PAIRS if not without_machine(chosen, pair)) or ("le-le",)


def unsupported(cell: Cell) -> str:
    """Why a cell cannot be run anywhere; empty when it can."""
    service = cell.chosen.service
    if reason := cell.drill.unsupported_on.get(cell.pair) or without_machine(cell.chosen, cell.pair):
        return reason
    if cell.drill.family not in service.families:
        return f"{service.service} does not speak {cell.drill.family}"
    return ""
