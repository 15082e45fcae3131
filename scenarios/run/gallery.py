"""The gallery's cells: each of its failures with each of its clients, as far as the drill is for that program.

A drill is given the patience of the gallery: it waits that long for a call that does not end, where its own file has
less. Its claim is of kernel and network, and does not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scenarios.lab.errors import UsageError
from scenarios.run.patience import patient
from scenarios.spec.catalogue import chosen_service, find_drills
from scenarios.spec.cell import Cell
from scenarios.spec.gallery import Gallery
from scenarios.spec.pairs import Pair
from scenarios.spec.service import Service

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
