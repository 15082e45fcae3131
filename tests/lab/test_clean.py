"""Removing everything of ours, also while something brings a lab up."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from docker.errors import APIError

from scenarios.lab import cleanup, engine
from scenarios.lab.errors import CommandFailed, LabProblem
from scenarios.lab.lab import Lab


@dataclass
class Network:
    """A network that has a machine so many times when it is to be removed."""

    busy: int
    name: str = "faultwire-7_server-net"
    short_id: str = "x"
    attrs: dict[str, object] = field(default_factory=dict)

    def remove(self) -> None:
        if self.busy:
            self.busy -= 1
            raise APIError("network has active endpoints")

    def reload(self) -> None:
        """It is as it was."""


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


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        ({"1": {"Name": "mine"}}, "faultwire-7_server-net has mine in it: something uses it, or brings it up"),
        (
            {},
            "the engine keeps faultwire-7_server-net for a container that is gone: a fault of the engine, whose",
        ),
        (None, "the engine keeps faultwire-7_server-net for a container that is gone"),
    ],
)
def test_one_that_never_gets_free_is_told_with_why_and_the_others_are_removed(
    monkeypatch: pytest.MonkeyPatch, inside: object, why: str
) -> None:
    other = Network(0, "faultwire-8_client-net")
    fake = Engine(Few([Network(cleanup.CLEANS_TIMES, attrs={"Containers": inside}), other]))
    monkeypatch.setattr(engine, "client", lambda: fake)
    removed: list[Network] = []
    monkeypatch.setattr(other, "remove", lambda: removed.append(other))
    with pytest.raises(LabProblem, match=f"^not all could be removed: {why}"):
        cleanup.clean()
    assert removed


@pytest.mark.parametrize("kept", [True, False])
def test_a_lab_that_is_down_but_for_a_network_says_so(monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    """Compose fails then; where it fails for another reason, that is what is told."""

    def docker_command(*words: str, **_: object) -> str:
        if "down" in words:
            raise CommandFailed("`docker compose down` ended with status 1")
        return ""

    fake = Engine(Few([Network(1)] if kept else []))
    monkeypatch.setattr(engine, "client", lambda: fake)
    monkeypatch.setattr(engine, "containers", lambda *_: [])
    monkeypatch.setattr(engine, "docker_command", docker_command)
    told = "^lab 7 is down, but the engine keeps faultwire-7_server-net for a" if kept else "ended with status 1"
    with pytest.raises(LabProblem if kept else CommandFailed, match=told):
        Lab(7).down()
