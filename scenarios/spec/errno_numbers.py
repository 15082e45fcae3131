"""The numbers of errno on each CPU of the lab, and their names: 146 on mips is what 111 is on most others.

They are in errno_numbers.toml, which scenarios/byteorder/errno_table.py makes from what each CPU's own headers say.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).with_name("errno_numbers.toml")
NATIVE: Final = "native"  # the machine that the lab runs on


@functools.cache
def numbers_on(cpu: str = NATIVE) -> Mapping[str, int]:
    """The number of each name on a CPU, by its name in images/bigendian/cpus.toml. Raises KeyError for another CPU."""
    table: dict[str, dict[str, int]] = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return table[NATIVE] | table[cpu]


@functools.cache
def names_on(cpu: str = NATIVE) -> Mapping[int, str]:
    """The name of each number on a CPU; of several names for one number, the usual one. Raises KeyError as above."""
    # The usual names come first in the table, so that they are put in last here.
    return {number: name for name, number in reversed(list(numbers_on(cpu).items()))}
