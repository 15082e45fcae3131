"""What is open in a lab is undone with the lab, or behind the test that left it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from scenarios.calls.call import Call, Pending
from scenarios.lab.errors import LabProblem, UsageError
from scenarios.library.drill_test import DrillTest
from scenarios.library.open_blocks import FUNCTION, OpenBlocks
from scenarios.library.packets import Packets, Recorded
from scenarios.library.started import Started
from tests.library.without_lab import LabWithoutMachines, lab

__all__ = ("lab",)
ACROSS: Any = {"from_": "client", "to": "server"}
NOT_UP = "the lab is not up"


def _close(made: LabWithoutMachines) -> None:
    made.__exit__(None, None, None)


def test_what_is_open_when_the_lab_goes_down_is_undone_and_its_hits_are_known(lab: LabWithoutMachines) -> None:
    fault = lab.fault(drop="data", called="lost", **ACROSS)
    fault.__enter__()
    lab.made["lost"].hits = 2
    _close(lab)
    assert lab.log == ["lost is in force", "lost is undone"]
    assert fault.hits == 2
    with pytest.raises(UsageError, match=NOT_UP):
        fault.__exit__(None, None, None)


def test_nothing_that_was_made_in_a_lab_does_anything_when_it_is_down(lab: LabWithoutMachines) -> None:
    fault, server = lab.fault(drop="data", **ACROSS), lab.serve("one", port=1)
    blocks: list[Any] = [fault, server, lab.recording(), lab.host("client")]
    drill = DrillTest(lab._session, "lost-syn")
    packets = Packets(Recorded(lab._session))
    packets._recorded.base = object()  # type: ignore[assignment]
    _close(lab)
    for block in blocks:
        with pytest.raises(UsageError, match=NOT_UP):
            block.__enter__()
    for act in (server.restart, drill.run, lambda: packets._recorded.marked("client-leg", "tcp")):
        with pytest.raises(UsageError, match=NOT_UP):
            act()
    assert fault.hits == 0
    assert lab.log == []


def test_a_server_is_restarted_in_its_block_alone(lab: LabWithoutMachines) -> None:
    with pytest.raises(UsageError, match="it is not served now"):
        lab.serve("one", port=1).restart()


def test_what_a_test_left_is_undone_the_last_first_and_named_and_what_is_for_several_stays() -> None:
    blocks, closed = OpenBlocks(), list[str]()
    for name, scope in (("module's", "module"), ("first", FUNCTION), ("call-1", FUNCTION), ("second", FUNCTION)):
        blocks.scope = scope
        blocks.add(name, name, lambda name=name: closed.append(name), is_call=name == "call-1")  # type: ignore[misc]
    assert blocks.undo() == ["first", "second"]
    assert closed == ["second", "call-1", "first"]
    assert blocks.names == ["module's"]
    assert blocks.undo() == []
    assert blocks.undo(of_several=True) == ["module's"]


def test_one_that_cannot_be_undone_keeps_no_other_from_it() -> None:
    blocks, closed = OpenBlocks(), list[str]()

    def fails() -> None:
        raise LabProblem("no")

    blocks.add(1, "one", lambda: closed.append("one"))
    blocks.add(2, "two", fails)
    with pytest.raises(LabProblem):
        blocks.undo()
    assert closed == ["one"]
    assert blocks.names == []


def test_a_call_that_was_left_is_ended(lab: LabWithoutMachines) -> None:
    future: Future[Call] = Future()
    pending = Pending("client", ("one",), 1.0, future, lambda: future.set_exception(LabProblem("ended")))
    started = Started("call-1", lab._session, pending, lambda call: call)
    lab._session.blocks.add(pending, "call-1", started._give_up, is_call=True)
    assert lab._session.blocks.undo() == []
    assert future.done()


@pytest.mark.parametrize(
    ("scope", "elsewhere"),
    [
        ("class", ", or move this test out of the class"),
        ("module", ", or move this test to another module"),
        ("session", ""),
    ],
)
def test_what_a_fixture_holds_open_is_closed_by_its_scope_and_what_a_test_has_by_its_end(
    scope: str, elsewhere: str
) -> None:
    blocks = OpenBlocks()
    blocks.add("own", "a recording", lambda: None)
    assert blocks.how_to_close("end it") == "end it"
    blocks.scope = scope
    blocks.add("held", "the fault x", lambda: None)
    assert blocks.how_to_close("end it", "own") == "end it"
    for told in (blocks.how_to_close("end it"), blocks.how_to_close("end it", "held")):
        assert told == (
            f"a fixture of the scope {scope!r} holds the fault x open, perhaps for an earlier test; "
            f"give that fixture the scope 'function'{elsewhere}"
        )
