"""Which tests one test process runs together, and in what order the parts are handed out.

The time of a run is that of the slowest process, so what waits longest begins first, and one file that is longer than
all others is several parts. Only the time depends on this: a file that is named nowhere here is a part like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import pytest
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

# The orders, by how the name of a file begins; the longest that fits counts, and "" is all others.
# Beside labs: what takes minutes, then the folders of labs. The catalogue has labs of its own, and waits for them.
WITH_LABS: Final = (
    "tests/drills/test_catalogue.py",
    "tests/infra/test_contract_in_lab.py",
    "tests/drills/",
    "tests/infra/",
    "tests/report/",
    "tests/wire/",
    "tests/services/",
    "",
)
# Without: what mostly waits, the longest first, and at the end what mostly works, the longest last.
WITHOUT_LABS: Final = (
    "tests/services/test_peers.py",
    "tests/lab/test_sources.py",
    "tests/services/test_contract_servers.py",
    "tests/services/test_search_servers.py",
    "tests/services/test_web_servers.py",
    "tests/services/test_qotd_and_daytime.py",
    "tests/services/test_forkserver.py",
    "tests/cluster/test_campaign.py",
    "tests/run/test_ending.py",
    "tests/lab/test_setup_speaks.py",
    "tests/lab/test_metering.py",
    "tests/services/",
    "tests/lab/",
    "",
    "tests/run/",
    "tests/house/",
    "tests/verdict/test_falsifying.py",
    "tests/stress/test_mutated_files.py",
    "tests/services/test_forking.py",
    "tests/services/test_search_arrays.py",
    "tests/house/test_wheel.py",
)
WORKS_FROM_THE_END = 3  # one process of so many
# The machine that a test is of, in its name: each has its own start, whatever process it is in.
PARTS: Final[Mapping[str, re.Pattern[str]]] = {
    "tests/infra/test_contract_in_lab.py": re.compile(r"\[(client-be|client|server-be|server)[]-]"),
    "tests/wire/test_every_cpu.py": re.compile(r"-(\w+)\]$"),
}


def is_without_labs(config: pytest.Config) -> bool:
    """Whether what needs the engine is left out, as by `make check`."""
    return bool(config.option.markexpr == "not engine")


def rank(nodeid: str, order: Sequence[str]) -> int:
    """The place of a test in an order; of two with the same, the one that was found first goes first."""
    return order.index(max((each for each in order if nodeid.startswith(each)), key=len))


def part(nodeid: str) -> str:
    """Tests of which this is the same are run by one process, one after another."""
    file = nodeid.partition("::")[0]
    found = PARTS[file].search(nodeid) if file in PARTS else None
    return f"{file} {found[1]}" if found else file


class ByPart(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """As --dist loadfile, in the order of the tests.

    Without labs some of the processes take the last part first, and all meet in the middle: while most of them wait,
    these work, and no processor is idle.
    """

    def __init__(self, config: pytest.Config, log: object) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # the file of the most tests is not the one that takes longest
        self._meets = is_without_labs(config)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if self._meets and list(self.nodes).index(node) % WORKS_FROM_THE_END == 1:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        return part(nodeid)
