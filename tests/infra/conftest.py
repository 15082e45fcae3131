"""What the tests of faults in the lab share."""

from __future__ import annotations

import pytest

from scenarios.lab import Lab
from scenarios.performing import ORPHAN
from scenarios.waiting import wait_for


@pytest.fixture
def no_orphans(lab: Lab) -> None:
    """Nothing is left of the connections of earlier tests: a fault would count what they send again (tcp(7))."""
    tables = ["cat", "/proc/net/tcp", "/proc/net/tcp6"]

    def all_ended() -> bool:
        return not any(ORPHAN.search(lab.run(host, tables, timeout_s=5).stdout) for host in ("client", "server"))

    wait_for(all_ended, "the end of the connections of earlier tests", within_s=60)
