"""Limits of a CPU's emulator that a stranger's program met: they are no fault of the program, and prove nothing.

docs/emulation.md lists what qemu cannot do. qemu says so itself on the program's standard error; or a call that the
kernel knows and the emulator does not fails with ENOPROTOOPT, and the program reports that in its own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from scenarios.evidence.record import Seen
from scenarios.lab.places import document

ITS_OWN: Final = re.compile(r"^qemu\b.*(?:[Uu]nsupported|[Uu]nknown syscall|Illegal instruction)")
NO_OPTION: Final = re.compile(r"\bENOPROTOOPT\b|Protocol not available", re.IGNORECASE)


def cannot(runs: Sequence[Seen], emulated: Iterable[str], control_passed: bool) -> str:
    """Why the emulation cannot show what was tried, of what the `emulated` programs printed; empty when it can.

    `runs` are the control, and the run with the fault where there was one. What a program printed of an option in a
    control that went well it has done without.
    """
    names = set(emulated)
    done_without = set(_lines(runs[0], names)) if control_passed and runs else set()
    for seen in runs:
        for line in _lines(seen, names):
            if line not in done_without and (ITS_OWN.search(line) or NO_OPTION.search(line)):
                needs = f"the emulator cannot do what the program needs ({document('docs/emulation.md')})"
                return f"{needs}; the program printed {line.strip()!r}"
    return ""


def _lines(seen: Seen, names: set[str]) -> list[str]:
    return [line for name in sorted(names & seen.logs.keys()) for line in seen.logs[name]]
