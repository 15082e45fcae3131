"""A server that does not come to listen is started again where an earlier script may have kept its port; only there."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.run import servers as servers_module
from scenarios.run.servers import Servers
from scenarios.run.session import Stage


class OnAPort(Servers):
    """A server of which some starts fail, on a port that is kept for so long at each look."""

    def __init__(self, fails: int, kept_s: Sequence[float], says: str = "") -> None:
        self.notes: list[str] = []
        chosen = SimpleNamespace(name="mine", port=4000)
        cell, stage = SimpleNamespace(chosen=chosen), Stage(Lab(7))
        run = SimpleNamespace(note=self.notes.append, cell=cell, stage=stage)
        super().__init__(cast("Any", run), {})
        self._fails, self._kept_s, self._says, self.starts = fails, list(kept_s), says, 0

    def _start(self, role: Any) -> Any:
        self.starts += 1
        self.started[role] = cast("Any", SimpleNamespace(stop=lambda: None))
        if self.starts <= self._fails:
            raise LabProblem(f"start {self.starts}: it ended before it listened: {self._says}")
        return self.started[role]

    def _time_wait_left_s(self, role: Any) -> float:  # noqa: ARG002
        return self._kept_s.pop(0)


def test_a_port_that_an_earlier_script_keeps_is_waited_for_once() -> None:
    servers = OnAPort(1, [58.0, 0.0])
    servers._start_on_free_port("server")
    assert servers.starts == 2
    (note,) = servers.notes
    assert "port 4000 has connections of an earlier script in TIME-WAIT" in note
    assert "in 58 s" in note


def test_a_server_that_fails_on_a_free_port_fails_at_once() -> None:
    servers = OnAPort(1, [0.0])
    with pytest.raises(LabProblem, match="start 1"):
        servers._start_on_free_port("server")
    assert (servers.starts, servers.notes) == (1, [])


def test_a_port_that_was_kept_until_just_now_is_tried_again() -> None:
    servers = OnAPort(1, [0.0, 0.0], "OSError: [Errno 98] Address already in use")
    servers._start_on_free_port("server")
    assert servers.starts == 2


def test_a_server_that_fails_again_is_told_as_it_failed_then() -> None:
    servers = OnAPort(2, [58.0, 0.0])
    with pytest.raises(LabProblem, match="start 2"):
        servers._start_on_free_port("server")
    assert servers.starts == 2


def test_a_server_that_comes_to_listen_is_asked_nothing() -> None:
    servers = OnAPort(0, [])
    servers._start_on_free_port("server")
    assert servers.starts == 1


class Ended:
    """A composition whose service has ended, or goes on and does not listen."""

    def __init__(self, *, has_ended: bool) -> None:
        self._has_ended = has_ended

    def recover(self, listens: str = "") -> list[str]:
        return [f"{listens} was restarted"] if listens else []

    def check_running(self, service: str, until: str) -> None:
        if self._has_ended:
            raise LabProblem(f"{service} ended (status 3) before {until}")

    def last_lines(self, service: str) -> str:
        return f"the last lines of {service}"


@pytest.mark.parametrize(
    ("has_ended", "told"),
    [
        (True, r"jobs ended \(status 3\) before it listened"),
        (False, "not within 0 s; it printed: the last lines of jobs"),
    ],
)
def test_a_service_of_a_composition_is_waited_for_only_while_it_runs(
    monkeypatch: pytest.MonkeyPatch, *, has_ended: bool, told: str
) -> None:
    monkeypatch.setattr(servers_module, "listens", lambda *_: False)
    within_s = 60.0 if has_ended else 0.0
    chosen = SimpleNamespace(
        server=SimpleNamespace(in_="jobs", starts_within=within_s, backend=None),
        service=SimpleNamespace(ports_of=lambda _: (11300,)),
        server_name="one",
    )
    stage = Stage(Lab(7))
    stage.composition = cast("Any", Ended(has_ended=has_ended))
    run = SimpleNamespace(
        cell=SimpleNamespace(chosen=chosen),
        stage=stage,
        cast=SimpleNamespace(server=None, backend=None),
    )
    with pytest.raises(LabProblem, match=told):
        Servers(cast("Any", run), {})._have_well()
