"""What the tests of faults in the lab share."""

from __future__ import annotations

import pytest

from scenarios.lab import Lab
from scenarios.waiting import wait_for

STATES = [word for state in ("fin-wait-1", "closing", "last-ack") for word in ("state", state)]


def orphans(lab: Lab) -> str:
    """The connections that no program has any more and that their kernel has not finished, as ss(8) prints them."""
    return "".join(lab.run(host, ["ss", "-Htn", *STATES], timeout_s=5).stdout for host in ("client", "server"))


@pytest.fixture
def no_orphans(lab: Lab) -> None:
    """Nothing is left of the connections of earlier tests: a fault would count what they send again (tcp(7))."""
    wait_for(lambda: orphans(lab) == "", "the end of the connections of earlier tests", within_s=60)
