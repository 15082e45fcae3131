"""What many cells need before the first is run: a lab that is up, guests' images, and valid display filters."""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.calls import compositions, contract, on_cpus
from scenarios.evidence.tshark import check_filters
from scenarios.lab import images, pool
from scenarios.lab.errors import UsageError
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.pool import labs
from scenarios.report.console import image_step, step
from scenarios.spec.cell import Cell, unsupported
from scenarios.spec.drill import Drill
from scenarios.spec.pairs import ends, profiles


def prepare(number: int, jobs: int, cells: Sequence[Cell], exactly: Sequence[int] = ()) -> list[Lab]:
    """Have all of it ready, and the labs: the first, which is up now, by its number, and others, borrowed.

    `exactly` are the numbers of all of them, the first one's too; else the others are those that are free.

    Raises UsageError for an invalid filter, naming its drill, and for a guest that is not as it says; LabProblem.
    """
    needed = needed_profiles(cells)
    first, *others = exactly or (number,)
    lab = Lab(first, *needed)
    make_ready(lab, cells)
    return pool.these(first, others[: jobs - 1], needed) if exactly else labs(number, jobs, needed)


def needed_profiles(cells: Sequence[Cell]) -> Sequence[str]:
    """The profiles of compose.yaml whose machines these cells are performed on."""
    return profiles(each.host_pair for cell in cells for each in cell.both_runs)


def make_ready(lab: Lab, cells: Sequence[Cell]) -> None:
    """Have one lab up, and all else that these cells need on its machine. Raise as `prepare` does."""
    bring_up(lab)
    moving = [each for cell in cells if not unsupported(cell) for each in cell.both_runs]
    on_cpus.ready([(each.chosen, *ends(each.pair)) for each in moving], image_step)
    contract.ready([cell.chosen.service for cell in cells], image_step)
    compositions.ready([cell.chosen.service for cell in cells], step)
    with under_way("Wireshark reads the display filters"):
        check(lab, [cell.drill for cell in cells])


def check(lab: Lab, drills: Sequence[Drill]) -> None:
    """Have Wireshark say of every display filter whether it is one. Raises UsageError, naming the drill."""
    by_filter = {each: drill for drill in drills for each in drill.filters}
    try:
        check_filters(lab, list(by_filter))
    except UsageError as error:
        wrong = [f"{drill.path}: {each!r}" for each, drill in by_filter.items() if repr(each) in str(error)]
        raise UsageError(f"{error}\nin {'; '.join(wrong)}") from error


def bring_up(a_lab: Lab) -> None:
    """Have the images fresh and the lab up, and say so where something had to be done."""
    images.build(image_step, images.recipes_of({a_lab.topology.machines[name] for name in a_lab.required_machines}))
    pool.claim(a_lab.number)
    if a_lab.is_up():
        return
    # Held: another run's machines must not be made anew under it, because their images are older than their files.
    with a_lab.hold_alone(), under_way(f"lab {a_lab.number} comes up"):
        seconds = a_lab.up()
    step(f"lab {a_lab.number} is up: {len(a_lab.required_machines)} machines, {seconds:.1f} s")
