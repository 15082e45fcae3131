"""faultwire/cross: a C program compiled for each big-endian CPU, and what it says of the machine that it runs on."""

from __future__ import annotations

import json
import subprocess

import pytest

from scenarios.byteorder import errno_table
from scenarios.lab.cpus import CPUS, Cpu
from scenarios.lab.images import NATIVE, RECIPES
from scenarios.spec import errno_numbers

TAG = RECIPES["cross"].tag
BUILT_WITHIN_S = 120
PROGRAM = r"""
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/utsname.h>
struct pair { char c; int i; };
int main(void) {
    struct utsname machine;
    unsigned one = 1;
    uname(&machine);
    printf("{\"first\": %d, \"bits\": %d, ", *(unsigned char *)&one, (int)(8 * sizeof(void *)));
    printf("\"int at\": %d, \"refused\": %d, ", (int)offsetof(struct pair, i), ECONNREFUSED);
    printf("\"machine\": \"%s\"}\n", machine.machine);
    return 0;
}
"""
ALIGNED_TO_TWO = {"m68k"}
REFUSED = {"mips": 146, "sparc64": 61, "hppa": 239}  # elsewhere 111, as on amd64


def is_there() -> bool:
    return not subprocess.run(
        ["docker", "image", "inspect", TAG], capture_output=True, timeout=60, check=False
    ).returncode


@pytest.mark.parametrize("cpu", CPUS.values(), ids=lambda cpu: str(cpu.name))
def test_a_program_in_c_is_built_for_and_run_on_the_cpu_that_the_table_says(cpu: Cpu) -> None:
    if not is_there():
        pytest.skip(f"no image {TAG}: make images IMAGES=cross")
    script = (
        f"cat >/tmp/a.c && {cpu.triplet}-gcc -Wall -Werror -static -o /tmp/a /tmp/a.c && exec {cpu.emulator} /tmp/a"
    )
    container = ["docker", "run", "--rm", "--init", "--interactive", "--network=none", "--label=faultwire=test", TAG]
    ran = subprocess.run(
        [*container, "sh", "-c", script],
        input=PROGRAM,
        capture_output=True,
        text=True,
        timeout=BUILT_WITHIN_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "first": 0,
        "bits": cpu.bits,
        "int at": 2 if cpu.name in ALIGNED_TO_TWO else 4,
        "refused": REFUSED.get(cpu.name, 111),
        "machine": cpu.machine,
    }


def test_the_table_of_errno_is_what_the_headers_of_each_cpu_say() -> None:
    if not is_there():
        pytest.skip(f"no image {TAG}: make images IMAGES=cross")
    assert errno_table.render_table() == errno_numbers.TABLE.read_text(encoding="utf-8")


@pytest.mark.parametrize("cpu", [NATIVE, *CPUS])
def test_cross_gives_a_build_the_compilers_of_the_cpu_and_on_cpu_runs_it(cpu: str) -> None:
    if not is_there():
        pytest.skip(f"no image {TAG}: make images IMAGES=cross")
    script = "cat >/tmp/a.cc && $CXX -o /tmp/a /tmp/a.cc && $AR --version >/tmp/ar && on-cpu $0 /tmp/a"
    container = ["docker", "run", "--rm", "--init", "--interactive", "--network=none", "--label=faultwire.lab=-1", TAG]
    ran = subprocess.run(
        [*container, "cross", cpu, "sh", "-c", script, cpu],
        input='#include <cstdio>\nint main() { short one = 1; std::puts(*(char *)&one ? "little" : "big"); }\n',
        capture_output=True,
        text=True,
        timeout=BUILT_WITHIN_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == ("little" if cpu == NATIVE else "big")


def test_cross_refuses_a_cpu_that_it_does_not_know() -> None:
    if not is_there():
        pytest.skip(f"no image {TAG}: make images IMAGES=cross")
    ran = subprocess.run(
        ["docker", "run", "--rm", "--network=none", "--label=faultwire.lab=-1", TAG, "cross", "z80", "make"],
        capture_output=True,
        text=True,
        timeout=BUILT_WITHIN_S,
        check=False,
    )
    assert ran.returncode == 64
    assert ran.stderr == f"cross: unknown CPU 'z80'; there are: {' '.join([NATIVE, *CPUS])}\n"
