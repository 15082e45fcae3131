"""Make scenarios/spec/errno_numbers.toml: the numbers of errno, from the headers of each CPU.

    python -m scenarios.byteorder.errno_table

A program in C that prints them is compiled for each CPU in the image faultwire/cross, and run there by qemu.
"""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Mapping

from scenarios.lab.cpus import CPUS
from scenarios.lab.errors import LabProblem
from scenarios.lab.images import RECIPES
from scenarios.spec.errno_numbers import NATIVE, TABLE, numbers_on

WITHIN_S = 120
HEAD = """\
# The numbers of errno: all of this machine's, and of each other CPU those that differ. Aliases come last.
# Made by `python -m scenarios.byteorder.errno_table` from the C headers of each CPU. Do not edit.
"""
# The usual name of each number, and then its aliases.
NAMES = (
    *(errno.errorcode[number] for number in sorted(errno.errorcode)),
    *sorted(name for name in dir(errno) if name.startswith("E") and name not in errno.errorcode.values()),
)
_PRINTS = "".join(f'#ifdef {name}\nprintf("{name} %d\\n", {name});\n#endif\n' for name in NAMES)
PROGRAM = f"#include <errno.h>\n#include <stdio.h>\nint main(void) {{\n{_PRINTS}return 0;\n}}\n"


def query_cpu(cpu: str) -> Mapping[str, int]:
    """The numbers on a CPU, by name. Raises LabProblem."""
    script = "cat >/tmp/a.c && $CC -static -o /tmp/a /tmp/a.c && exec $EMULATOR /tmp/a"
    container = ["docker", "run", "--rm", "--init", "--interactive", "--network=none", "--label=faultwire.lab=-1"]
    ran = subprocess.run(
        [*container, RECIPES["cross"].tag, "cross", cpu, "sh", "-c", script],
        input=PROGRAM,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    if ran.returncode != 0:
        raise LabProblem(f"the numbers of errno on {cpu} cannot be read: status {ran.returncode}: {ran.stderr.strip()}")
    found = {name: int(number) for name, number in map(str.split, ran.stdout.splitlines())}
    if missing := sorted(numbers_on().keys() - found):
        raise LabProblem(f"the headers of {cpu} lack {', '.join(missing)}")
    return found


def render_table() -> str:
    """The table, of all CPUs. Raises LabProblem."""
    native = query_cpu(NATIVE)
    parts = [HEAD, f"\n[{NATIVE}]\n", *(f"{name} = {number}\n" for name, number in native.items())]
    for cpu in CPUS:
        differ = {name: number for name, number in query_cpu(cpu).items() if native.get(name) != number}
        parts += [f"\n[{cpu}]\n", *(f"{name} = {number}\n" for name, number in differ.items())]
    return "".join(parts)


if __name__ == "__main__":
    TABLE.write_text(render_table(), encoding="utf-8")
