"""The docker command line at its deadline: it is ended with its plugins, and says what it was doing."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from scenarios.lab.engine import docker_command
from scenarios.lab.errors import CommandFailed
from scenarios.lab.lab import Lab
from scenarios.lab.waiting import wait_for


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A `docker` that starts a plugin, as `docker compose` does, and waits for it; the file has the plugin's number."""
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\necho creating\nsleep 60 &\necho $! >{tmp_path}/plugin\nwait\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "plugin"


def runs(plugin: Path) -> bool:
    stat = Path("/proc", plugin.read_text().strip(), "stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_at_its_deadline_a_command_is_ended_with_its_plugin(docker: Path) -> None:
    with pytest.raises(CommandFailed, match=r"`docker compose up` did not end within 0\.5 s\ncreating"):
        docker_command("compose", "up", timeout_s=0.5)
    wait_for(lambda: not runs(docker), "the end of the plugin", 5)


def test_ctrl_c_ends_it_too(docker: Path) -> None:
    main = threading.get_ident()

    def interrupt() -> None:
        wait_for(lambda: docker.exists() and docker.read_text(), "the plugin", 10)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        docker_command("compose", "up", timeout_s=20)
    wait_for(lambda: not runs(docker), "the end of the plugin", 5)


def test_ctrl_c_while_it_is_being_started_ends_it_too(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was left running, with all that it went on to start: nobody knew of it yet."""

    class Started(subprocess.Popen[str]):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            wait_for(lambda: docker.exists() and docker.read_text(), "the plugin", 10)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("scenarios.lab.engine.subprocess.Popen", Started)
    with pytest.raises(KeyboardInterrupt):
        docker_command("compose", "up", timeout_s=20)
    wait_for(lambda: not runs(docker), "the end of the plugin", 5)


def test_a_command_that_fails_is_told_with_the_end_of_what_it_printed(docker: Path) -> None:
    docker.with_name("docker").write_text("#!/bin/sh\nseq 1000\necho no such network >&2\nexit 3\n")
    with pytest.raises(CommandFailed) as raised:
        docker_command("network", "rm", timeout_s=10)
    first, *rest = str(raised.value).splitlines()
    assert first == "`docker network rm` ended with status 3:"
    assert rest == [*map(str, range(982, 1001)), "no such network"]


def test_what_a_lab_opens_is_out_of_reach_of_the_terminals_ctrl_c(docker: Path) -> None:
    docker.with_name("docker").write_text("#!/bin/sh\nexec cat\n")
    opened = Lab(1).open("firewall", ["the injector"])
    try:
        assert os.getsid(opened.pid) != os.getsid(0)
        assert os.getpgid(opened.pid) != os.getpgid(0)
    finally:
        opened.communicate(timeout=10)
