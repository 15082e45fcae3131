"""What stalls do to verdicts: a check that one may have made is unproven, and names it; any other stays what it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from scenarios.calls.call import Call
from scenarios.evidence.frame import Frame
from scenarios.evidence.pauses import Pause, without
from scenarios.evidence.record import Event, Seen
from scenarios.evidence.repetitions import acknowledged_in_a_stall, repeated_by_a_stall
from scenarios.evidence.stalls import (
    MACHINE,
    RUNNER,
    Stall,
    Stalls,
    joined,
    may_enter,
    may_leave,
    overtaken_in_a_stall,
)
from scenarios.faults.catch import Caught
from scenarios.spec.catalogue import DRILLS, load_drill
from scenarios.spec.drill import Drill
from scenarios.spec.outcome import Outcome
from scenarios.spec.roles import LegName
from scenarios.spec.service import services
from scenarios.spec.units import Band
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.judge import judged, judged_alone
from tests.verdict.test_judging import CLIENT, CLIENT_LEG, SERVER, SERVER_LEG, call, drill, frame, run_with

__all__ = ["drill"]  # the fixture


def stall(began_s: float, ended_s: float, machine: str = MACHINE, why: str = "still", **of: object) -> Stall:
    return Stall(machine, why, int(began_s * 1e9), int(ended_s * 1e9), **of)  # type: ignore[arg-type]


def with_stalls(evidence: Seen, *found: Stall) -> Seen:
    return replace(evidence, stalls=Stalls(found, in_play=("client", "server", "firewall")))


def the_check(of: Drill, armed: Seen) -> Check:
    """The one that the drill of the test is about: its last."""
    return judged(of, run_with(armed=False, caught={}), armed)[1][-1]


def calls(*taken: Call) -> dict[str, Sequence[Call]]:
    return {"hello": taken}


def legs(*client_leg: Frame) -> dict[LegName, Sequence[Frame]]:
    return {"client-leg": client_leg, "server-leg": SERVER_LEG}


TIMED_OUT = call(Outcome.TIMED_OUT, duration_s=2.0)
LATE = call(duration_s=1.6)
ANSWER = CLIENT_LEG[2]

# An expectation, evidence on which it fails, a stall that may have made that, and one that may not.
FAILS: list[tuple[str, dict[str, object], Stall, Stall]] = [
    ("duration: {call: hello, is: 0.9s to 1s}", {"calls": calls(LATE)}, stall(0.5, 1.2), stall(1.7, 2.4)),
    ("duration: {call: hello, is: 0.9s to 1s}", {"calls": calls(LATE)}, stall(0.5, 1.2), stall(0.5, 0.58)),
    ("duration: {call: hello, is: 0.9s to 1s}", {"calls": calls(call(duration_s=9))}, stall(1, 7), stall(0.5, 1.2)),
    ("duration: {call: hello, is: 1.7s to 2s}", {"calls": calls(LATE)}, stall(0.5, 1.2), stall(1.7, 2.4)),
    ("packets: {at: client-leg, where: syn, apart: 0.1s to 0.5s, exactly: 2}", {}, stall(0.2, 0.9), stall(1.1, 1.9)),
    ("packets: {at: client-leg, where: syn, apart: 0s to 0.99s, exactly: 2}", {}, stall(0.2, 0.25), stall(0.2, 0.205)),
    ("packets: {at: client-leg, where: syn, took: 2ms to 5ms, exactly: 1}", {}, stall(0.5, 0.7), stall(2, 2.02)),
    ("packets: {at: client-leg, where: syn, exactly: 1}", {}, stall(0.2, 0.9), stall(0.2, 0.22)),
    ("hits: {fault: lose, exactly: 1}", {"caught": {"lose": Caught(2)}}, stall(0.2, 0.9), stall(0.2, 0.22)),
    ("outcome: {call: hello, is: answered}", {"calls": calls(TIMED_OUT)}, stall(0.2, 0.9), stall(0.2, 0.28)),
    ("order: {at: client-leg, of: [answer, syn]}", {}, stall(0.2, 0.9), stall(0.2, 0.22)),
    ("sockets: {look: after, state: LAST-ACK}", {}, stall(0.2, 0.9), stall(0.2, 0.28)),
    ("log: {of: server, line: done}", {}, stall(0.2, 0.9), stall(0.2, 0.28)),
]  # fmt: skip


def check_doubted(drill: Drill, evidence: Seen, made: Stall, did_not: Stall) -> tuple[Verdict, str]:
    """Assert that one stall makes the check unproven, and that the other leaves it as it is without any.

    Return the verdict without a stall, and which stall the unproven one names.
    """
    alone = the_check(drill, evidence).holds
    doubted = the_check(drill, with_stalls(evidence, made))
    assert doubted.holds is Verdict.UNPROVEN
    # What was expected and seen proves nothing then: the sentence says why.
    assert ("as that may have made it" in doubted.sentence) is (alone is Verdict.PASS)
    stays = the_check(drill, with_stalls(evidence, did_not))
    assert (stays.holds, stays.stalled) == (alone, "")
    return alone, doubted.stalled


@pytest.mark.parametrize(
    ("drill", "evidence", "made", "did_not"), FAILS, indirect=["drill"], ids=[each[0] for each in FAILS]
)
def test_a_failure_that_a_stall_may_have_made_is_unproven_and_any_other_stays_one(
    drill: Drill, evidence: dict[str, object], made: Stall, did_not: Stall
) -> None:
    assert check_doubted(drill, run_with(**evidence), made, did_not) == (Verdict.FAIL, made.says(0))


# Both SYNs came to the other leg: so the second may be one that a stall made.
CROSSED: dict[str, object] = {
    "frames": {"client-leg": CLIENT_LEG, "server-leg": [frame(9, 0.001, "syn", ident=1), *SERVER_LEG]}
}
LOOKED: dict[str, object] = {"look_times_ns": {"after": (2_000_000_000, 2_050_000_000)}}
ENDED: dict[str, object] = {"captured_until_ns": 3_000_000_000}
# An expectation, evidence on which it passes, a stall that may have made that, and one that may not: it was too short,
# or it was over, and nothing came of it, long before what came next.
PASSES: list[tuple[str, dict[str, object], Stall, Stall]] = [
    ("duration: {call: hello, is: 0.9s to 3s}", {}, stall(0.8, 0.95), stall(0.95, 0.99)),
    ("duration: {call: hello, is: 0.9s to 3s}", {}, stall(0.8, 0.95), stall(0.5, 0.7)),
    ("duration: {call: hello, is: 0.9s to 3s}", {}, stall(0.8, 0.95), stall(1.3, 2.5)),
    ("packets: {at: client-leg, where: syn, exactly: 2, apart: 0.9s to 1.5s}", {}, stall(0.8, 1.0), stall(0.5, 0.7)),
    ("packets: {at: client-leg, where: syn, exactly: 2, apart: 0.9s to 1.1s}", {}, stall(-0.2, 0), stall(1.1, 1.5)),
    ("packets: {at: client-leg, where: syn, took: 0.5ms to 5ms, exactly: 1}", {}, stall(0.8, 1.1), stall(0.2, 0.3)),
    ("packets: {at: client-leg, where: syn, exactly: 2}", CROSSED, stall(0.1, 0.9), stall(0.4, 0.6)),
    ("packets: {at: client-leg, where: syn, exactly: 2}", ENDED, stall(1.02, 3.1), stall(2.4, 3.1)),
    ("packets: {at: client-leg, where: syn, exactly: 2}", ENDED, stall(1.02, 3.1), stall(1.02, 2.5)),
    ("packets: {at: client-leg, where: tcp.time_relative < 3, exactly: 0}", {}, stall(0.8, 0.95), stall(0.4, 0.6)),
    ("outcome: {call: hello, is: timed out}", {"calls": calls(TIMED_OUT)}, stall(0.2, 0.9), stall(0.2, 0.5)),
    ("order: {at: client-leg, of: [syn, answer]}", {}, stall(-0.1, 1.005), stall(0.2, 0.9)),
    ("sockets: {look: after, state: CLOSE-WAIT}", LOOKED, stall(1.0, 2.01), stall(1.2, 2.01)),
    ("sockets: {look: after, state: CLOSE-WAIT}", LOOKED, stall(1.0, 2.01), stall(1.0, 1.9)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("drill", "evidence", "made", "did_not"), PASSES, indirect=["drill"], ids=[each[0] for each in PASSES]
)
def test_a_pass_is_never_made_by_a_stall_and_no_other_stall_takes_it_away(
    drill: Drill, evidence: dict[str, object], made: Stall, did_not: Stall
) -> None:
    verdict, named = check_doubted(drill, run_with(**evidence), made, did_not)
    assert verdict is Verdict.PASS
    assert named


def test_an_order_is_made_by_no_stall_of_who_sent_the_earlier_one_nor_within_one_connection() -> None:
    request, answer = replace(CLIENT_LEG[0], time_ns=1_000_000_000), replace(ANSWER, time_ns=1_005_000_000)
    machines = {CLIENT: "client", SERVER: "server"}

    def made(order: Sequence[Frame], machine: str, leg: Sequence[Frame] = ()) -> bool:
        found = Stalls([stall(0.9, 1.0, machine)], in_play=("client", "server"))
        return overtaken_in_a_stall(order, found, machines, leg) is not None

    assert not made([request, answer], "client")
    assert made([request, answer], "server")
    assert made([request, answer], MACHINE)
    more = replace(request, number=9, seq=2, time_ns=1_005_000_000)
    assert not made([request, more], "client")
    another = replace(more, source_port=40001)
    assert made([request, another], "client")
    begun = replace(
        another, number=8, time_ns=1_002_000_000, flags=frozenset({"SYN"})
    )  # so it was not held up any more
    assert not made([request, another], "client", [begun])
    assert made([request, another], "client", [replace(begun, flags=frozenset({"ACK"}))])  # which a kernel sends alone


def test_a_connection_that_began_after_the_earlier_frame_may_be_late_by_all_stalls_until_then() -> None:
    """Of a client that was kept from running again and again for 4 s: what it was to meet was over when it came."""
    end = replace(CLIENT_LEG[0], flags=frozenset({"FIN"}), source_port=40001, time_ns=3_000_000_000)
    syn = replace(CLIENT_LEG[0], number=8, time_ns=5_000_000_000)
    answer = replace(
        syn,
        number=9,
        source=syn.destination,
        source_port=syn.destination_port,
        destination=syn.source,
        destination_port=syn.source_port,
        payload=b"x",
        flags=frozenset({"ACK"}),
        time_ns=5_010_000_000,
    )
    machines = {CLIENT: "client", SERVER: "server"}

    def made(times: int, leg: Sequence[Frame]) -> bool:
        starved = [stall(0.1 * at, 0.1 * at + 0.08, "client", "starved") for at in range(times)]
        found = Stalls(starved, in_play=("client", "server"))
        return overtaken_in_a_stall([end, answer], found, machines, leg) is not None

    assert made(40, [syn, answer])
    assert not made(20, [syn, answer]), "1.6 s of 2"
    assert not made(40, [replace(syn, time_ns=2_900_000_000), answer]), "it was there before"


@pytest.mark.parametrize("drill", ["outcome: {call: hello, is: reset}"], indirect=True)
@pytest.mark.parametrize(
    ("after_s", "stood_s", "holds"),
    [(0.01, 0.35, Verdict.PASS), (0.5, 0.35, Verdict.UNPROVEN), (0.5, 0.2, Verdict.PASS)],
    ids=["at once", "after a silence", "after less than any timer"],
)
def test_a_reset_that_comes_at_once_is_no_timers_and_no_stall_makes_it(
    drill: Drill, after_s: float, stood_s: float, holds: Verdict
) -> None:
    request = replace(CLIENT_LEG[0], number=5, time_ns=200_000_000)
    back = frame(6, 0.2 + after_s, source=SERVER, to=CLIENT)
    reset = replace(back, source_port=65432, destination_port=40000, flags=frozenset({"RST"}))
    evidence = run_with(calls=calls(call(Outcome.RESET, "ECONNRESET")), frames=legs(*CLIENT_LEG[:1], request, reset))
    assert the_check(drill, evidence).holds is Verdict.PASS
    assert the_check(drill, with_stalls(evidence, stall(0.3, 0.3 + stood_s, "server"))).holds is holds


@pytest.mark.parametrize(
    "drill", ["packets: {at: client-leg, where: syn, took: 0.5ms to 5ms, exactly: 1}"], indirect=True
)
def test_a_crossing_is_made_by_no_stall_of_an_end(drill: Drill) -> None:
    for machine, holds in (("server", Verdict.PASS), ("firewall", Verdict.UNPROVEN)):
        assert the_check(drill, with_stalls(run_with(), stall(0.8, 1.1, machine))).holds is holds


@pytest.mark.parametrize("drill", ["packets: {at: client-leg, where: sack, at_least: 1}"], indirect=True)
def test_the_acknowledgement_of_what_a_stall_had_sent_again_proves_nothing_either(drill: Drill) -> None:
    """The segment is there twice, and the second acknowledgement says so by a DSACK: no segment was ever lost."""
    one = replace(frame(4, 2.0), payload=b"hello", flags=frozenset({"ACK", "PSH"}))
    again = replace(one, number=6, time_ns=2_100_000_000)
    back = replace(
        frame(5, 2.09, source=SERVER, to=CLIENT), source_port=65432, destination_port=40000, flags=frozenset({"ACK"})
    )
    dsack = replace(back, number=7, time_ns=2_110_000_000, marks=frozenset({"sack"}))
    late = [replace(each, time_ns=each.time_ns + 1_000_000) for each in (one, again)]
    evidence = run_with(
        frames={"client-leg": [*CLIENT_LEG, one, back, again, dsack], "server-leg": [*SERVER_LEG, *late]}
    )
    assert the_check(drill, evidence).holds is Verdict.PASS
    assert the_check(drill, with_stalls(evidence, stall(2.01, 2.08, "server"))).holds is Verdict.UNPROVEN
    another = replace(dsack, number=8, time_ns=2_200_000_000)
    frames = {**evidence.frames, "client-leg": [*evidence.frames["client-leg"], another]}
    two = replace(evidence, frames=frames)
    assert the_check(drill, with_stalls(two, stall(2.01, 2.08, "server"))).holds is Verdict.PASS


@pytest.mark.parametrize(
    "drill", ["packets: {at: client-leg, where: syn, exactly: 2, apart: 0.9s to 1.5s}"], indirect=True
)
def test_the_time_until_a_kernel_sends_again_is_made_by_no_program_that_stands_still(drill: Drill) -> None:
    again = (stall(0.8, 1.0, "client"), Verdict.PASS), (stall(0.8, 1.0, "firewall"), Verdict.PASS)
    another = run_with(frames=legs(CLIENT_LEG[0], replace(CLIENT_LEG[1], seq=2), ANSWER))
    for meanwhile, holds in (*again, (stall(0.8, 1.0), Verdict.UNPROVEN)):
        assert the_check(drill, with_stalls(run_with(), meanwhile)).holds is holds
        assert the_check(drill, with_stalls(another, meanwhile)).holds is Verdict.UNPROVEN


@pytest.mark.parametrize(
    "drill", ["packets: {at: server-leg, where: syn, exactly: 2, apart: 0.9s to 1.5s}"], indirect=True
)
def test_but_on_the_other_leg_by_the_firewall(drill: Drill) -> None:
    there = [frame(7, 0.001, "syn", ident=1), *SERVER_LEG]
    crossed = run_with(frames={"client-leg": CLIENT_LEG, "server-leg": there})
    for machine, holds in (("client", Verdict.PASS), ("firewall", Verdict.UNPROVEN)):
        assert the_check(drill, with_stalls(crossed, stall(0.8, 1.0, machine))).holds is holds


def test_lines_that_a_program_printed_are_hits_that_no_repetition_made() -> None:
    hoards = load_drill(DRILLS / "memory-used-up.yaml", services())
    (hits,) = (each for each in hoards.expect if each.hits)
    evidence = with_stalls(run_with(caught={"hoards": Caught(1)}, **CROSSED), stall(0.1, 0.9))
    assert judged_alone(hits, evidence, hoards).holds is Verdict.PASS


@pytest.mark.parametrize("drill", ["hits: {fault: lose}"], indirect=True)
def test_a_fault_that_took_hold_of_nothing_is_put_down_to_a_stall_that_may_have_made_it_late(drill: Drill) -> None:
    late = run_with(caught={"lose": Caught(0)})
    assert (the_check(drill, late).holds, the_check(drill, late).stalled) == (Verdict.UNPROVEN, "")
    assert the_check(drill, with_stalls(late, stall(0.2, 0.22))).stalled == ""
    stood_still = stall(0.2, 0.9)
    assert the_check(drill, with_stalls(late, stood_still)).stalled == stood_still.says(0)


def test_acknowledgements_of_different_things_are_no_repetitions() -> None:
    one = replace(CLIENT_LEG[0], flags=frozenset({"ACK"}), ack=5)
    meanwhile = Stalls([stall(0.1, 0.9)])
    assert repeated_by_a_stall([one, replace(one, number=2, time_ns=10**9, ack=6)], meanwhile) == []
    assert repeated_by_a_stall([one, replace(one, number=2, time_ns=10**9)], meanwhile) == [2]


def test_a_probe_of_the_tail_is_made_by_a_stall_that_is_as_short() -> None:
    """Of a client whose server waited 22 ms for a processor: 7 ms after the flight its last segment went again."""
    one = replace(CLIENT_LEG[0], flags=frozenset({"ACK", "PSH"}), payload=b"x", time_ns=10**9)
    probe = replace(one, number=2, time_ns=1_007_200_000)
    waited = stall(0.998, 1.020, "server", "starved")
    assert repeated_by_a_stall([one, probe], Stalls([waited], in_play=("server",))) == [2]
    assert repeated_by_a_stall([one, probe], Stalls([stall(1.007, 1.029)])) == [], "a part of the time is none"


def test_a_report_of_membership_is_sent_twice_whatever_stands_still() -> None:
    report = replace(
        CLIENT_LEG[0], transport="other", destination="224.0.0.22", payload=b"", info="Join group", time_ns=0
    )
    again = replace(report, number=2, time_ns=10**9)
    assert repeated_by_a_stall([report, again], Stalls([stall(0.1, 0.9)])) == []


def test_an_acknowledgement_that_would_have_come_in_an_answer_is_made_by_the_stall() -> None:
    """Of a server that stood still for 53 ms: its kernel acknowledged alone after 41, and the answer came after 53."""
    question = replace(CLIENT_LEG[0], payload=b"x", flags=frozenset({"ACK", "PSH"}), time_ns=10**9)
    back = replace(
        question,
        source=question.destination,
        source_port=question.destination_port,
        destination=question.source,
        destination_port=question.source_port,
    )
    empty = replace(back, number=2, payload=b"", flags=frozenset({"ACK"}), time_ns=1_041_000_000)
    answer = replace(back, number=3, time_ns=1_053_000_000)
    stood_still = Stalls([stall(1.0, 1.053)])
    assert acknowledged_in_a_stall([question, empty, answer], stood_still) == [2]
    assert acknowledged_in_a_stall([question, empty, answer], Stalls([stall(1.042, 1.2)])) == [], "it came before"
    assert acknowledged_in_a_stall([question, replace(empty, time_ns=1_000_030_000), answer], stood_still) == []


@pytest.mark.parametrize("drill", ["sockets: {look: after, state: CLOSE-WAIT}"], indirect=True)
def test_a_stall_that_was_over_when_the_last_packet_came_kept_no_state(drill: Drill) -> None:
    looked = run_with(look_times_ns={"after": (1_030_000_000, 1_050_000_000)})  # the last packet is at 1.01 s
    assert the_check(drill, with_stalls(looked, stall(0.9, 1.005))).holds is Verdict.PASS
    assert the_check(drill, with_stalls(looked, stall(0.9, 1.02))).holds is Verdict.UNPROVEN


NINE = "duration: {call: hello, is: 0.9s to 1s}"


@pytest.mark.parametrize("drill", [NINE], indirect=True)
def test_one_call_that_no_stall_explains_is_a_failure_though_a_stall_explains_the_others(drill: Drill) -> None:
    much_too_late = call(duration_s=9.0)
    assert the_check(drill, with_stalls(run_with(calls=calls(LATE)), stall(0.5, 1.2))).holds is Verdict.UNPROVEN
    both = with_stalls(run_with(calls=calls(LATE, much_too_late)), stall(0.5, 1.2))
    assert the_check(drill, both).holds is Verdict.FAIL


@pytest.mark.parametrize("drill", [NINE], indirect=True)
@pytest.mark.parametrize(
    ("machine", "holds"),
    [
        ("server", Verdict.UNPROVEN),
        ("firewall", Verdict.UNPROVEN),
        (RUNNER, Verdict.UNPROVEN),
        (MACHINE, Verdict.UNPROVEN),
        ("client-be", Verdict.FAIL),
    ],
)
def test_only_what_the_script_rests_on_counts(drill: Drill, machine: str, holds: Verdict) -> None:
    assert the_check(drill, with_stalls(run_with(calls=calls(LATE)), stall(0.5, 1.2, machine))).holds is holds


@pytest.mark.parametrize("drill", [NINE], indirect=True)
def test_the_words_say_what_stood_still_how_long_and_when_since_the_first_packet(drill: Drill) -> None:
    evidence = run_with(calls=calls(LATE), frames=legs(frame(1, 0.25, "syn"), frame(2, 1, "syn"), ANSWER))
    python = stall(0.5, 1.2, "server", "stopped", program="python", pid=7)
    check = the_check(drill, with_stalls(evidence, stall(1.3, 1.32), python))
    assert check.stalled == "python on server stood still for 0.70 s at 0.25 s"


@pytest.mark.parametrize("drill", ["hits: {fault: lose, exactly: 2}"], indirect=True)
def test_a_count_that_packets_of_a_stall_may_have_made_names_that_stall_and_no_longer_one_before(drill: Drill) -> None:
    evidence = run_with(caught={"lose": Caught(2)}, **CROSSED)
    check = the_check(drill, with_stalls(evidence, stall(-3, -0.5), stall(0.1, 0.9)))
    assert check.holds is Verdict.UNPROVEN
    assert check.stalled == "the machine stood still for 0.80 s at 0.10 s"


def test_the_words_tell_the_machine_from_the_runner_and_standing_from_waiting() -> None:
    machine = stall(0.5, 1.2)
    assert machine.says(0) == "the machine stood still for 0.70 s at 0.50 s"
    assert stall(0.5, 1.2, RUNNER).says(0) == "the runner stood still for 0.70 s at 0.50 s"
    waited = stall(0.5, 0.6, "server", "starved", program="python")
    assert waited.says(500_000_000) == "python on server waited for a processor for 0.10 s at 0.00 s"
    assert machine.says(2_290_000_000) == "the machine stood still for 0.70 s, 1.79 s before the exchange"


def test_what_came_within_a_stall_of_the_machine_was_held_up_by_a_part_of_it_for_the_meter_woke_later() -> None:
    whole, of_server = stall(0.4, 1.0), stall(0.4, 1.0, "server", "starved")
    assert Stalls([whole]).that_held_up([620_000_000], []).found == (whole,)
    assert Stalls([of_server]).that_held_up([620_000_000], []).found == ()
    assert Stalls([whole]).that_held_up([390_000_000, 1_200_000_000], []).found == ()


def test_stalls_of_several_at_once_are_counted_once() -> None:
    all_of_it = Stalls([stall(1, 2), stall(1.5, 2.5, "server"), stall(4, 5)], in_play=("server",))
    window = all_of_it.between(0, 10_000_000_000)
    assert window.total_s == pytest.approx(2.5)
    assert all_of_it.between(1_900_000_000, 4_100_000_000).total_s == pytest.approx(0.7)
    assert all_of_it.largest_s == {"machine": pytest.approx(1.0), "server": pytest.approx(1.0)}


def test_several_programs_of_a_machine_that_are_held_at_once_are_the_machine() -> None:
    held = [stall(1, 2, "server", "held", program=name, pid=pid) for pid, name in enumerate(("sh", "python"), 1)]
    (one,) = joined(held)
    assert one.who == "server"
    (alone,) = joined(held[1:])
    assert alone.who == "python on server"


def test_two_stalls_that_only_touch_stay_two_for_something_ran_between_them() -> None:
    assert joined([stall(1, 2), stall(2, 3)]) == [stall(1, 2), stall(2, 3)]
    assert joined([stall(1, 2), stall(1.9, 3)]) == [stall(1, 3)]


def test_the_pause_that_a_drill_makes_is_no_stall_and_one_of_another_program_meanwhile_is() -> None:
    pause = Pause("server", 7, 1_000_000_000, 2_000_000_000)
    own = stall(1.01, 2.02, "server", "stopped", program="python", pid=7)
    others = [
        stall(1.1, 1.9, "server", "stopped", program="python", pid=8),
        stall(2.5, 2.9, "server", "stopped", program="python", pid=7),
        stall(1.1, 1.9, "client", "stopped", program="python", pid=7),
        stall(2.02, 2.1, "server", "starved", program="python", pid=7),
    ]
    assert without([own, *others], [pause]) == others
    guest = Pause("server", None, 1_000_000_000)
    assert without([stall(1.1, 1.9, "server", "held", program="caddy", pid=1)], [guest]) == []


def test_the_edges_of_a_band_decide_how_long_a_stall_must_be() -> None:
    band = Band.parse("1s to 2s")
    window = Stalls([stall(0, 0.5)]).between(None, None)
    assert [may_leave(band, value, window) for value in (1.4, 1.5, 1.9)] == [True, False, False]
    assert not may_leave(Band.parse("0s to 1s"), 0.1, window)  # nothing takes less than no time
    none = Stalls().between(None, None)
    assert [may_leave(band, value, none, window) for value in (1.4, 1.5, 1.51)] == [False, False, True]
    short = Stalls([stall(0, 0.05)]).between(None, None)
    assert [may_enter(band, value, short) for value in (2.04, 2.06, 0.99)] == [True, False, False]
    assert [may_enter(band, value, short, shortens=True) for value in (0.94, 0.96)] == [False, True]


@pytest.mark.parametrize("drill", ["packets: {at: client-leg, where: data, from: client, exactly: 2}"], indirect=True)
def test_what_was_sent_again_in_a_stall_proves_no_loss(drill: Drill) -> None:
    """Two equal segments 0.2 s apart, and nothing but a stall between them: the second may be a probe or a timer's."""
    syns = frame(7, 0, "syn"), frame(8, 1, "syn")
    one = replace(frame(1, 2.0, "data"), seq=5, payload=b"hello", flags=frozenset({"ACK", "PSH"}))
    again = replace(one, number=2, time_ns=2_200_000_000)
    more = replace(again, number=2, seq=10)
    meanwhile = stall(2.01, 2.19, "firewall")
    crossed = [replace(each, number=20 + each.number, time_ns=each.time_ns + 1_000_000) for each in (one, again, more)]

    def sent(*segments: Frame, to_the_server: Sequence[Frame]) -> Seen:
        return run_with(frames={"client-leg": [*syns, *segments], "server-leg": [*SERVER_LEG, *to_the_server]})

    repeated = sent(one, again, to_the_server=crossed[:2])
    assert the_check(drill, repeated).holds is Verdict.PASS
    assert the_check(drill, with_stalls(repeated, meanwhile)).holds is Verdict.UNPROVEN
    both = sent(one, more, to_the_server=[crossed[0], crossed[2]])
    assert the_check(drill, with_stalls(both, meanwhile)).holds is Verdict.PASS
    lost = sent(one, again, to_the_server=crossed[1:2])  # the first died at the firewall: so it was sent again
    assert the_check(drill, with_stalls(lost, meanwhile)).holds is Verdict.PASS


@pytest.mark.parametrize("drill", ["duration: {call: hello, is: 0.9s to 3s}"], indirect=True)
def test_the_runner_holds_up_nothing_but_its_own_steps(drill: Drill) -> None:
    """A client that was started goes on by itself, however late the runner hears of it."""
    runner = stall(0.8, 0.95, RUNNER)
    waiting = run_with(events=[Event(0, "hello: the client calls"), Event(980_000_000, "hello ended: answered")])
    healing = replace(waiting, events=[*waiting.events, Event(980_000_000, "heal lose")])
    assert the_check(drill, with_stalls(waiting, runner)).holds is Verdict.PASS
    meanwhile = stall(0.96, 1.0, "client", "starved")
    assert list(with_stalls(waiting, runner, meanwhile).held_up.found) == [meanwhile]
    assert the_check(drill, with_stalls(healing, runner)).holds is Verdict.UNPROVEN


@pytest.mark.parametrize("drill", ["duration: {call: hello, is: 0.9s to 3s}"], indirect=True)
def test_a_stall_that_another_follows_held_up_what_that_one_did(drill: Drill) -> None:
    """A program that had its processor waits for another one next; only then comes its packet."""
    first, second = stall(0.2, 0.6, "server", "starved"), stall(0.7, 0.95, "server", "starved")
    assert the_check(drill, with_stalls(run_with(), first)).holds is Verdict.PASS
    both = with_stalls(run_with(), first, second).held_up
    assert list(both.found) == [first, second]
    assert the_check(drill, with_stalls(run_with(), first, second)).holds is Verdict.UNPROVEN


@pytest.mark.parametrize("drill", ["duration: {call: hello, is: 0.9s to 3s}"], indirect=True)
@pytest.mark.parametrize(
    ("why", "length_s", "holds"),
    [
        ("starved", 0.4, Verdict.PASS),
        ("stopped", 0.4, Verdict.UNPROVEN),
        ("frozen", 0.4, Verdict.UNPROVEN),
        ("held", 0.4, Verdict.UNPROVEN),
        ("held", 0.05, Verdict.PASS),
    ],
)
def test_a_stop_that_is_over_long_before_a_timer_made_that_later_all_the_same(
    drill: Drill, why: str, length_s: float, holds: Verdict
) -> None:
    """select(2) goes on after SIGCONT with what was left of its timeout: the time of the stop is not in it."""
    stop = stall(0.2, 0.2 + length_s, "server", why)
    assert the_check(drill, with_stalls(run_with(), stop)).holds is holds
