"""The second engine is empty, has no way out, and leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import second_engine
from tests.services.running import eventually

TO_THE_WORLD = ["python3", "-c", "import socket; socket.create_connection(('198.51.100.1', 80), timeout=5)"]


def test_it_is_empty_and_has_no_way_out_and_is_gone_afterwards() -> None:
    with second_engine.second_engine() as engine:
        assert engine.images() == set()
        assert "Network is unreachable" in engine.run(TO_THE_WORLD, timeout_s=20).stdout
        reached = engine.run(["docker", "info", "--format", "{{.DockerRootDir}}"], timeout_s=20)
        assert reached.stdout.strip() == f"{engine.folder}/data"
        of_its_own = engine.run(["ip", "-brief", "link"], timeout_s=20).stdout.split("\n")
        assert {line.split()[0] for line in of_its_own if line} == {"lo", "docker0"}
    assert not engine.folder.exists()
    assert not Path(f"/proc/{engine.pid}").exists()
    assert str(engine.folder) not in Path("/proc/mounts").read_text()


def test_a_failure_of_the_test_ends_it_too() -> None:
    with pytest.raises(ZeroDivisionError), second_engine.second_engine() as engine:
        raise ZeroDivisionError
    eventually(lambda: not Path(f"/proc/{engine.pid}").exists(), "its end")
    assert not engine.folder.exists()


def test_without_root_the_test_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(pytest.skip.Exception, match="a second engine needs root"), second_engine.second_engine():
        pass


def test_without_an_engine_s_program_the_test_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "")
    says = r"needs dockerd, containerd, .*setpriv, which this machine lacks"
    with pytest.raises(pytest.skip.Exception, match=says), second_engine.second_engine():
        pass
