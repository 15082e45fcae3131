"""Words of the library that are of no use: each is told by its name, with what was expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scenarios.lab.errors import UsageError
from scenarios.library.lab import Lab
from tests.library.without_lab import LabWithoutMachines, lab

__all__ = ("lab",)
WRONG: dict[str, Callable[[Any], Any]] = {
    "lab.until: fault: expected what `lab.fault(…)` gave, got 'x'": lambda lab: lab.until(fault="x"),
    "lab.until: log: expected what `lab.serve(…)` or `lab.start(…)` gave": lambda lab: lab.until(log="x", line="y"),
    "lab.until: state: the sockets of `on` need one": lambda lab: lab.until(on="server"),
    "lab.until: expected one of fault, log, on; got none": lambda lab: lab.until(),
    "lab.host: ports: expected a sequence of numbers, as (4000,), got 4000": lambda lab: lab.host(
        ports=4000
    ).__enter__(),
    "lab.host: ports: expected a sequence of numbers, as (4000,), got ('1',)": lambda lab: lab.host(
        ports=("1",)
    ).__enter__(),
    "lab.fault: after: expected a fault that is in force, got 'nope'": lambda lab: lab.fault(
        drop="data", from_="client", to="server", after={"fault": "nope", "hits": 1}
    ).__enter__(),
    "Lab: number: expected 0 to 255, got '13'": lambda _: Lab("13"),  # type: ignore[arg-type]
    "Lab: number: expected 0 to 255, got 300": lambda _: Lab(300),
}


@pytest.mark.parametrize("told", WRONG)
def test_it_is_told(lab: LabWithoutMachines, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        WRONG[told](lab)
    assert str(raised.value).startswith(told)
