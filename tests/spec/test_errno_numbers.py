"""The table of errno's numbers: Python's own for this machine, and of each other CPU what differs, and no more."""

from __future__ import annotations

import errno
import tomllib

import pytest

from scenarios.lab.cpus import CPUS
from scenarios.spec.errno_numbers import NATIVE, TABLE, names_on, numbers_on

RAW = tomllib.loads(TABLE.read_text(encoding="utf-8"))
OTHERS = {"mips": 146, "sparc64": 61, "hppa": 239}


def test_there_is_a_part_for_each_cpu_and_no_other() -> None:
    assert list(RAW) == [NATIVE, *CPUS]


NEW = {"EHWPOISON", "EFTYPE"}  # names that Python knows from 3.14 on; no network says them


def test_this_machine_has_what_python_knows() -> None:
    known = {number: name for number, name in errno.errorcode.items() if name not in NEW}
    assert dict(names_on()) == known
    assert all(getattr(errno, name) == number for name, number in numbers_on().items())


@pytest.mark.parametrize("cpu", CPUS)
def test_a_cpu_has_a_number_for_each_name_and_its_part_only_what_differs(cpu: str) -> None:
    assert RAW[cpu].keys() <= RAW[NATIVE].keys()
    assert [name for name, number in RAW[cpu].items() if number == RAW[NATIVE][name]] == []
    assert all(isinstance(number, int) and 0 < number < 4096 for number in RAW[cpu].values())
    assert numbers_on(cpu).keys() == numbers_on().keys()
    assert set(numbers_on(cpu).values()) == names_on(cpu).keys()


@pytest.mark.parametrize("cpu", [NATIVE, *CPUS])
def test_a_refused_connection_has_the_number_of_its_cpu(cpu: str) -> None:
    assert numbers_on(cpu)["ECONNREFUSED"] == OTHERS.get(cpu, 111)
    assert names_on(cpu)[OTHERS.get(cpu, 111)] == "ECONNREFUSED"


def test_the_usual_name_is_told_of_several() -> None:
    assert names_on("mips")[11] == "EAGAIN"
    assert names_on("sparc64")[45] == errno.errorcode[errno.EOPNOTSUPP] == "ENOTSUP"


def test_an_unknown_cpu_has_no_table() -> None:
    with pytest.raises(KeyError, match="z80"):
        numbers_on("z80")
