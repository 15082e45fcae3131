"""One word for what became of a service: from how the call ended, what others met with, and what came afterwards."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from scenarios.calls.call import Call
from scenarios.evidence.record import Beside, Patience, Seen
from scenarios.evidence.stalls import Stall, Stalls
from scenarios.faults.catch import Caught
from scenarios.spec.catalogue import DRILLS, chosen_service, load_drill
from scenarios.spec.cell import Cell
from scenarios.spec.outcome import Outcome
from scenarios.verdict.behaviour import behaviour_of
from scenarios.verdict.check import Verdict
from scenarios.verdict.survival import Survival, is_measurable, stood_still, survival


def call(outcome: Outcome = Outcome.ANSWERED, errno: str | None = None, duration_s: float = 0.02) -> Call:
    return Call(
        host="client", argv=("x",), outcome=outcome, errno=errno, status=0, signal=None, stdout="", stderr="",
        dropped_bytes=0, started_s=0.0, duration_s=duration_s, cpu_s=0.0, warm=True,
    )  # fmt: skip


def cell(service: str = "echo/selectors", drill: str = "lost-syn") -> Cell:
    found = load_drill(DRILLS / f"{drill}.yaml")
    return Cell(found, chosen_service(found, service), "le-le")


def evidence(*calls: Call) -> Seen:
    return Seen(
        armed=True, port=7007, addresses={}, client_side=frozenset(), calls={"hello": calls}, caught={}, looks={},
        logs={}, captures={}, frames={}, events=(),
    )  # fmt: skip


WELL = Beside((call(),), call())
HUNG = call(Outcome.HUNG, duration_s=3.0)


def survival_of(
    *calls: Call, beside: Beside | str = WELL, verdict: Verdict = Verdict.PASS, of: Cell | None = None
) -> Survival:
    return survival(of or cell(), verdict, evidence(*(calls or (call(),))), beside)


@pytest.mark.parametrize(
    ("ended", "word"),
    [
        (call(), "survived"),
        (call(Outcome.REFUSED, "ECONNREFUSED"), "refused ECONNREFUSED"),
        (call(Outcome.RESET, "ECONNRESET"), "reset ECONNRESET"),
        (call(Outcome.TIMED_OUT, duration_s=7.2), "timed out 7 s"),
        (call(Outcome.TIMED_OUT, duration_s=0.51), "timed out 0.5 s"),
        (call(Outcome.UNREACHABLE, "EHOSTUNREACH"), "unreachable EHOSTUNREACH"),
        (call(Outcome.HUNG, duration_s=30), "hung 30 s"),
        (call(Outcome.BROKEN_OFF), "broken off"),
        (call(Outcome.WRONG_ANSWER), "wrong answer"),
    ],
    ids=str,
)
def test_the_word_is_how_the_call_ended_with_its_errno_or_its_time(ended: Call, word: str) -> None:
    assert survival_of(ended, verdict=Verdict.FAIL).word == word


def test_of_several_calls_the_word_is_what_became_of_most_and_of_how_many() -> None:
    lost = call(Outcome.RESET, "ECONNRESET")
    assert survival_of(call(), lost, lost, verdict=Verdict.FAIL).word == "reset ECONNRESET, 2 of 3"


@pytest.mark.parametrize(
    ("drill", "calls", "word"),
    [
        ("restart-without-reuseaddr", {"before": call(), "after": call(Outcome.REFUSED, "ECONNREFUSED")},
         "refused ECONNREFUSED"),
        ("pmtu-black-hole", {"small": call(), "large": call(Outcome.TIMED_OUT, duration_s=9.0)}, "timed out 9 s"),
        # of a second server that is started as a call, the claim is no word of the client
        ("port-taken", {"second": call(Outcome.FAILED, "EADDRINUSE"), "hello": call()}, "survived"),
    ],
)  # fmt: skip
def test_a_call_that_shows_how_it_was_before_the_failure_is_not_what_the_word_is_of(
    drill: str, calls: dict[str, Call], word: str
) -> None:
    """It said `survived` of a server that could not be started again, in green, and of a black hole."""
    found = load_drill(DRILLS / f"{drill}.yaml")
    made = Cell(found, chosen_service(found, found.service), "le-le")
    seen = replace(evidence(), calls={name: (each,) for name, each in calls.items()})
    of = survival(made, Verdict.PASS, seen, WELL)
    assert (of.word, of.promised) == (word, of.kind)


def test_a_drill_that_fails_is_not_as_promised_and_says_what_was() -> None:
    found = survival_of(call(Outcome.RESET, "ECONNRESET"), verdict=Verdict.FAIL)
    assert (found.is_as_promised, found.promised) == (False, "survived")
    assert found.otherwise == "reset ECONNRESET, promised: survived"
    assert survival_of().is_as_promised is True
    assert survival_of().otherwise == ""


@pytest.mark.parametrize("verdict", [Verdict.UNPROVEN, Verdict.UNSUPPORTED])
def test_what_is_not_proven_is_neither_as_promised_nor_not(verdict: Verdict) -> None:
    found = survival_of(verdict=verdict, beside="")
    assert (found.word, found.is_as_promised) == (verdict.value, None)


@pytest.mark.parametrize(
    ("meanwhile", "others", "by_many", "by_one_at_a_time", "by_one"),
    [
        (call(), "served", True, True, True),
        (call(duration_s=2.04), "served late: 2.0 s", False, True, True),
        (HUNG, "not served: within 3 s", False, True, True),
        (call(Outcome.RESET, "ECONNRESET"), "failed: reset ECONNRESET", False, False, True),
        (call(Outcome.REFUSED, "ECONNREFUSED"), "gone: refused ECONNREFUSED", False, False, True),
    ],
    ids=["served", "late", "hung", "reset", "refused"],
)
def test_what_others_meet_with_is_held_against_how_many_the_server_says_that_it_serves(
    meanwhile: Call, others: str, by_many: bool, by_one_at_a_time: bool, by_one: bool
) -> None:
    servers = {"echo/selectors": by_many, "echo/blocking": by_one_at_a_time, "echo/once": by_one}
    for service, as_promised in servers.items():
        found = survival_of(beside=Beside((call(), meanwhile), call()), of=cell(service))
        assert (found.others, found.others_as_promised) == (others, as_promised), service


def _with_an_image(ours: Cell, *, contract: bool) -> Cell:
    """The same cell, with a client that a stranger wrote."""
    service, name = ours.chosen.service, ours.chosen.client_name
    client = replace(ours.chosen.client, image="his", contract=contract)
    return replace(
        ours, chosen=replace(ours.chosen, service=replace(service, clients={**service.clients, name: client}))
    )


def test_a_strangers_client_that_ends_well_without_its_answer_is_said_to_have_had_a_wrong_one_by_nobody() -> None:
    """It printed a value of its own where the server was gone: that an answer came is more than is known."""
    found = replace(call(Outcome.WRONG_ANSWER), guest=True, status=0)
    after = survival_of(beside=Beside((call(),), found)).after
    assert after == "failed: exit status 0, and it did not print what `prints` wants"
    assert survival_of(beside=Beside((call(),), call(Outcome.WRONG_ANSWER))).after == "failed: wrong answer"


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (call(Outcome.REFUSED, "ECONNREFUSED"), "gone: refused ECONNREFUSED"),
        (call(Outcome.FAILED), "failed: failed"),  # it printed "cannot reach the server"
        (HUNG, "not served: within 3 s"),  # it waits for its server, and tries again
    ],
    ids=["refused", "no errno", "waits"],
)
@pytest.mark.parametrize("drill", ["any-refused", "any-half-open"])
def test_that_a_server_is_gone_is_met_whatever_a_strangers_client_says_of_it(
    drill: str, found: Call, word: str
) -> None:
    ours = cell(drill=drill)
    his, keeps = (_with_an_image(ours, contract=contract) for contract in (False, True))
    assert his.chosen.image == "his"
    beside = Beside((found,) if drill == "any-refused" else (call(),), found)
    survived = survival_of(beside=beside, of=his)
    assert (survived.after, survived.after_as_promised) == (word, True)
    assert survived.others_as_promised is True
    is_refused = found.outcome is Outcome.REFUSED
    assert survival_of(beside=beside, of=ours).after_as_promised is is_refused  # ours say what they met with
    assert survival_of(beside=beside, of=keeps).after_as_promised is is_refused
    answered = survival_of(beside=Beside((found,), call()), of=his)
    assert (answered.after, answered.after_as_promised) == ("well", False), "a server that is there is not gone"


def test_of_a_call_that_started_a_program_the_time_says_that_the_program_is_in_it() -> None:
    cold = replace(call(duration_s=9.0), warm=False)
    assert (
        survival_of(beside=Beside((cold,), call())).others
        == "served late: 9.0 s with the start and the end of its program"
    )


def test_a_server_that_keeps_others_waiting_has_blocked_them_though_its_own_client_survived() -> None:
    assert survival_of(beside=Beside((HUNG,), call())).word == "blocked others"
    # where the failure itself cuts everybody off, that is not the server's doing
    drill = replace(cell().drill, others=("not served", "failed"))
    found = survival_of(beside=Beside((HUNG,), call()), of=Cell(drill, cell().chosen, "le-le"))
    assert (found.word, found.others_as_promised) == ("survived", True)
    assert survival_of(of=Cell(drill, cell().chosen, "le-le")).others_as_promised is False  # they were not cut off
    # and a server that serves one at a time may keep them waiting besides
    found = survival_of(
        beside=Beside((call(duration_s=2.0),), call()), of=Cell(drill, cell("echo/blocking").chosen, "le-le")
    )
    assert found.others_as_promised


def test_a_server_that_is_not_well_when_all_is_undone_is_told() -> None:
    found = survival_of(beside=Beside((call(),), HUNG))
    assert (found.after, found.after_as_promised) == ("not served: within 3 s", False)
    assert found.otherwise == "afterwards: not served: within 3 s, promised: well"


def test_what_could_not_be_asked_is_not_taken_for_well() -> None:
    found = survival_of(beside="the server did not come to listen")
    assert found.others == "not known: the server did not come to listen"
    assert (found.is_as_promised, found.otherwise) == (None, "")
    assert found.unknown.startswith("others meanwhile: not known: the server did not come to listen; afterwards: ")
    assert survival_of(beside=Beside((HUNG,), call())).is_as_promised is False


def test_nobody_is_asked_of_a_server_in_whose_place_another_program_stands() -> None:
    assert is_measurable(cell())
    assert not is_measurable(cell(drill="broken-pipe"))
    assert is_measurable(cell(drill="descriptors-used-up"))  # that one runs the server itself, with fewer descriptors


def test_the_word_of_a_drill_that_claims_nothing_of_the_program_is_of_the_last_of_its_calls() -> None:
    of = cell(drill="any-killed-after-answer")
    made = replace(evidence(), calls={"before": (call(),), "next": (call(Outcome.REFUSED, "ECONNREFUSED"),)})
    assert survival(of, Verdict.PASS, made, WELL, behaviour_of(of.drill, None, made)).word == "refused (ECONNREFUSED)"


def test_a_drill_that_claims_nothing_of_the_program_has_its_word_all_the_same() -> None:
    asked = cell()
    kept = tuple(each for each in asked.drill.expect if not each.outcome)
    asked = replace(asked, drill=replace(asked.drill, expect=kept, fits=("tcp",)))
    armed = evidence(call(Outcome.TIMED_OUT, duration_s=5.0))
    found = survival(asked, Verdict.PASS, armed, WELL, behaviour_of(asked.drill, None, armed))
    assert (found.word, found.is_as_promised) == ("timed out 5.0 s", True)
    found = survival(asked, Verdict.FAIL, armed, WELL, behaviour_of(asked.drill, None, armed))
    assert (found.word, found.notes) == ("timed out 5.0 s", ((False, "promised: what the drill claims"),))


def test_the_word_of_a_program_from_elsewhere_is_what_it_did_and_is_there_where_the_claim_is_unproven() -> None:
    asked = cell("caddy/respond", "any-refused")
    armed = evidence(call(Outcome.REFUSED, "ECONNREFUSED"))
    told = behaviour_of(asked.drill, None, armed)
    assert survival(asked, Verdict.PASS, armed, "", told).word == "refused (ECONNREFUSED)"
    unproven = survival(asked, Verdict.UNPROVEN, armed, "", told)
    assert (unproven.word, unproven.is_as_promised) == ("unproven", None)  # the failure did not happen, it may be
    armed = replace(armed, caught={each.name: Caught(1) for each in asked.drill.faults})
    unproven = survival(asked, Verdict.UNPROVEN, armed, "", told)
    assert (unproven.word, unproven.is_as_promised) == ("refused (ECONNREFUSED)", None)


def test_another_client_has_the_patience_that_the_control_shows_it_needs() -> None:
    """A program that starts for 2.7 s is not unserved after 3 s."""
    slow = replace(call(duration_s=2.7), warm=False)
    patience = Patience.shown_by(evidence(slow))
    assert patience.within_s == 3 + 2 * 2.7
    late = replace(slow, duration_s=5.6)
    assert survival_of(beside=Beside((late,), late, patience)).notes == ()
    assert survival_of(beside=Beside((late,), late)).notes != ()
    assert Patience.shown_by(evidence(call(duration_s=2.7))).within_s == 3  # a warm one has no start in its time
    unserved = replace(slow, outcome=Outcome.HUNG, duration_s=8.4)
    assert survival_of(beside=Beside((unserved,), late, patience)).others == "not served: within 8.4 s"


def stalled(*moments_s: tuple[float, float], machine: str = "server") -> Stalls:
    """Stalls of a machine in play, from and to seconds since the epoch, where each call begins."""
    found = [Stall(machine, "starved", int(began * 1e9), int(ended * 1e9)) for began, ended in moments_s]
    return Stalls(found, in_play={"client", "server", "firewall"})


@pytest.mark.parametrize(
    ("made", "stalls", "known"),
    [
        (call(duration_s=1.1), stalled((0.2, 0.4)), False),  # 0.9 s without it, which is not late
        (call(duration_s=9.0), stalled((0.2, 0.4)), True),  # late all the same
        (call(duration_s=1.1), stalled((2.0, 4.0)), True),  # after it
        (call(duration_s=1.1), stalled((0.2, 0.4), machine="bystander-of-nobody"), True),
        (HUNG, stalled((0.0, 2.0)), False),
        (HUNG, stalled((0.0, 0.2)), True),
        (call(Outcome.RESET, "ECONNRESET", 0.5), stalled((0.1, 0.3)), False),
        (call(Outcome.RESET, "ECONNRESET", 0.5), stalled((0.1, 0.13)), True),
    ],
    ids=["late", "too late", "afterwards", "elsewhere", "unserved", "unserved all the same", "reset", "reset at once"],
)
def test_what_a_stall_may_have_made_of_other_clients_is_not_known_and_not_red(
    made: Call, stalls: Stalls, known: bool
) -> None:
    for beside in (Beside((made,), call(), stalls=stalls), Beside((call(),), made, stalls=stalls)):
        found = survival_of(beside=beside)
        assert stood_still(cell(), beside) is not known
        assert found.is_as_promised is (False if known else None)
        assert bool(found.otherwise) is known
        if not known:
            assert re.search(r"not known: server waited for a processor for \d", found.unknown)


def test_what_is_as_promised_is_doubted_by_no_stall() -> None:
    beside = Beside((HUNG,), call(), stalls=stalled((0.0, 2.0)))
    assert survival_of(beside=beside, of=cell("echo/blocking")).is_as_promised
    assert not stood_still(cell("echo/blocking"), beside)
