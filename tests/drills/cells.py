"""Which cells of the catalogue the tests run: each drill, and of the pairs those that may show something else.

A drill for any program claims what kernel and network do, and says nothing of the program, whose CPU is all in which
the pairs differ: both ends are kept by the one kernel of this machine. So the second pair repeats the first, and is
run with --long alone. Which of the pairs a drill has is told by its name, and so not changed by another drill.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

from scenarios.spec.catalogue import chosen_service
from scenarios.spec.cell import Cell
from scenarios.spec.drill import Drill
from scenarios.spec.pairs import DEFAULT_PAIRS, Pair
from scenarios.spec.service import Service


def pairs_of(drill: Drill, *, repeated: bool) -> Sequence[Pair]:
    """The pairs on which a drill is run; `repeated`: also those that show the same again."""
    if repeated or not drill.is_general:
        return DEFAULT_PAIRS
    return [DEFAULT_PAIRS[zlib.crc32(drill.drill.encode()) % len(DEFAULT_PAIRS)]]


def cells_of(drills: Mapping[str, Drill], known: Mapping[str, Service], *, repeated: bool) -> list[Cell]:
    """The cells, each with the drill's own service."""
    return [
        Cell(drill, chosen_service(drill, None, known), pair)
        for drill in drills.values()
        for pair in pairs_of(drill, repeated=repeated)
    ]
