"""A cell: a drill with a service, in a pair, with a seed; and why it cannot be tried, where it cannot."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from scenarios.lab.places import PROGRAM
from scenarios.lab.valueclass import valueclass
from scenarios.spec.comparison import with_another_end
from scenarios.spec.composition import machine_name
from scenarios.spec.drill import Drill
from scenarios.spec.pairs import Pair, ends
from scenarios.spec.program_ends import Side, asked_pairs, default_pairs, host_pair, own_pairs, without_machine
from scenarios.spec.service import ServiceChoice
from scenarios.spec.units import Seconds


def cell_title(drill: str, service: str, pair: str, repeat: int = 1) -> str:
    """`lost-syn · echo/select · be-le`: what a cell is called, on every machine."""
    again = f" · {repeat}" if repeat > 1 else ""
    return f"{drill} · {service} · {pair}{again}"


@valueclass
class Cell:
    """One drill with one service on one pair of machines."""

    drill: Drill
    chosen: ServiceChoice
    pair: Pair
    seed: int = 1
    repeat: int = 1
    patience: Seconds = Seconds(0)  # what the calls of its drill were given at least; 0: what its file says

    @property
    def title(self) -> str:
        return cell_title(self.drill.drill, self.chosen.label, self.pair, self.repeat)

    @property
    def host_pair(self) -> Pair:
        """The hosts that play it."""
        return host_pair(self.chosen, self.pair)

    def end(self, side: Side) -> str:
        """The machine of the client's program, or of the server's."""
        return ends(self.pair)[side == "server"]

    @property
    def machines(self) -> tuple[str | None, str | None, str | None]:
        """The machines on which its server, its client and the server's backend always run; None where that is the host
        of a role, or there is none."""
        chosen = self.chosen
        server, client, backend = (
            machine_name(chosen.service.service, inside) if inside else None
            for inside in (chosen.server.in_, chosen.client.in_, chosen.server.backend)
        )
        return server or chosen.server.runs_on, client, backend

    @property
    def of_control(self) -> Cell:
        """What its control is run as: itself, unless the drill's difference is the pair or the client."""
        other = self.drill.control_with
        if other is None:
            return self
        if other.pair is not None:
            return replace(self, pair=other.pair)
        return replace(self, chosen=replace(self.chosen, client_name=other.client or self.chosen.client_name))

    @property
    def both_runs(self) -> tuple[Cell, ...]:
        """What its control is run as and what it is run as, where these are two."""
        return (self,) if self.drill.control_with is None else (self.of_control, self)

    @property
    def command(self) -> str:
        """What repeats it. A submission of a class has a name of its own in the lab: `grade` finds it by its folder."""
        folder = self.chosen.service.folder
        if folder.name and self.chosen.service.service != folder.name:
            words = f"--only {shlex.quote(folder.name)} --drills {self.drill.drill} --seed {self.seed}"
            return f"{PROGRAM} grade {shlex.quote(str(folder.parent))} {words}"
        words = f"--service {self.chosen.label} --pair {self.pair} --seed {self.seed}"
        words += f" --patience {self.patience}" if self.patience else ""
        return f"{PROGRAM} run {self.drill.drill} {words}"


def pairs_of(drill: Drill, chosen: ServiceChoice, words: Sequence[str] = ()) -> tuple[Pair, ...]:
    """The pairs in which a drill is run with a service: those that were asked for, else the usual ones.

    One that compares with the pair of its control is not run in that, unless nothing else was asked for; where the
    usual pairs have no other, it is run in another that its programs run on.
    """
    asked, other = asked_pairs(words, chosen), drill.control_with
    if found := with_another_end(asked or default_pairs(chosen), other):
        return found
    return asked or with_another_end(own_pairs(chosen), other)[:1] or default_pairs(chosen)


def unsupported(cell: Cell) -> str:
    """Why a cell cannot be run anywhere; empty when it can."""
    service = cell.chosen.service
    if reason := cell.drill.unsupported_on.get(cell.pair) or without_machine(cell.chosen, cell.pair):
        return reason
    if cell.drill.control_with and cell.of_control == cell:
        return f"its control is run with {cell.drill.control_with.says} too: nothing differs, so ask for another"
    if reason := without_machine(cell.of_control.chosen, cell.of_control.pair):
        return f"its control cannot be run: {reason}"
    if cell.drill.family not in service.families:
        return f"{service.service} does not speak {cell.drill.family}"
    return ""
