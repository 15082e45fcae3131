"""A drill as a test has the lab for itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from scenarios.lab.errors import UsageError
from scenarios.library.drill_test import DrillTest
from tests.library.without_lab import LabWithoutMachines, lab

__all__ = ("lab",)


@contextlib.contextmanager
def _nothing() -> Iterator[None]:
    yield


@pytest.mark.parametrize("name", ["a recording", "lab.host('client')"])
def test_a_drill_is_not_run_inside_a_block(lab: LabWithoutMachines, name: str) -> None:
    drill = DrillTest(lab._session, "lost-syn")
    with lab._session.opened(name, _nothing()), pytest.raises(UsageError) as raised:
        drill.run()
    assert f"drill.run: a drill has the lab for itself, and {name} is open" in str(raised.value)
    words = {"from_": "client", "to": "server", "may_miss": True}
    is_open = pytest.raises(UsageError, match="and the fault silence-1 is open")
    with lab.fault(silence="data", **words), is_open:  # type: ignore[arg-type]
        drill.run()
