"""Removing everything of ours, also while something brings a lab up."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from docker.errors import APIError

from scenarios.lab import cleanup, engine
from scenarios.lab.errors import LabProblem


@dataclass
class Network:
    """A network that has a machine so many times when it is to be removed."""

    busy: int
    name: str = "faultwire-7_server-net"
    short_id: str = "x"

    def remove(self) -> None:
        if self.busy:
            self.busy -= 1
            raise APIError("network has active endpoints")


@dataclass
class Few:
    """Of the engine's lists one."""

    of_ours: list[Network] = field(default_factory=list)

    def list(self, **_: object) -> list[Network]:
        return self.of_ours


@dataclass
class Engine:
    networks: Few
    containers: Few = field(default_factory=Few)
    volumes: Few = field(default_factory=Few)


@pytest.mark.parametrize("busy", [0, 1, cleanup.CLEANS_TIMES - 1])
def test_a_network_that_has_a_machine_again_is_tried_again(monkeypatch: pytest.MonkeyPatch, busy: int) -> None:
    fake = Engine(Few([Network(busy)]))
    monkeypatch.setattr(engine, "client", lambda: fake)
    assert cleanup.clean() == ["faultwire-7_server-net"]


def test_one_that_never_gets_free_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Engine(Few([Network(cleanup.CLEANS_TIMES)]))
    monkeypatch.setattr(engine, "client", lambda: fake)
    with pytest.raises(LabProblem, match="something brings labs up meanwhile: network has active endpoints"):
        cleanup.clean()
