"""A fault as a block: what it took hold of is its own, each time anew, whatever name it has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scenarios.lab.errors import DeadlinePassed, UsageError
from scenarios.library.here import host_of
from tests.library.without_lab import LabWithoutMachines, lab

__all__ = ("lab",)
NEITHER = "is neither 'server' nor a call of lab.start that runs"
ACROSS: Any = {"from_": "client", "to": "server"}


def test_a_block_that_is_used_again_begins_without_hits(lab: LabWithoutMachines) -> None:
    fault = lab.fault(drop="data", called="lost", **ACROSS)
    with fault:
        lab.made["lost"].hits = 1
        assert fault.hits == 1
    assert fault.hits == 1
    with fault:
        assert fault.hits == 0
        with pytest.raises(DeadlinePassed):
            lab.until(fault=fault, hits=1, within_s=0.05)
        lab.made["lost"].hits = 3
    assert fault.hits == 3


def test_a_block_that_was_not_entered_has_no_hits_of_another_of_its_name(lab: LabWithoutMachines) -> None:
    with lab.fault(drop="data", called="x", **ACROSS) as entered:
        lab.made["x"].hits = 1
        assert lab.fault(silence="syn", called="x", **ACROSS).hits == 0
        assert entered.hits == 1


def test_a_second_fault_of_a_name_and_a_block_in_itself_are_misuse_and_leave_the_first(lab: LabWithoutMachines) -> None:
    with lab.fault(drop="data", called="same", may_miss=True, **ACROSS) as first:
        with (
            pytest.raises(UsageError, match="called: a fault same is in force already"),
            lab.fault(mtu=1300, at="client-leg", called="same"),
        ):
            pass
        with pytest.raises(UsageError, match="same is in force already"), first:
            pass
        lab.made["same"].hits = 2
        assert first.hits == 2
    assert first.hits == 2
    assert lab.log == ["same is in force", "same is undone"]


def test_one_replacement_at_a_time_and_each_ends_its_own(lab: LabWithoutMachines) -> None:
    replaced = lab._session.replaced
    peer: Any = {"replace": "server", "run": "python -m services.echo.peer", "may_miss": True}
    with lab.fault(**peer) as first:
        with pytest.raises(UsageError, match="the program of the server is replaced already"), lab.fault(**peer):
            pass
        assert replaced["server"] is first._fault.replace
    assert not replaced
    with first:
        assert replaced
    assert not replaced


@pytest.mark.parametrize(
    "words",
    [
        {"no_address": "client"},
        {"second_interface": "client"},
        {"resolver": True},
        {"loopback": "client", "of": "any"},
        {"host": "client", "tcp_retries2": 3},
        {"one_network": True},
    ],
)
def test_a_fault_of_a_host_is_refused_where_this_machine_plays_it(lab: LabWithoutMachines, words: Any) -> None:
    here = lab._session.here = host_of(lab._session.stage.lab.topology, "client")
    lab._session.cast.client = here
    with pytest.raises(UsageError, match="client is this machine itself"), lab.fault(**words):
        pass
    assert lab.log == []


@pytest.mark.parametrize(
    ("who", "told"),
    [
        (
            "sever",
            f"'sever' {NEITHER}; did you mean 'server'? Expected one of: server",
        ),
        ("backend", f"'backend' {NEITHER}. Expected one of: server"),
        ("client", f"'client' {NEITHER}. Expected one of: server"),
        ("call-1", "the call 'call-1' has ended; expected one of lab.start that runs"),
    ],
)
@pytest.mark.parametrize("effect", ["kill", "pause"])
def test_a_fault_of_a_program_that_does_not_run_is_told_with_those_that_do(
    lab: LabWithoutMachines, effect: str, who: str, told: str
) -> None:
    lab._session.servers["server"] = SimpleNamespace(running=None, is_guest=False)  # type: ignore[assignment]
    lab._session.story.calls["call-1"] = []
    with pytest.raises(UsageError) as raised, lab.fault(**{effect: who}, may_miss=True):
        pass
    assert str(raised.value) == f"lab.fault: who: {told}"


def test_a_call_that_runs_is_among_those_that_a_fault_can_have(lab: LabWithoutMachines) -> None:
    lab._session.calls["ask-1"] = object()  # type: ignore[assignment]
    with pytest.raises(UsageError) as raised, lab.fault(pause="ask-2", may_miss=True):
        pass
    assert "did you mean 'ask-1'? Expected one of: ask-1, server" in str(raised.value)
