"""Which tests one test process runs together, and in what order the parts are handed out.

The time of a run is that of the slowest process, so what waits longest begins first, and one file that is longer than
all others is several parts. Only the time depends on this: a file that is named nowhere here is a part like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import pytest
from xdist.scheduler import LoadFileScheduling

# What takes minutes; then the folders, those of labs first. The catalogue has labs of its own, and waits for them.
FIRST: Final = (
    "tests/drills/test_catalogue.py",
    "tests/infra/test_contract_in_lab.py",
    "tests/drills/",
    "tests/infra/",
    "tests/report/",
    "tests/wire/",
    "tests/services/",
)
# The machine that a test is of, in its name: each has its own start, whatever process it is in.
PARTS: Final[Mapping[str, re.Pattern[str]]] = {
    "tests/infra/test_contract_in_lab.py": re.compile(r"\[(client-be|client|server-be|server)[]-]"),
    "tests/wire/test_every_cpu.py": re.compile(r"-(\w+)\]$"),
}


def rank(nodeid: str) -> int:
    """The place of a test in the order; of two with the same, the one that was found first goes first."""
    return next((at for at, begins in enumerate(FIRST) if nodeid.startswith(begins)), len(FIRST))


def part(nodeid: str) -> str:
    """Tests of which this is the same are run by one process, one after another."""
    file = nodeid.partition("::")[0]
    found = PARTS[file].search(nodeid) if file in PARTS else None
    return f"{file} {found[1]}" if found else file


class ByPart(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """As --dist loadfile, in the order of the tests."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # the file of the most tests is not the one that takes longest

    def _split_scope(self, nodeid: str) -> str:
        return part(nodeid)
