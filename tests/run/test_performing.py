"""A script that does not come to its end: what had been seen is kept. On a made-up stage, without a lab."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from scenarios.evidence.record import LegCapture, Patience
from scenarios.evidence.stalls import Stall, Stalls
from scenarios.faults.catch import Caught
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.run.performance import BrokeOff, Performance
from scenarios.run.session import Happened, Interrupted
from scenarios.spec.cell import Cell
from scenarios.spec.outcome import Outcome
from scenarios.spec.steps import Call
from tests.report.making import call_of
from tests.run.faking import cells

CAPTURES = {leg: LegCapture(leg, b"captured", 3, 0) for leg in ("client-leg", "server-leg")}


STALLS = Stalls((Stall("server", "held", 1, 2),))


class Meter:
    """It meters from begin to stop, and tells once."""

    def __init__(self) -> None:
        self.is_on = False

    def begin(self, **_: object) -> None:
        self.is_on = True

    def wait(self) -> None:
        assert self.is_on

    def stop(self, **_: object) -> None:
        assert self.is_on

    def end(self, _: object, in_play: set[str]) -> Stalls:
        assert self.is_on
        assert {"client", "server", "firewall"} <= in_play
        self.is_on = False
        return STALLS

    def give_up(self) -> None:
        self.is_on = False


class Server:
    """A program that runs until it is stopped."""

    def __init__(self) -> None:
        self.lines = ["starting", "listening on"]
        self.is_stopped = False

    def stop(self) -> int:
        self.is_stopped = True
        return 0


class Pending:
    """A call that ends when it is cancelled, and then tells what it printed."""

    began_s, timeout_s = 0.0, 1.0

    def __init__(self) -> None:
        self.ended = False

    def wait(self) -> Any:
        return replace(call_of(Outcome.CANCELLED, said="half an answer\n"))

    def cancel(self) -> None:
        self.ended = True


class Script(Performance):
    """A performance whose lab is made up. `happens` is what its script does."""

    def __init__(self, happens: Any, *, interrupted: bool = False, stop: Any = None) -> None:
        cell: Cell = cells(1)[0]
        capture = SimpleNamespace(stop=stop or (lambda: CAPTURES))
        stage = SimpleNamespace(
            lab=Lab(1),
            disturbed=False,
            interrupted=lambda: interrupted,
            happened=lambda _: None,
            check_interrupted=lambda: None,
            dissector=SimpleNamespace(prepare=lambda *_: None, frames=lambda *_: []),
            flows=SimpleNamespace(of_script=lambda frames: frames),
            capturing=SimpleNamespace(capture=lambda _: contextlib.nullcontext(capture)),
            metering=Meter(),
            settings=lambda _: {},
        )
        super().__init__(stage, cell, True)  # type: ignore[arg-type]
        self.happens = happens
        self.settling.set_earlier_aside = lambda: None  # type: ignore[method-assign]
        self.settling.settle = lambda server: None  # type: ignore[method-assign] # noqa: ARG005
        self.servers.start = self.start_servers  # type: ignore[method-assign]

    def start_servers(self) -> None:
        self.servers.current = self.servers.started["server"] = Server()  # type: ignore[assignment]

    def play(self) -> None:
        self.run.note("the script begins")
        self.happens(self)


def broken(happens: Any, **more: Any) -> BrokeOff:
    with pytest.raises(BrokeOff) as raised:
        Script(happens, **more).perform()
    return raised.value


def in_force(made: Script) -> None:
    made.faults.applied["lose-one"] = SimpleNamespace(read_hits=lambda: Caught(2), end=lambda *_: Caught(2))
    made.faults.stack.callback(made.run.note, "lose-one is undone")
    raise LabProblem("the call did not end")


def test_captures_logs_events_and_hits_of_a_script_that_broke_off_are_kept() -> None:
    told = broken(in_force)
    assert str(told) == "the call did not end"
    assert isinstance(told.problem, LabProblem)
    assert told.seen.service == cells(1)[0].chosen.name
    assert told.seen.captures == CAPTURES
    assert set(told.seen.frames) == {"client-leg", "server-leg"}
    assert told.seen.logs["server"] == ["starting", "listening on"]
    assert told.seen.caught == {"lose-one": Caught(2)}
    assert [each.what for each in told.seen.events] == [
        "the script begins",
        "lose-one is undone",
        "broke off: the call did not end",
    ]


def test_the_stalls_of_a_script_that_broke_off_are_kept() -> None:
    assert broken(in_force).seen.stalls is STALLS


def test_the_stalls_of_a_script_whose_lab_was_found_broken_after_it_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def check_machines(_: Lab) -> None:
        raise LabProblem("of lab 1, web is paused")

    monkeypatch.setattr(Lab, "check_machines", check_machines)
    told = broken(lambda _: None)
    assert str(told) == "of lab 1, web is paused"
    assert (told.seen.stalls, told.seen.captures) == (STALLS, CAPTURES)
    assert not [each.what for each in told.seen.events if "are lost" in each.what]  # they were ended once


def test_a_script_that_broke_off_before_it_began_says_that_its_stalls_are_not_known() -> None:
    class NotStarting(Script):
        def start_servers(self) -> None:
            raise LabProblem("the server does not listen")

    with pytest.raises(BrokeOff) as raised:
        NotStarting(lambda _: None).perform()
    (unseen,) = raised.value.seen.stalls.unseen
    assert unseen == "the stalls: the script broke off before its captures were ended"


def test_what_cannot_be_had_any_more_is_told_and_hides_no_reason() -> None:
    def gone() -> None:
        raise OSError("the firewall is gone")

    told = broken(in_force, stop=gone)
    assert str(told) == "the call did not end"
    assert (told.seen.stalls, told.seen.captures) == (STALLS, {})
    assert "the captures are lost: the firewall is gone" in [each.what for each in told.seen.events]


def test_a_server_that_did_not_come_to_listen_leaves_what_it_printed() -> None:
    class NotListening(Script):
        def start_servers(self) -> None:
            super().start_servers()
            self.servers.current = None
            raise LabProblem("not within 30 s")

    with pytest.raises(BrokeOff) as raised:
        NotListening(lambda _: None).perform()
    assert raised.value.seen.logs["server"] == ["starting", "listening on"]


def test_a_call_that_is_given_up_is_kept_with_what_it_printed() -> None:
    def happens(made: Script) -> None:
        made.calls.pending["hello"] = [Pending()]  # type: ignore[list-item]
        raise LabProblem("a fault could not be healed")

    told = broken(happens)
    assert [each.outcome for each in told.seen.calls["hello"]] == [Outcome.CANCELLED]
    assert told.seen.logs["hello"] == ["half an answer"]


def test_a_call_that_is_waited_for_is_given_up_when_the_wait_is_interrupted() -> None:
    pending = Pending()

    def happens(made: Script) -> None:
        made.calls.pending["hello"] = [pending]  # type: ignore[list-item]

        def interrupted(*_: object) -> Iterator[None]:
            raise Interrupted

        made.calls.wait_until = interrupted  # type: ignore[method-assign,assignment]
        made.calls.finish("hello")

    with pytest.raises(Interrupted):
        Script(happens, interrupted=True).perform()
    assert pending.ended


def test_an_interrupt_is_no_script_that_broke_off() -> None:
    def happens(_: Script) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        Script(happens).perform()


def test_each_event_is_told_as_it_happens_with_the_faults_that_are_in_force() -> None:
    def happens(made: Script) -> None:
        made.run.in_force.append("lose-one")
        made.faults.applied["lose-one"] = SimpleNamespace(read_hits=lambda: Caught(2), end=lambda *_: Caught(2))
        made.run.note("lose-one is in force")
        made.faults.heal("lose-one")
        made.run.note("the script ends")

    made = Script(happens)
    told: list[Happened] = []
    made.stage.happened = told.append
    made.stage.lab.check_machines = lambda: None  # type: ignore[method-assign]
    made.perform()
    assert [(each.what, each.in_force, each.armed) for each in told] == [
        ("the script begins", (), True),
        ("lose-one is in force", ("lose-one",), True),
        ("lose-one is undone", (), True),
        ("the script ends", (), True),
    ]
    assert [each.at_ns for each in told] == sorted(each.at_ns for each in told)


def test_a_fault_that_is_not_healed_is_told_to_be_undone_at_the_end() -> None:
    def happens(made: Script) -> None:
        made.run.in_force.append("lose-one")
        made.faults.applied["lose-one"] = SimpleNamespace(
            read_hits=lambda: Caught(2), end=lambda *_: Caught(2), count_held=lambda: 0
        )

    made = Script(happens)
    told: list[Happened] = []
    made.stage.happened = told.append
    made.stage.lab.check_machines = lambda: None  # type: ignore[method-assign]
    made.perform()
    assert (told[-1].what, told[-1].in_force) == ("lose-one is undone", ())


def test_an_interrupt_ends_the_wait_for_the_last_call_of_a_run_beside_another_client_and_the_call() -> None:
    made, last = Script(lambda _: None), Pending()
    told: list[str] = []

    def check_interrupted() -> None:
        if told:
            raise Interrupted

    def begin(call: Call, gate: object = None) -> Pending:  # noqa: ARG001
        if call.name == "again":
            told.append("SIGINT")
            return last
        other = Pending()
        other.cancel()
        return other

    made.stage.caller = SimpleNamespace(open=lambda *_: None)  # type: ignore[assignment]
    made.stage.interrupted = lambda: bool(told)
    made.stage.check_interrupted = check_interrupted  # type: ignore[method-assign]
    made.calls.begin = begin  # type: ignore[method-assign,assignment]
    last.wait = lambda: pytest.fail("nobody hears an interrupt here")  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        made.perform_beside(Patience(1.0))
    assert last.ended
