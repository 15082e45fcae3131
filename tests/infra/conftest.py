"""What the tests of faults in the lab share."""

from __future__ import annotations

import re

import pytest

from scenarios.lab.lab import Lab
from scenarios.lab.waiting import wait_for

# FIN-WAIT-1, LAST-ACK, CLOSING (proc(5)): what was sent is not acknowledged, and it is sent again
ORPHAN = re.compile(r"^ *\d+: \S+ \S+ (?:04|09|0B) ", re.MULTILINE)


@pytest.fixture
def no_orphans(lab: Lab) -> None:
    """Nothing is left of the connections of earlier tests: a fault would count what they send again (tcp(7))."""
    tables = ["cat", "/proc/net/tcp", "/proc/net/tcp6"]

    def all_ended() -> bool:
        return not any(ORPHAN.search(lab.run(host, tables, timeout_s=5).stdout) for host in ("client", "server"))

    wait_for(all_ended, "the end of the connections of earlier tests", within_s=60)
