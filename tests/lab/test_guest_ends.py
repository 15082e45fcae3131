"""How a stranger's program ended whose time was over: by the engine, or by itself while the engine was asked."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from scenarios.lab import engine
from scenarios.lab import guest as lab_guest
from scenarios.lab.box import Box
from scenarios.lab.process import BoundedOutput, Finished


def ran(monkeypatch: pytest.MonkeyPatch, exit_code: int, *, in_time: bool = False, printed: bytes = b"") -> Finished:
    """A program with this status of its container, at whose end the engine was asked unless it ended `in_time`."""
    kills: list[float] = []
    state = {"Status": "exited", "StartedAt": "2026-11-21T17:04:28Z", "FinishedAt": "2026-11-21T17:08:20Z"}
    theirs: Any = SimpleNamespace(name="theirs", status="running", attrs={"State": {**state, "ExitCode": exit_code}})
    theirs.reload, theirs.kill = (lambda: None), (lambda: kills.append(time.time()))

    def wait(_: float) -> int:
        if not kills and not in_time:
            raise subprocess.TimeoutExpired("docker start", 0.0)
        return 0

    @contextlib.contextmanager
    def attached(_: object, out: BoundedOutput, __: BoundedOutput) -> Iterator[SimpleNamespace]:
        out.take(printed)
        yield SimpleNamespace(wait=wait)

    monkeypatch.setattr(lab_guest, "attached", attached)
    found = lab_guest._attended(theirs, ["ask"], 0.01, BoundedOutput(), BoundedOutput())
    assert found
    assert found.killed_s is None or found.killed_s <= kills[0] <= found.killed_s + 1.0
    return found


def test_one_that_the_engine_killed_hung_and_the_moment_before_it_was_asked_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = ran(monkeypatch, 137)
    assert (found.hung, found.status) == (True, 124)
    assert found.killed_s is not None


@pytest.mark.parametrize("status", [0, 1, 124, 141])
def test_one_that_ended_by_itself_while_the_engine_was_asked_has_its_own_status(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    found = ran(monkeypatch, status)
    assert (found.hung, found.status, found.killed_s) == (False, status, None)


def test_one_that_ended_in_time_has_its_own_status_whatever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ran(monkeypatch, 137, in_time=True)
    assert (found.hung, found.status, found.killed_s) == (False, 137, None)


@pytest.mark.parametrize(
    ("how", "is_own"), [("normally (with status '141')", True), ("with signal (with signal 'x')", False)]
)
def test_what_init_says_of_its_end_is_none_of_its_words(
    monkeypatch: pytest.MonkeyPatch, how: str, is_own: bool
) -> None:
    words = f"world 1\n[INFO  tini (1)] Main child exited {how}\n"
    found = ran(monkeypatch, 141, in_time=True, printed=words.encode())
    assert (found.stdout, found.status, found.is_own_status) == ("world 1\n", 141, is_own)


def test_init_is_asked_to_say_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(engine, "docker_command", lambda *words, **_: asked.append(words))
    lab_guest._create(("--init", "an/image"), Box("an/image"))
    assert asked == [("create", "--env", "TINI_VERBOSITY=2", "--init", "an/image")]
