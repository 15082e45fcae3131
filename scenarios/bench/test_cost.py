"""What a test of a person's own costs beside its own waiting, and what the plugin costs a run of pytest without a lab.

A test is measured as it is written: a recording, a fault and a call, with a server that is there or one of its own.
What the call took is its own waiting, for TCP sends a lost SYN again after a second.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Mapping
from statistics import median, quantiles
from typing import Any, Final

from scenarios.lab.errors import LabProblem
from scenarios.lab.places import CODE, PACKAGE
from scenarios.library.lab import Lab

TESTS: Final = 20
IMPORTS: Final = 15
SERVICE: Final = "echo/select"
LOST: Final[Mapping[str, Any]] = {"drop": "syn", "first": 1, "from_": "client", "to": "server"}
IMPORT: Final = (
    "import pytest, sys, time; began = time.perf_counter(); import {plugin}; "
    "print(time.perf_counter() - began, 'docker' in sys.modules)"
)


def of_a_test(number: int) -> dict[str, dict[str, float]]:
    """Return median and 95th percentile of what a test takes above its call, in the lab of this number, in seconds."""
    found = {}
    with Lab(number) as lab:
        with lab.serve(service=SERVICE):
            found["with a server that is there"] = _spent(lab, has_server=True)
        found["with a server of its own"] = _spent(lab, has_server=False)
    return found


def _spent(lab: Lab, *, has_server: bool) -> dict[str, float]:
    spent = []
    for test in range(TESTS + 1):
        began_s = time.monotonic()
        lab.begin(f"test {test}")
        server = contextlib.nullcontext() if has_server else lab.serve(service=SERVICE)
        with server, lab.recording() as packets, lab.fault(**LOST) as lost:
            call = lab.call(service=SERVICE, within_s=20)
        seen = packets.on("client-leg").where("tcp.flags.syn == 1 && tcp.flags.ack == 0").frames
        took_s = time.monotonic() - began_s
        if (call.outcome, lost.hits) != ("answered", 1) or len(seen) < 2:
            came = f"{call!r}, {lost.hits} hits and {len(seen)} SYNs"
            raise LabProblem(f"a test with a lost SYN: expected answered, 1 hit and at least 2 SYNs, got {came}")
        spent.append(took_s - (call.duration_s or 0.0))
    del spent[0]  # it made the interpreters of the hosts warm
    return {"median": median(spent), "p95": quantiles(spent, n=20)[-1]}


def of_the_plugin() -> float:
    """Return what importing the pytest plugin takes where pytest is imported already; the median, in seconds.

    Raise LabProblem where it imports Docker's package.
    """
    program = IMPORT.format(plugin=f"{PACKAGE}.library.pytest_plugin")
    took = []
    for _ in range(IMPORTS):
        argv = [sys.executable, "-c", program]
        ran = subprocess.run(argv, cwd=CODE.parent, capture_output=True, text=True, check=True, timeout=60)
        seconds, has_docker = ran.stdout.split()
        if has_docker != "False":
            raise LabProblem("importing the pytest plugin imports docker; expected that it does not")
        took.append(float(seconds))
    return median(took)
