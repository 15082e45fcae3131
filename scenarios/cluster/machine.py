"""A worker as the head knows it, and a cell that it has."""

from __future__ import annotations

from dataclasses import dataclass, field

from scenarios.cluster.card import Card
from scenarios.spec.cell import Cell


@dataclass(slots=True, eq=False)
class Machine:
    """A worker as the head knows it. `free` counts its labs that have no cell; `out` are the cells that it has."""

    address: str
    card: Card
    free: int = 0
    is_ready: bool = False
    out: set[Out] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.card.machine

    def take(self, cell: Cell) -> Out:
        """Note that one of its free labs has this cell."""
        taken = {each.lab for each in self.out}
        out = Out(cell, self, next(lab for lab in range(1, self.card.labs + 1) if lab not in taken))
        self.out.add(out)
        self.free -= 1
        return out


@dataclass(slots=True, eq=False)
class Out:
    """A cell that a machine has. `is_over`: it was taken home, or given up as lost."""

    cell: Cell
    machine: Machine
    lab: int  # its place among the machine's labs, from 1
    is_over: bool = False
