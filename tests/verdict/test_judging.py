"""Each kind of expectation, held against evidence on which it must pass, and against evidence on which it must not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.calls.call import Call
from scenarios.evidence.frame import Frame
from scenarios.evidence.record import LegCapture, Seen, Socket
from scenarios.faults.catch import Caught
from scenarios.spec.catalogue import load_drill
from scenarios.spec.drill import Drill
from scenarios.spec.outcome import Outcome
from scenarios.verdict.check import Verdict, combine
from scenarios.verdict.judge import judged
from tests.spec.test_drill_files import HEAD

CLIENT, SERVER, FIREWALL = "198.18.1.10", "198.18.1.138", "198.18.1.62"
DRILL = (
    HEAD
    + """\
  - call: {name: hello, times: 2}
  - look: {name: after, on: server}
expect:
  - outcome: {call: hello, is: answered}
  - packets: {at: client-leg, where: syn, from: client, exactly: 2}
  - EXPECTED
control:
  - outcome: {call: hello, is: answered}
"""
)


def frame(number: int, time_s: float, *marks: str, source: str = CLIENT, to: str = SERVER, ident: int = 0) -> Frame:
    return Frame(
        number=number, time_ns=int(time_s * 1e9), length=66, transport="tcp", source=source, destination=to,
        source_port=40000, destination_port=65432, identification=ident or number, ttl=64, flags=frozenset({"SYN"}),
        seq=1, ack=0, window=500, options="", payload=b"", protocol="TCP", info="", notes=(), messages=(),
        byteorders=(), checksum_good=True, marks=frozenset(marks),
    )  # fmt: skip


def call(outcome: Outcome = Outcome.ANSWERED, errno: str | None = None, duration_s: float = 1.0) -> Call:
    return Call(
        host="client", argv=("x",), outcome=outcome, errno=errno, status=0, signal=None, stdout="", stderr="",
        dropped_bytes=0, started_s=0.0, duration_s=duration_s, cpu_s=0.0, warm=True,
    )  # fmt: skip


# The first SYN dies at the firewall, the second crosses, and the answer comes back.
CLIENT_LEG = [frame(1, 0, "syn"), frame(2, 1, "syn"), frame(3, 1.01, "answer", source=SERVER, to=CLIENT, ident=9)]
SERVER_LEG = [frame(1, 1.001, "syn", ident=2), frame(2, 1.009, "answer", source=SERVER, to=CLIENT, ident=9)]


def run_with(**changes: object) -> Seen:
    whole = Seen(
        armed=True,
        port=65432,
        addresses={"client": (CLIENT,), "server": (SERVER,), "firewall": (FIREWALL,)},
        client_side=frozenset({CLIENT}),
        calls={"hello": [call(), call(duration_s=1.2)]},
        caught={"lose": Caught(1)},
        looks={
            "after": [
                Socket("server", "little", "tcp", "CLOSE-WAIT", 5, 0, f"{SERVER}:65432", f"{CLIENT}:40000"),
                Socket(
                    "server", "little", "tcp", "TIME-WAIT", 0, 0, f"{SERVER}:65432", f"{CLIENT}:40001", timer_s=59.0
                ),
            ]
        },
        logs={"server": ["listening on", "did: one", "did: two"], "hello": []},
        captures={leg: LegCapture(leg, b"", 3, 0) for leg in ("client-leg", "server-leg")},
        frames={"client-leg": CLIENT_LEG, "server-leg": SERVER_LEG},
        events=(),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


@pytest.fixture
def drill(tmp_path: Path, request: pytest.FixtureRequest) -> Drill:
    path = tmp_path / "one.yaml"
    path.write_text(DRILL.replace("EXPECTED", request.param), encoding="utf-8")
    return load_drill(path)


def verdict(drill: Drill, armed: Seen) -> Verdict:
    control = run_with(armed=False, caught={})
    return combine([each for checks in judged(drill, control, armed) for each in checks])


def without(number: int, leg: str = "client-leg") -> dict[str, Sequence[Frame]]:
    frames: Mapping[str, Sequence[Frame]] = {"client-leg": CLIENT_LEG, "server-leg": SERVER_LEG}
    return {name: [each for each in of if (name, each.number) != (leg, number)] for name, of in frames.items()}


RESET = call(Outcome.RESET, "ECONNRESET")
# an expectation that the evidence above carries, and a change of the evidence with which it must not hold any more
CASES: list[tuple[str, dict[str, object]]] = [
    ("hits: {fault: lose, exactly: 1}", {"caught": {"lose": Caught(2)}}),
    ("hits: {fault: lose, at_least: 1, at_most: 2}", {"caught": {"lose": Caught(3)}}),
    ("outcome: {call: hello, is: answered}", {"calls": {"hello": [call(), RESET]}}),
    ("outcome: {call: hello, is: answered}", {"calls": {"hello": []}}),
    ("outcome: {call: hello, is: answered, exactly: 2}", {"calls": {"hello": [call(), call(), call()]}}),
    ("outcome: {call: hello, is: answered, at_least: 2}", {"calls": {"hello": [call(), RESET]}}),
    ("packets: {at: client-leg, where: syn, exactly: 2}", {"frames": without(1)}),
    ("packets: {at: client-leg, where: syn, at_least: 2, apart: 0.9s to 1.1s}", {"frames": {
        "client-leg": [CLIENT_LEG[0], replace(CLIENT_LEG[1], time_ns=int(1.2e9)), CLIENT_LEG[2]],
        "server-leg": SERVER_LEG,
    }}),
    ("packets: {at: client-leg, where: syn, alone: true, exactly: 1}", {"frames": without(1)}),
    ("packets: {at: client-leg, where: syn, took: 0ms to 5ms, exactly: 1}", {"frames": {
        "client-leg": CLIENT_LEG, "server-leg": [frame(1, 1.006, "syn", ident=2), *SERVER_LEG[1:]],
    }}),
    ("packets: {at: server-leg, where: syn, from: client, to: server}", {"frames": without(1, "server-leg")}),
    ("packets: {at: server-leg, where: syn, from: server, exactly: 0}", {"frames": {
        "client-leg": CLIENT_LEG, "server-leg": [*SERVER_LEG, frame(3, 2, "syn", source=SERVER, to=CLIENT)],
    }}),
    ("order: {at: client-leg, of: [syn, answer]}", {"frames": without(3)}),
    ("sockets: {look: after, state: CLOSE-WAIT, recv_q: 5, exactly: 1}", {"looks": {"after": []}}),
    ("sockets: {look: after, state: CLOSE-WAIT, recv_q: 5}", {"looks": {"after": [
        Socket("server", "little", "tcp", "CLOSE-WAIT", 4, 0, f"{SERVER}:65432", f"{CLIENT}:40000"),
    ]}}),
    ("sockets: {look: after, state: CLOSE-WAIT}", {"looks": {"after": [
        Socket("server", "little", "tcp", "CLOSE-WAIT", 5, 0, f"{SERVER}:165", f"{CLIENT}:40000"),
    ]}}),
    ("sockets: {look: after, state: TIME-WAIT, timer: 55s to 60s}", {"looks": {"after": [
        Socket("server", "little", "tcp", "TIME-WAIT", 0, 0, f"{SERVER}:65432", f"{CLIENT}:40000", timer_s=119.0),
        Socket("server", "little", "tcp", "TIME-WAIT", 0, 0, f"{SERVER}:65432", f"{CLIENT}:40001"),
    ]}}),
    ("log: {of: server, line: '^did', exactly: 2}", {"logs": {"server": ["did: one"]}}),
    ("duration: {call: hello, is: 0.9s to 1.3s}", {"calls": {"hello": [call(), call(duration_s=1.4)]}}),
]  # fmt: skip


@pytest.mark.parametrize(("drill", "change"), CASES, indirect=["drill"], ids=[text for text, _ in CASES])
def test_each_expectation_passes_on_its_evidence_and_fails_on_another(drill: Drill, change: dict[str, object]) -> None:
    assert verdict(drill, run_with()) is Verdict.PASS
    assert verdict(drill, run_with(**change)) is Verdict.FAIL


ONE = ["hits: {fault: lose}"]


@pytest.mark.parametrize("drill", ONE, indirect=True)
@pytest.mark.parametrize(
    "change",
    [
        {"caught": {"lose": Caught(0)}},
        {"caught": {}},
        {"caught": {"lose": Caught(1, unsure="2 packets could not be read")}},
        {"captures": {"client-leg": LegCapture("client-leg", b"", 3, 1)}},
    ],
    ids=["no hit", "no count", "an unsure count", "a capture with a hole"],
)
def test_what_the_evidence_does_not_carry_is_unproven(drill: Drill, change: dict[str, object]) -> None:
    assert verdict(drill, run_with(**change)) is Verdict.UNPROVEN


@pytest.mark.parametrize(
    ("drill", "lines", "holds"),
    [
        ("log: {of: server, line: did, exactly: 2}", 1, Verdict.UNPROVEN),
        ("log: {of: server, line: did, exactly: 2}", 2, Verdict.UNPROVEN),
        ("log: {of: server, line: did, exactly: 2}", 3, Verdict.FAIL),
        ("log: {of: server, line: did, at_least: 2}", 1, Verdict.UNPROVEN),
        ("log: {of: server, line: did, at_least: 2}", 2, Verdict.PASS),
        ("log: {of: server, line: did, at_most: 2}", 2, Verdict.UNPROVEN),
        ("log: {of: server, line: did, at_most: 2}", 3, Verdict.FAIL),
    ],
    indirect=["drill"],
)
def test_of_a_log_that_was_cut_only_what_is_there_is_evidence(drill: Drill, lines: int, holds: Verdict) -> None:
    log = [*["did: one"] * lines, "[its output was cut after 4 MiB]"]
    _, checks = judged(drill, run_with(armed=False, caught={}), run_with(logs={"server": log}))
    (check,) = [each for each in checks if each.rule.startswith("lines of server")]
    assert check.holds is holds
    assert check.seen.endswith("; its output was cut")


@pytest.mark.parametrize("drill", ["log: {of: server, line: never, exactly: 0}"], indirect=True)
def test_a_line_of_any_length_is_told_as_far_as_a_person_reads(drill: Drill) -> None:
    _, checks = judged(drill, run_with(armed=False, caught={}), run_with(logs={"server": ["x" * 4_000_000]}))
    assert max(len(each.seen) for each in checks) < 1000


@pytest.mark.parametrize("drill", ONE, indirect=True)
def test_a_call_that_its_machine_cannot_make_is_unsupported_with_the_reason_it_gave(drill: Drill) -> None:
    lacking = replace(call(Outcome.UNSUPPORTED), stderr="unsupported: TCP_USER_TIMEOUT gives ENOPROTOOPT here\n")
    _, checks = judged(drill, run_with(armed=False, caught={}), run_with(calls={"hello": [call(), lacking]}))
    assert combine(checks) is Verdict.UNSUPPORTED
    assert "unsupported: TCP_USER_TIMEOUT gives ENOPROTOOPT here" in {each.seen for each in checks}


@pytest.mark.parametrize("drill", ["log: {of: server, line: did}"], indirect=True)
def test_a_fault_must_take_hold_though_no_expectation_speaks_of_it(drill: Drill) -> None:
    assert verdict(drill, run_with(caught={"lose": Caught(0)})) is Verdict.UNPROVEN


@pytest.mark.parametrize("drill", ONE, indirect=True)
def test_a_control_that_does_not_go_as_it_should_makes_the_claim_unproven_and_not_false(drill: Drill) -> None:
    control = run_with(armed=False, caught={}, calls={"hello": [RESET, call()]})
    of_control, checks = judged(drill, control, run_with())
    assert combine(checks) is Verdict.PASS
    assert combine(of_control) is Verdict.UNPROVEN
    assert combine([*of_control, *checks]) is Verdict.UNPROVEN


def test_a_claim_whose_premise_the_run_does_not_show_is_unproven_and_never_refuted(tmp_path: Path) -> None:
    """The answer came so soon that it carried the acknowledgement: then the request is sent again, and rightly so."""
    claim = "packets: {at: client-leg, where: syn, exactly: 1}"  # which is refuted: there are two
    path = tmp_path / "one.yaml"
    path.write_text(DRILL.replace("EXPECTED", claim) + "premise:\n  - packets: {at: client-leg, where: ack}\n")
    drill = load_drill(path)
    of_control, _ = judged(drill, run_with(armed=False, caught={}), None)
    assert [(each.rule, each.holds) for each in of_control if each.holds is not Verdict.PASS] == [
        ("control: premise: packets on the client-leg where ack", Verdict.UNPROVEN)
    ]
    _, checks = judged(drill, run_with(armed=False), run_with())
    assert combine(checks) is Verdict.UNPROVEN
    path.write_text(path.read_text().replace("where: ack", "where: answer"))
    assert combine(judged(load_drill(path), run_with(armed=False), run_with())[1]) is Verdict.FAIL
