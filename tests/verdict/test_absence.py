"""`hits: {exactly: 0}`: a program that avoids a failure passes, where the evidence shows that it was there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.evidence.record import Seen
from scenarios.evidence.stalls import Stall, Stalls
from scenarios.faults.apply import _Rule
from scenarios.faults.catch import Caught
from scenarios.faults.kernel_fault import Standing
from scenarios.lab.lab import Lab
from scenarios.lab.process import Finished
from scenarios.spec.catalogue import load_drill
from scenarios.spec.drill import Drill
from scenarios.spec.outcome import Outcome
from scenarios.verdict.check import Verdict, combine
from scenarios.verdict.judge import judged
from tests.mistakes import changed, each_mistake, refusal
from tests.verdict.test_judging import call, frame, run_with
from tests.verdict.test_judging_stalls import stall

MEMORY = "idle_timeout: {after: 2.2s}"
RIGHT = f"""\
drill: one
claim: A client with keepalive keeps its silent connection through a firewall that forgets after two seconds.
why: The cure of redis-py issues 722 and 671. A client without it shows that the firewall forgets.
source: [tcp(7) TCP_KEEPIDLE]
tags: [bugs]
service: search/selectors
script:
  - fault: {{name: forgets, {MEMORY}}}
  - call: {{name: forgotten, run: "ask {{host}} {{port}}"}}
  - heal: forgets
  - fault: {{name: short-memory, {MEMORY}}}
  - call: {{name: kept, run: "ask --keepalive {{host}} {{port}}"}}
expect:
  - hits: {{fault: short-memory, exactly: 0}}
  - outcome: {{call: kept, is: answered}}
  - outcome: {{call: forgotten, is: timed out}}
  - packets: {{at: server-leg, from: client, to: server, where: tcp.analysis.keep_alive, at_least: 3}}
control:
  - outcome: {{call: kept, is: answered}}
"""


def read(folder: Path, text: str = RIGHT) -> Drill:
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return load_drill(path)


def run(drill: Drill, **caught: Caught) -> Verdict:
    """The verdict on a run in which the client with keepalive did it right, with what the faults caught."""
    probes = [frame(number, number, "tcp.analysis.keep_alive") for number in range(1, 4)]
    calls = {"kept": [call()], "forgotten": [call(Outcome.TIMED_OUT)]}
    whole = {name.replace("_", "-"): each for name, each in caught.items()}
    armed: Seen = run_with(calls=calls, caught=whole, frames={"client-leg": probes, "server-leg": probes})
    control = run_with(calls=calls, caught={}, armed=False)
    return combine([each for checks in judged(drill, control, armed) for each in checks])


def test_a_program_that_avoids_the_failure_passes_where_another_call_meets_the_same_fault(tmp_path: Path) -> None:
    assert run(read(tmp_path), short_memory=Caught(0), forgets=Caught(2)) is Verdict.PASS


@pytest.mark.parametrize(
    ("caught", "verdict"),
    [
        ({"short_memory": Caught(1), "forgets": Caught(2)}, Verdict.FAIL),
        ({"short_memory": Caught(0), "forgets": Caught(0)}, Verdict.UNPROVEN),
        ({"short_memory": Caught(0)}, Verdict.UNPROVEN),
        ({"forgets": Caught(2)}, Verdict.UNPROVEN),
        (
            {
                "short_memory": Caught(0, "the fault's counter was gone when it was undone"),
                "forgets": Caught(2),
            },
            Verdict.UNPROVEN,
        ),
        ({"short_memory": Caught(0), "forgets": Caught(2, "a packet could not be read")}, Verdict.UNPROVEN),
    ],
    ids=[
        "it was met",
        "the witness too saw nothing",
        "no witness",
        "never in force",
        "no counter",
        "an unsure witness",
    ],
)
def test_but_not_where_it_was_met_or_where_nothing_shows_that_it_could_have_been(
    tmp_path: Path, caught: dict[str, Caught], verdict: Verdict
) -> None:
    assert run(read(tmp_path), **caught) is verdict


# Something stood still while nobody waited for it; until the captures ended; and until a packet was sent again.
WAITED = (stall(0.2, 0.9),)
TO_THE_END = (stall(2.9, 4.0, "server"),)
REPEATED = (stall(1.01, 1.19),)


@pytest.mark.parametrize(
    ("caught", "made", "verdict"),
    [
        ({"short-memory": Caught(1), "forgets": Caught(2)}, WAITED, Verdict.UNPROVEN),
        ({"short-memory": Caught(0), "forgets": Caught(2)}, WAITED, Verdict.PASS),
        ({"short-memory": Caught(0), "forgets": Caught(2)}, TO_THE_END, Verdict.UNPROVEN),
        ({"short-memory": Caught(0), "forgets": Caught(1)}, REPEATED, Verdict.UNPROVEN),
        ({"short-memory": Caught(0), "forgets": Caught(2)}, REPEATED, Verdict.PASS),
    ],
    ids=["it was met", "it was not", "what was to come", "the one hit was a repetition", "there was another"],
)
def test_a_stall_that_may_have_made_it_leaves_it_unproven_and_is_named(
    tmp_path: Path, caught: dict[str, Caught], made: Sequence[Stall], verdict: Verdict
) -> None:
    one = replace(frame(1, 1.0, "data"), seq=5, payload=b"hello", flags=frozenset({"ACK", "PSH"}))
    legs = [one, replace(one, number=2, time_ns=1_200_000_000), frame(3, 3.0, "data")]
    crossed = [replace(each, time_ns=each.time_ns + 1_000_000) for each in legs]
    there = run_with(caught=caught, frames={"client-leg": legs, "server-leg": crossed})
    armed = replace(there, stalls=Stalls(made, in_play=("client", "server", "firewall")), captured_until_ns=4 * 10**9)
    checks = judged(read(tmp_path), run_with(), armed)[1]
    (check,) = (each for each in checks if each.rule == "hits of the fault short-memory")
    assert check.holds is verdict
    assert bool(check.stalled) is (verdict is Verdict.UNPROVEN)
    still = judged(read(tmp_path), run_with(), replace(armed, stalls=Stalls()))[1]
    (check,) = (each for each in still if each.rule == "hits of the fault short-memory")
    assert check.holds is (Verdict.PASS if caught["short-memory"].hits == 0 else Verdict.FAIL)


def test_the_check_says_what_shows_that_the_fault_could_have_taken_hold(tmp_path: Path) -> None:
    drill = read(tmp_path)
    for forgets, told in (
        (Caught(2), "0, while the same fault had 2 hits as forgets"),
        (Caught(0), "0, but nothing shows that it could have taken hold: as forgets it had no certain hit either"),
        (Caught(2, "unsure"), "0, but nothing shows that it could have taken hold: as forgets it had no certain hit"),
    ):
        checks = judged(drill, run_with(), run_with(caught={"short-memory": Caught(0), "forgets": forgets}))[1]
        (check,) = (each for each in checks if each.rule == "hits of the fault short-memory")
        assert check.seen.startswith(told)


WITHOUT_WITNESS = {
    f"- fault: {{name: forgets, {MEMORY}}}": {
        "- fault: {name: forgets, idle_timeout: {after: 3s}}": "nothing shows",
        "- fault: {name: forgets, stateful: {}}": "nothing shows",
    },
    '  - call: {name: forgotten, run: "ask {host} {port}"}\n  - heal: forgets\n': {
        '  - heal: forgets\n  - call: {name: forgotten, run: "ask {host} {port}"}\n': (
            "in force while a call is made that does not avoid it"
        ),
    },
    "  - outcome: {call: kept, is: answered}\n  - outcome: {call: f": {
        "  - outcome: {call: f": "an `outcome` that says",
    },
    "exactly: 0}\n": {
        "exactly: 0}\n  - hits: {fault: forgets, exactly: 0}\n": "nothing shows",
        "at_most: 0}\n  - hits: {fault: forgets, at_most: 0}\n": "nothing shows",
    },
}


@each_mistake(WITHOUT_WITNESS)
def test_a_drill_without_a_witness_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    refused = refusal(read, tmp_path, changed(RIGHT, old, new))
    assert refused.key.startswith("expect.1.hits")
    assert told in refused.what


class Vanished(Standing):
    """A fault whose chain, with its counter, somebody has removed: the undo finds nothing to list."""

    listed = ""

    def _run(self, argv: object) -> Finished:  # noqa: ARG002
        return Finished((), 0, self.listed, "", 0.0)


def test_a_counter_that_is_gone_at_the_end_is_no_count_of_nothing() -> None:
    assert _Rule(Vanished(Lab(1), "lost")).end() == Caught(0, "the fault's counter was gone when it was undone")
    there = Vanished(Lab(1), "lost")
    there.listed = '{"nftables": [{"rule": {"expr": [{"counter": {"packets": 0}}]}}]}\n'
    assert _Rule(there).end() == Caught(0)
