"""The gallery's cells: each of its failures with each of its clients, as far as the drill is for that program.

A drill is given the patience of the gallery: it waits that long for a call that does not end, where its own file has
less. Its claim is of kernel and network, and does not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scenarios.lab.errors import UsageError
from scenarios.spec.catalogue import chosen_service, find_drills
from scenarios.spec.cell import Cell
from scenarios.spec.drill import Drill
from scenarios.spec.gallery import Gallery
from scenarios.spec.pairs import Pair
from scenarios.spec.service import Service
from scenarios.spec.steps import Call, Step
from scenarios.spec.units import Seconds

PAIR: Pair = "le-le"  # the programs are this machine's own


def cells(
    gallery: Gallery, known: Mapping[str, Service], failures: Sequence[str] = ()
) -> tuple[list[Cell], dict[tuple[str, str], str]]:
    """Every cell that applies, drill by drill; and for each other one, by drill and program, why there is none.

    `failures` are some of the gallery's. Raise UsageError for a drill or a program that there is not.
    """
    found, misfits = [], {}
    for drill in find_drills([*(failures or gallery.failures)], known):
        for program in gallery.programs:
            try:
                chosen = chosen_service(drill, program, known)
            except UsageError as misfit:
                misfits[drill.drill, program] = str(misfit)
                continue
            found.append(Cell(patient(drill, gallery.patience), chosen, PAIR, patience=gallery.patience))
    return found, misfits


def patient(drill: Drill, within: Seconds) -> Drill:
    """The same drill, whose client's calls are given at least so long; as it is, where it claims how a call ends."""
    if any(each.outcome or each.duration for each in drill.expect):
        return drill
    longer = replace(drill, script=tuple(_longer(step, within) for step in drill.script))
    object.__setattr__(longer, "path", drill.path)
    object.__setattr__(longer, "text", drill.text)
    return longer


def _longer(step: Step, within: Seconds) -> Step:
    if step.call:
        return replace(step, call=_call(step.call, within))
    return replace(step, start=_call(step.start, within)) if step.start else step


def _call(call: Call, within: Seconds) -> Call:
    return replace(call, within=max(call.within, within)) if call.run is None else call
