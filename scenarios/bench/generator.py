"""The program that makes the load, on the client's host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenarios.bench.model import Load, Place
from scenarios.lab.json_lines import Child
from scenarios.lab.lab import Lab

READY_WITHIN_S = 90


class Generator:
    """services.bench.load on a host, steered: `ready` once it is connected, then a line for each round."""

    def __init__(self, lab: Lab, place: Place, protocol: str, port: int, load: Load, requests: int) -> None:
        argv = ["python", "-m", "services.bench.load", place.address, str(port), "--steered", "--protocol", protocol]
        argv += ["--connections", str(load.connections), "--requests", str(requests)]
        argv += ["--in-flight", str(load.in_flight)] if load.kept else ["--per-connection", "1"]
        stream = lab.open(place.client.name, [*argv, "--byteorder", place.server.byteorder])
        self._child = Child(stream, f"the load generator on {place.client.name}")
        self.answered = 0
        self.requesting_s = 0.0
        self.errors: dict[str, int] = {}

    def ready(self) -> None:
        """Wait until it is connected. Raises LabProblem."""
        self._count(self._child.next(READY_WITHIN_S, "connect") or {})

    def run(self, seconds: float) -> dict[str, Any]:
        """One round, and its figures. Raises LabProblem."""
        told = self._child.ask({"seconds": seconds}, "end a round", READY_WITHIN_S).message
        self._count(told)
        self.answered += told["requests"]
        self.requesting_s += told["seconds"]
        return told

    def close(self) -> None:
        """It ends with its input."""
        self._child.close()

    def _count(self, told: Mapping[str, Any]) -> None:
        for name, count in told["errors"].items():
            self.errors[name] = self.errors.get(name, 0) + count
