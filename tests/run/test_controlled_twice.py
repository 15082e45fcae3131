"""The control of a cell in a composition, which is run again when all of it was restarted: one try is told and kept."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scenarios.run import cell as run_cell
from scenarios.run.performance import BrokeOff
from scenarios.verdict.check import Check, Verdict

ILL = Check("outcome of hello", "answered", "failed", Verdict.UNPROVEN)


def test_what_is_told_of_a_control_is_of_the_try_whose_evidence_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    first: Any = SimpleNamespace(armed=False)
    second: Any = SimpleNamespace(armed=False)

    def perform(*_: object, **__: object) -> Any:
        if not performed:
            performed.append(first)
            return first
        raise BrokeOff(RuntimeError("db did not come back"), second)

    performed: list[SimpleNamespace] = []
    monkeypatch.setattr(run_cell, "perform", perform)
    monkeypatch.setattr(run_cell, "judged", lambda *_: ([ILL], []))
    stage: Any = SimpleNamespace(composition=SimpleNamespace(doubt=lambda *_: True))
    chosen = SimpleNamespace(service=SimpleNamespace(compose="compose.yaml"), label="pooled/bouncer")
    cell: Any = SimpleNamespace(chosen=chosen, of_control=None, drill=None)
    found = run_cell._Found(earlier_tries=())
    with pytest.raises(BrokeOff):
        run_cell._controlled(stage, cell, found)
    assert found.control == []
