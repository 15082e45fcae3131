"""An interrupt ends every wait of a script, though a signal reaches the main thread only; a longer wait is told."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scenarios.calls import boxes, contract, serving
from scenarios.calls.forkserver import ForkServer
from scenarios.faults.no_route import ANSWERS_AT_ONCE, NoRoute
from scenarios.lab import engine
from scenarios.lab.composition import Composition
from scenarios.lab.engine import docker_command
from scenarios.lab.errors import LabProblem
from scenarios.lab.heartbeat import pulse
from scenarios.lab.lab import Lab
from scenarios.lab.process import Running
from scenarios.run import servers as servers_module
from scenarios.run import session
from scenarios.run.script_faults import ScriptFaults
from scenarios.run.servers import Servers
from scenarios.run.session import Interrupted, Stage
from scenarios.run.workplace import Workplace

LOOKS = 3  # after so many the run is told to end
ENDS_WITHIN_S = 5.0  # on a busy machine; each of these waits takes 20 s or more by itself


class ToldToEnd:
    """Says that the run was told to end when it has been asked a few times; keeps what was told as under way then."""

    def __init__(self) -> None:
        self.asked, self.told = 0, [""]

    def __call__(self) -> bool:
        self.asked += 1
        self.told = pulse.lines()
        return self.asked > LOOKS


@pytest.fixture
def interrupted() -> ToldToEnd:
    return ToldToEnd()


@pytest.fixture
def stage(interrupted: ToldToEnd) -> Stage:
    return Stage(Lab(7), interrupted)


@contextlib.contextmanager
def ends_soon(kind: type[BaseException] = Interrupted) -> Iterator[None]:
    """See that the `with` block is ended by an interrupt, and at once."""
    began_s = time.monotonic()
    with pytest.raises(kind):
        yield
    assert time.monotonic() - began_s < ENDS_WITHIN_S


@contextlib.contextmanager
def silent() -> Iterator[Running]:
    """A program that runs and prints nothing."""
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as stream:
        try:
            yield Running(stream, "a silent program", lambda _: None)
        finally:
            stream.kill()


class Kept(Servers):
    """A server whose port connections of an earlier script keep for a minute."""

    def _start(self, role: Any) -> Any:
        self.started[role] = cast("Any", SimpleNamespace(stop=lambda: None))
        raise LabProblem("Address already in use")

    def _time_wait_left_s(self, role: Any) -> float:  # noqa: ARG002
        return 58.0


def kept(stage: Stage) -> Servers:
    chosen = SimpleNamespace(name="mine", port=4000)
    run = SimpleNamespace(note=lambda _: None, cell=SimpleNamespace(chosen=chosen), stage=stage)
    return Kept(cast("Any", run), {})


def test_the_wait_for_a_port_that_is_kept_ends(stage: Stage) -> None:
    with ends_soon():
        kept(stage)._start_on_free_port("server")
    assert pulse.lines() == []


def test_what_a_longer_wait_is_for_is_told_with_the_port_and_of_a_short_one_nothing(
    stage: Stage, interrupted: ToldToEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "TOLD_AFTER_S", 30.0)
    with ends_soon():
        kept(stage)._start_on_free_port("server")
    assert interrupted.told == []
    interrupted.asked = 0
    monkeypatch.setattr(session, "TOLD_AFTER_S", 0.0)
    with ends_soon():
        kept(stage)._start_on_free_port("server")
    (told,) = interrupted.told
    assert told.startswith(
        "… lab 7: waiting for the TIME-WAIT of earlier connections of port 4000 to be over; at most 63 "
    )
    assert pulse.lines() == []


@pytest.mark.parametrize("ready", [None, "listening"], ids=["its sockets", "its ready line"])
def test_the_wait_for_a_server_to_listen_ends(
    stage: Stage, interrupted: ToldToEnd, monkeypatch: pytest.MonkeyPatch, ready: str | None
) -> None:
    monkeypatch.setattr(serving, "listens", lambda *_: False)
    monkeypatch.setattr(session, "TOLD_AFTER_S", 0.0)
    monkeypatch.setattr(contract, "all_interfaces", lambda _: "")
    monkeypatch.setattr(boxes, "server_words", lambda *_: ["serve"])
    monkeypatch.setattr(boxes, "of_server", lambda *_: None)
    server = SimpleNamespace(ready=ready, starts_within=30.0, run="serve")
    service = SimpleNamespace(ports_of=lambda _: (4000,))
    chosen = SimpleNamespace(name="mine", port=4000, server=server, service=service, server_name="one")
    with silent() as program:
        stage.caller = cast("Any", SimpleNamespace(running=lambda *_: contextlib.nullcontext(program)))
        run = SimpleNamespace(
            cell=SimpleNamespace(chosen=chosen),
            stage=stage,
            cast=SimpleNamespace(host=lambda role: SimpleNamespace(name=role)),
            drill=SimpleNamespace(family="ipv4", server=SimpleNamespace(bind="any", args="")),
        )
        with ends_soon():
            Servers(cast("Any", run), {})._start("server")
    assert interrupted.told == ["… lab 7: waiting until mine listens on port 4000 of server (0 s)"]


def test_the_wait_for_a_service_of_a_composition_to_listen_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers_module, "listens", lambda *_: False)
    server = SimpleNamespace(in_="jobs", starts_within=60.0, backend=None)
    service = SimpleNamespace(ports_of=lambda _: (11300,))
    chosen = SimpleNamespace(server=server, service=service, server_name="one")
    composed = SimpleNamespace(recover=lambda **_: [], check_running=lambda *_: None)
    stage.composition = cast("Any", composed)
    hosts = SimpleNamespace(server=None, backend=None)
    run = SimpleNamespace(cell=SimpleNamespace(chosen=chosen), stage=stage, cast=hosts)
    with ends_soon():
        Servers(cast("Any", run), {})._have_well()


def test_the_wait_for_a_service_that_was_restarted_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    container = SimpleNamespace(status="running", restart=lambda timeout: None)  # noqa: ARG005
    client = SimpleNamespace(containers=SimpleNamespace(get=lambda _: container))
    monkeypatch.setattr(engine, "client", lambda: client)
    plan = SimpleNamespace(name="mine", members=[])
    made = Composition(Lab(7), cast("Any", plan), stage.check_interrupted)
    monkeypatch.setattr(made, "_ill", lambda: {"jobs": "Up 1 second (health: starting)"})
    with ends_soon():
        made.restart("jobs")


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A `docker` that takes a minute."""
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return program


@pytest.mark.usefixtures("docker")
def test_a_command_of_docker_ends(stage: Stage) -> None:
    with ends_soon():
        docker_command("compose", "up", timeout_s=60, meanwhile=stage.check_interrupted)


@pytest.mark.usefixtures("docker")
def test_a_lab_that_comes_up_again_within_a_run_ends(interrupted: ToldToEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(7)
    monkeypatch.setattr(lab, "is_up", lambda: False)
    monkeypatch.setattr(lab, "_unpause", lambda: None)
    with ends_soon():
        Workplace(lab, interrupted).open()


def test_the_wait_for_calls_to_be_held_at_a_gate_ends(stage: Stage) -> None:
    fork_server = object.__new__(ForkServer)
    fork_server._changed = threading.Condition()
    fork_server._held = {}
    fork_server._child = cast("Any", SimpleNamespace(over=""))
    with ends_soon():
        fork_server.wait_until_held("gate", [Future()], 30.0, stage.check_interrupted)


def test_the_wait_for_a_firewall_that_answers_again_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NoRoute._again_full_s, 7, time.monotonic() + 10 * ANSWERS_AT_ONCE)
    drill = SimpleNamespace(from_the_start=())
    run = SimpleNamespace(stage=stage, drill=drill, faults=())
    fault = SimpleNamespace(replace=None, pause=None, no_route="a host")
    with ends_soon():
        ScriptFaults(cast("Any", run)).apply(cast("Any", fault), None, (), {})
