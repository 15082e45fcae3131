"""A cell: a drill with a service, in a pair, with a seed; and why it cannot be tried, where it cannot."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.spec.drill import Drill
from scenarios.spec.pairs import Pair
from scenarios.spec.service import Named


@dataclass(frozen=True, slots=True)
class Cell:
    """One drill with one service on one pair of machines."""

    drill: Drill
    chosen: Named
    pair: Pair
    seed: int = 1
    repeat: int = 1

    @property
    def title(self) -> str:
        again = f" · {self.repeat}" if self.repeat > 1 else ""
        return f"{self.drill.drill} · {self.chosen.name} · {self.pair}{again}"

    @property
    def command(self) -> str:
        """What repeats it."""
        words = f"--service {self.chosen.name} --pair {self.pair} --seed {self.seed}"
        return f"python -m scenarios run {self.drill.drill} {words}"


def unsupported(cell: Cell) -> str:
    """Why a cell cannot be run anywhere; empty when it can."""
    chosen, service = cell.chosen, cell.chosen.service
    if reason := cell.drill.unsupported_on.get(cell.pair):
        return reason
    if chosen.server.runs_on and not cell.pair.endswith("-le"):
        return f"{chosen.name} runs on {chosen.server.runs_on}, which is little-endian"
    if service.image and not cell.pair.endswith("-le"):
        return f"the server of {service.service} is a program of its own image, which is little-endian"
    if chosen.image and not cell.pair.startswith("le-"):
        return f"the client of {service.service} is a program of its own image, which is little-endian"
    if cell.drill.family not in service.families:
        return f"{service.service} does not speak {cell.drill.family}"
    return ""
