"""Of a service of a composition that ended it is said at once that it did, how, and what it printed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker.errors import NotFound

from scenarios.lab import composition, engine
from scenarios.lab.composition import Composition
from scenarios.lab.errors import CommandFailed, LabProblem

LOG = "starting\nI have no config"


class Container:
    """A container that ended, or runs; to restart it is of no use."""

    def __init__(self, status: str, exit_code: int = 0) -> None:
        self.status, self.attrs, self.restarts = status, {"State": {"ExitCode": exit_code}}, 0

    def restart(self, timeout: int) -> None:  # noqa: ARG002
        self.restarts += 1


def composed(monkeypatch: pytest.MonkeyPatch, container: Container | None, says: str) -> Composition:
    """A composition of one service, of whose container the engine says this."""

    def get(name: str) -> Container:
        if container is None:
            raise NotFound(name)
        return container

    listed = [{"Names": ["/faultwire-9-own-jobs-1"], "Status": says}] if container else []
    api = SimpleNamespace(containers=lambda **_: listed)
    client = SimpleNamespace(containers=SimpleNamespace(get=get), api=api)
    monkeypatch.setattr(engine, "client", lambda: client)
    monkeypatch.setattr(composition, "_printed", lambda *words: LOG if "--tail" in words else "")
    lab = SimpleNamespace(number=9, topology=SimpleNamespace(project="faultwire-9"))
    plan = SimpleNamespace(members=[SimpleNamespace(service="jobs")], needs_timeout=["jobs"], name="mine")
    return Composition(cast("Any", lab), cast("Any", plan))


def test_a_service_that_ended_is_told_with_its_status_and_its_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    found = composed(monkeypatch, Container("exited", 3), "Exited (3) 2 seconds ago")
    with pytest.raises(LabProblem, match=r"^jobs ended \(status 3\) before it listened; it printed: starting\nI have"):
        found.check_running("jobs", "it listened")


def test_one_that_ended_well_may_have_gone_into_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    found = composed(monkeypatch, Container("exited", 0), "Exited (0) 2 seconds ago")
    with pytest.raises(LabProblem, match=r"^jobs ended \(status 0; a server that goes into the background is not seen"):
        found.check_running("jobs", "it listened")


@pytest.mark.parametrize("status", ["running", "paused", "restarting", "created"])
def test_one_that_has_not_ended_is_let_be(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    composed(monkeypatch, Container(status), "Up 2 seconds").check_running("jobs", "it listened")


def test_one_whose_container_is_gone_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabProblem, match=r"jobs ended \(it is gone\)"):
        composed(monkeypatch, None, "").check_running("jobs", "it listened")


def test_a_service_that_ends_again_after_a_restart_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    container = Container("exited", 3)
    found = composed(monkeypatch, container, "Exited (3) 1 second ago")
    monkeypatch.setattr(composition, "RESTARTED_WITHIN_S", 0)
    with pytest.raises(LabProblem, match=r"jobs ended \(status 3\) before it was well again; .*\n?.*I have no config"):
        found.restart("jobs")
    assert container.restarts == 1


def test_one_that_never_becomes_well_is_told_with_its_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    found = composed(monkeypatch, Container("running"), "Up 2 seconds (unhealthy)")
    monkeypatch.setattr(composition, "RESTARTED_WITHIN_S", 0)
    with pytest.raises(LabProblem, match=r"jobs did not come back: .* not within 0 s; it printed: starting"):
        found.restart("jobs")


@pytest.mark.parametrize(
    ("container", "says", "told"),
    [
        (
            Container("exited", 0),
            "Exited (0) 1 second ago",
            r"jobs ended \(status 0; .*\) before a client could be run",
        ),
        (Container("running"), "Up 2 seconds", "no client can be run inside jobs: its image needs `sh` and `timeout`"),
    ],
)
def test_an_image_lacks_nothing_where_its_container_has_ended(
    monkeypatch: pytest.MonkeyPatch, container: Container, says: str, told: str
) -> None:
    def fails(*_: object, **__: object) -> str:
        raise CommandFailed("docker exec: container is not running")

    found = composed(monkeypatch, container, says)
    monkeypatch.setattr(engine, "docker_command", fails)
    with pytest.raises(LabProblem, match=told):
        found._check_exec("jobs")
