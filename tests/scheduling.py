"""Which tests one test process runs together, and in what order the parts are handed out.

The time of a run is that of the slowest process, so what waits longest begins first, and one file that is longer than
all others is several parts. Only the time depends on this: a file that is named nowhere here is a part like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

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

# The folders whose tests are of labs, and the files of other folders that have one which needs the Docker Engine.
OF_LABS: Final = ("infra", "drills")
WITH_ENGINE: Final = (
    "tests/cli/test_command_line.py",
    "tests/evidence/test_dissector.py",
    "tests/evidence/test_dissector_vectors.py",
    "tests/house/test_scheduling.py",
    "tests/lab/test_doctor.py",
    "tests/library/test_library_in_lab.py",
    "tests/library/test_plugin_in_lab.py",
    "tests/library/test_reaching_out.py",
    "tests/library/test_storm_of_tests.py",
    "tests/report/test_in_browser.py",
    "tests/report/test_report_in_lab.py",
    "tests/services/test_byteorder.py",
    "tests/services/test_daytime.py",
    "tests/teaching/test_teaching_in_lab.py",
    "tests/wire/test_every_cpu.py",
)


def rank(nodeid: str) -> int:
    """The place of a test in the order; of two with the same, the one that was found first goes first."""
    return next((at for at, begins in enumerate(FIRST) if nodeid.startswith(begins)), len(FIRST))


def part(nodeid: str) -> str:
    """Tests of which this is the same are run by one process, one after another."""
    file = nodeid.partition("::")[0]
    found = PARTS[file].search(nodeid) if file in PARTS else None
    return f"{file} {found[1]}" if found else file


def needs_engine(part: str) -> bool:
    """Whether a part has a test that may reach the Docker Engine."""
    return part.startswith((*(f"tests/{each}/" for each in OF_LABS), *WITH_ENGINE))


class ByPart(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """As --dist loadfile, in the order of the tests.

    The process `takes_room` (room.py), if there is one, takes the parts that need no engine, from the end, first.
    """

    def __init__(self, config: pytest.Config, log: object, takes_room: str = "") -> None:
        super().__init__(config, log)
        self._takes_room = takes_room
        config.option.loadscopereorder = False  # the file of the most tests is not the one that takes longest

    def _assign_work_unit(self, node: Any) -> None:
        if node.gateway.id == self._takes_room:
            part = next((each for each in reversed(self.workqueue) if not needs_engine(each)), None)
            if part is not None:
                self.workqueue.move_to_end(part, last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        return part(nodeid)
