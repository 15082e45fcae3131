"""The machine of each end of a pair: what it says that it is, beside what the pair promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scenarios.calls import elf, on_cpus
from scenarios.lab.topology import Host
from scenarios.run.session import Stage
from scenarios.spec import program_ends
from scenarios.spec.cell import Cell
from scenarios.spec.pairs import LITTLE
from scenarios.spec.program_ends import Side
from scenarios.verdict.check import Check, check_architecture, proof


def machine(stage: Stage, cell: Cell, side: Side, host: Host) -> tuple[Mapping[str, str], Sequence[Check]]:
    """What the result tells of the machine of an end, and the checks of it. Raises LabProblem and UsageError.

    A program that comes to every CPU stands beside a host in its own container: its machine is what runs it there, and
    what it was built for. Of any other it is the host.
    """
    if not program_ends.moves(cell.chosen, side):
        said = stage.machine(host)
        return {"host": host.name, "said": said}, [check_architecture(host, said)]
    cpu = program_ends.cpu_of(cell.end(side))
    found = on_cpus.checked(cell.chosen, side, cpu)
    right, built = str(on_cpus.promised(cpu)), elf.expected_for(cpu)
    program = "interpreter" if program_ends.is_python(cell.chosen, side) else "program"
    checks = [
        proof(
            f"byte order, word size and CPU of the {side}'s program",
            right,
            found.machine_words,
            found.machine_words == right,
        ),
        proof(
            f"for which machine the {side}'s {program} was built", str(built), str(found.built), found.built == built
        ),
    ]
    return {"host": host.name, "said": found.machine_words, "program": f"{program} for {found.built}"}, checks


def is_emulated(cell: Cell, side: Side) -> bool:
    """Whether a stranger's program runs there by an emulator."""
    return program_ends.moves(cell.chosen, side) and cell.end(side) != LITTLE
