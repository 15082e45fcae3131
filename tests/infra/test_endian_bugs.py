"""Small programs in C that another CPU breaks: the first byte that differs has the right name, and none when mended."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from scenarios.lab.cpus import CPUS
from scenarios.lab.images import NATIVE
from scenarios.verdict.guess import first_difference
from tests.infra.endian_talks import PROGRAMS, Heard, Talk, hold
from tests.infra.test_cross import TAG, is_there

ROW = re.compile(r"^\| `([a-z-]+)\.c` \| .* \| (\w+)-(\w+) \| ([\w -]+) \|$", re.MULTILINE)
# By program: the CPUs of the client and the server that show it, and the name of it; as README.md has them.
SHOWN = {
    program: (client, server, kind)
    for program, client, server, kind in ROW.findall((PROGRAMS / "README.md").read_text(encoding="utf-8"))
}
NAMES = sorted(path.stem for path in PROGRAMS.glob("*.c"))
SAME_SIZE = [name for name, cpu in CPUS.items() if cpu.bits == 64]

# The CPUs that do not show a bug, of those that are big-endian.
CLEAN = {
    "struct-with-padding": [name for name, cpu in CPUS.items() if cpu.aligned == 8],
    "long-on-the-wire": SAME_SIZE,
    "time-t": SAME_SIZE,
    "errno-as-a-number": ["ppc", "s390x", "m68k", "ppc64"],
}


def test_each_program_has_its_row() -> None:
    assert sorted(SHOWN) == NAMES
    assert len(NAMES) >= 8


@pytest.fixture(scope="module")
def heard() -> Mapping[Talk, Heard]:
    """Each program, wrong and mended, between two machines of this kind and on the CPU that shows it."""
    if not is_there():
        pytest.skip(f"no image {TAG}: make images IMAGES=cross")
    pairs = [(name, client, server) for name in NAMES for client, server in ((NATIVE, NATIVE), SHOWN[name][:2])]
    return hold([Talk(*pair, mended=mended) for pair in pairs for mended in (False, True)])


@pytest.mark.parametrize("name", NAMES)
def test_between_two_machines_of_one_kind_the_wrong_program_is_answered(name: str, heard: Mapping[Talk, Heard]) -> None:
    assert heard[Talk(name, NATIVE, NATIVE)].status == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_wrong_program_is_found_on_its_cpu_and_rightly_named(name: str, heard: Mapping[Talk, Heard]) -> None:
    client, server, kind = SHOWN[name]
    there = heard[Talk(name, client, server)]
    found = first_difference(heard[Talk(name, NATIVE, NATIVE)].exchange, there.exchange)
    assert there.status != 0
    assert found is not None
    assert found.guess is not None, str(found)
    assert found.guess.kind == kind, str(found)


@pytest.mark.parametrize("name", NAMES)
def test_the_mended_program_sends_the_same_bytes_on_that_cpu(name: str, heard: Mapping[Talk, Heard]) -> None:
    client, server, _ = SHOWN[name]
    here, there = heard[Talk(name, NATIVE, NATIVE, mended=True)], heard[Talk(name, client, server, mended=True)]
    assert (here.status, there.status) == (0, 0)
    assert first_difference(here.exchange, there.exchange) is None


@pytest.mark.long
def test_on_every_cpu_the_mended_are_clean_and_the_wrong_have_the_same_name() -> None:
    if not is_there():
        pytest.skip(f"no image {TAG}: make images IMAGES=cross")
    of_cpu = {
        (name, cpu): (cpu, NATIVE) if SHOWN[name][1] == NATIVE else (NATIVE, cpu) for name in NAMES for cpu in CPUS
    }
    talks = [Talk(name, NATIVE, NATIVE) for name in NAMES]
    talks += [Talk(name, *ends) for (name, _), ends in of_cpu.items()]
    talks += [Talk(name, NATIVE, NATIVE, mended=True) for name in NAMES]
    mended = [(name, *ends) for name in NAMES for cpu in CPUS for ends in ((cpu, NATIVE), (NATIVE, cpu))]
    talks += [Talk(*each, mended=True) for each in mended]
    found = hold(talks)
    named = {
        (name, cpu): first_difference(found[Talk(name, NATIVE, NATIVE)].exchange, found[Talk(name, *ends)].exchange)
        for (name, cpu), ends in of_cpu.items()
    }
    kinds = {key: each.guess.kind if each.guess else str(each) for key, each in named.items() if each is not None}
    assert kinds == {(name, cpu): SHOWN[name][2] for name in NAMES for cpu in CPUS if cpu not in CLEAN.get(name, ())}
    unclean = {
        each: str(difference or status)
        for each in mended
        for status in [found[Talk(*each, mended=True)].status]
        for difference in [
            first_difference(
                found[Talk(each[0], NATIVE, NATIVE, mended=True)].exchange, found[Talk(*each, mended=True)].exchange
            )
        ]
        if difference or status
    }
    assert unclean == {}
