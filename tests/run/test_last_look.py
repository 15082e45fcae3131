"""The looks at the sockets of a program whose time is all but over, and which of them counts."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scenarios.calls.call import Call, Pending
from scenarios.run import client_calls
from scenarios.run.client_calls import ClientCalls, Look, before_it_was_ended
from scenarios.spec.outcome import Outcome
from tests.verdict.test_behaviour import call

HUNG = call(Outcome.HUNG, status=124)
LOOKS: list[Look] = [(100.0, ()), (100.1, ()), (100.3, ())]


@pytest.mark.parametrize(("killed_s", "at_s"), [
    (None, 100.0),  # of a program of the lab nobody knows the moment
    (100.2, 100.1),
    (100.3, 100.1),  # it may have been under way
    (100.4, 100.3),
    (99.9, None),  # all of them show what the kernel closed
])  # fmt: skip
def test_the_last_look_before_a_program_was_ended_counts(killed_s: float | None, at_s: float | None) -> None:
    found = before_it_was_ended(LOOKS, replace(HUNG, killed_s=killed_s))
    assert (found[0] if found else None) == at_s


def test_where_nobody_looked_no_look_counts() -> None:
    assert before_it_was_ended([], HUNG) is None
    assert before_it_was_ended([], replace(HUNG, killed_s=100.0)) is None


class Ending:
    """A call that has ended `after_s` after its time was over, and whose end was asked for at `killed_s`."""

    def __init__(self, timeout_s: float, after_s: float) -> None:
        self.began_s, self.timeout_s, self._after_s = time.monotonic(), timeout_s, after_s
        self.killed_s = time.time() + timeout_s + after_s / 2

    @property
    def ended(self) -> bool:
        return time.monotonic() >= self.began_s + self.timeout_s + self._after_s

    def wait(self) -> Call:
        return replace(HUNG, killed_s=self.killed_s)


def test_the_sockets_are_looked_at_until_the_program_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine begins a container late, and asks for its end late: a look at a fixed moment shows too little."""
    looked_s: list[float] = []

    def look(*_: object) -> tuple[float]:
        looked_s.append(time.time())
        return (looked_s[-1],)

    monkeypatch.setattr(client_calls, "waiting_sockets", look)
    monkeypatch.setattr(client_calls, "LOOKS_EVERY_S", 0.02)
    stage = SimpleNamespace(lab=None, interrupted=lambda: False, check_interrupted=lambda: None)
    run = SimpleNamespace(
        armed=True,
        stage=stage,
        cast=SimpleNamespace(host=lambda role: SimpleNamespace(name=role)),
        drill=SimpleNamespace(script=(), calls={"hello": SimpleNamespace(from_="client")}),
        note=lambda _: None,
        timed=lambda _: contextlib.nullcontext(),
    )
    calls = ClientCalls(cast("Any", run), {}, {}, {})
    pending = Ending(timeout_s=0.2, after_s=0.4)
    calls.pending["hello"] = [cast("Pending", pending)]
    calls.finish("hello")
    (shown,) = cast("Any", calls.waiting["hello"])
    assert pending.killed_s - 0.15 < shown < pending.killed_s, "the last before its end was asked for"
    assert looked_s[-1] > pending.killed_s, "and it is looked on, for nobody here knows when that will be"
