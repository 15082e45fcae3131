"""Faults that wait for another, programs of clients, paths and counters, as a drill writes them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from images.firewall.inject.path_words import Path as Link
from scenarios.spec.catalogue import load_drill
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.drill import Drill
from scenarios.spec.kernel_counters import COMMON, problem_of_counter, read_counters
from scenarios.spec.path_faults import Profile, profiles
from scenarios.spec.service import services

KNOWN = services()
TEXT = """\
drill: one
claim: A drill of moments.
why: So that each can be made nonsense of.
source: [RFC 9293]
tags: [reaching]
service: echo/selectors
script:
  - given: {name: seen, watch: {of: data, from: client, to: server}}
  - start: {name: talk, client: paced}
  - fault: {name: quiet, silence: {from: client, to: server, of: tcp}}
  - FAULT
  - await: talk
expect:
  - outcome: {call: talk, is: reset}
  - EXPECTED
control:
  - outcome: {call: talk, is: answered}
"""
PACKETS = "packets: {at: client-leg, where: tcp}"
TORN = "fault: {name: torn, drop: {of: data, from: client, to: server}"


def read(folder: Path, fault: str, expected: str = PACKETS) -> Drill:
    path = folder / "one.yaml"
    path.write_text(TEXT.replace("FAULT", fault).replace("EXPECTED", expected), encoding="utf-8")
    return load_drill(path, KNOWN)


def test_a_fault_says_behind_which_hit_it_takes_hold(tmp_path: Path) -> None:
    fault = read(tmp_path, f"{TORN}, after: {{fault: seen, hits: 2}}}}").faults[-1]
    assert fault.says.endswith("every data segment from the client to the server, behind 2 hits of seen")


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (
            f"{TORN}, after: {{fault: sene}}}}",
            "after.fault: unknown fault of a step before 'sene'; did you mean 'seen'",
        ),
        (f"{TORN}, after: {{fault: torn}}}}", "unknown fault of a step before 'torn'"),
        (f"{TORN}, after: {{fault: seen, hits: 0}}}}", "hits: expected at least 1, got 0"),
        (f"{TORN}, after: {{fault: quiet}}}}", "'quiet' picks no packets one by one"),
        (
            "fault: {name: torn, after: {fault: seen}, silence: {from: client, to: server}}",
            "a silence picks no packets one by one; expected a step before it, until: {fault: seen, hits: 1}",
        ),
        ("fault: {name: torn, kill: {who: tlak}}", "kill.who: unknown program that runs meanwhile 'tlak'.*'talk'"),
        ("fault: {name: torn, signal: {who: talk, by: WINHC}}", "by: .*WINCH"),
        ("fault: {name: torn, signal: {who: talk, by: USR1, times: 0}}", "times: expected 1 to 10000, got 0"),
        ("fault: {name: torn, path: {like: wfii}}", "like: .*wifi"),
        ("fault: {name: torn, path: {}}", "expected either like, one of wifi, 4g"),
        ("fault: {name: torn, path: {like: wifi, delay: 1s}}", "delay: it goes with a `trace`"),
        ("fault: {name: torn, path: {trace: gone.trace}}", "path.trace: .*gone.trace: No such file"),
        ("fault: {name: torn, path: {trace: bad.trace}}", "bad.trace: trace: opportunity 2 is milliseconds"),
        ("fault: {name: torn, path: {like: wifi, to: bystander}}", "to: packets between client and bystander do not"),
        ("fault: {name: torn, forge: {what: rst, of: udp, from: client, to: server}}", "of is TCP where it is reset"),
        (
            "fault: {name: torn, forge: {what: port-unreachable, towards: both, from: client, to: server}}",
            "towards: towards is sender for an ICMP error",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_its_line(tmp_path: Path, fault: str, problem: str) -> None:
    (tmp_path / "bad.trace").write_text("1\n2.5\n")
    with pytest.raises(DeclarationError, match=problem) as caught:
        read(tmp_path, fault)
    assert "one.yaml:11: " in str(caught.value)


def test_a_call_that_is_not_under_way_cannot_be_hurt(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    steps = ["  - fault: {name: torn, pause: {who: talk}}\n", "  - start: {name: talk, client: paced}\n"]
    path.write_text(TEXT.replace(steps[1], "".join(steps)).replace("  - FAULT\n", "").replace("EXPECTED", PACKETS))
    with pytest.raises(DeclarationError, match="the call 'talk' is not started yet; expected this behind its `start`"):
        load_drill(path, KNOWN)


def test_a_given_waits_for_no_fault_that_is_not_there_in_the_control(tmp_path: Path) -> None:
    lost = "fault: {name: lost, drop: {of: syn, from: client, to: server}}"
    after = "given: {name: late, after: {fault: lost}, watch: {from: client, to: server}}"
    with pytest.raises(DeclarationError, match="'lost' is not there in the control, and this is"):
        read(tmp_path, f"{lost}\n  - {after}")


def test_who_only_watches_fails_nothing(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    only = "fault: {name: quiet, watch: {from: client, to: server}}"
    text = TEXT.replace("fault: {name: quiet, silence: {from: client, to: server, of: tcp}}", only)
    path.write_text(text.replace("  - FAULT\n", "").replace("EXPECTED", PACKETS), encoding="utf-8")
    with pytest.raises(DeclarationError, match="nothing fails here; expected a `fault`"):
        load_drill(path, KNOWN)


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ("packets: {at: client-leg, where: tcp, during: tork}", "during: unknown fault, or call, of this run 'tork'"),
        ("packets: {at: client-leg, where: tcp, in_any: 0s}", "in_any: expected more than 0s"),
        (
            "packets: {at: client-leg, where: tcp, in_any: 1s, exactly: 2, apart: 1s to 2s}",
            "in_any: it counts the packets of a time",
        ),
        (
            "counters: {on: server, of: ListenOverflows}",
            "as nstat has it, got 'ListenOverflows'; such as TcpExtL",
        ),
        ("bytes: {at: client-leg, where: ' '}", "where: the display filter is empty"),
    ],
)
def test_expectations_that_cannot_be_are_refused(tmp_path: Path, expected: str, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        read(tmp_path, f"{TORN}}}", f"{expected}\n  - {PACKETS}")


@pytest.mark.parametrize("name", get_args(Profile))
def test_each_path_with_a_name_has_a_source_and_both_ways(tmp_path: Path, name: Profile) -> None:
    told = profiles()[name]
    assert told["source"]
    assert told["ours"]
    path = read(tmp_path, f"fault: {{name: torn, path: {{like: {name}}}}}").faults[-1].path
    assert path is not None
    for way, action in (("up", path.action), ("down", path.action_back)):
        assert isinstance(action, Link)
        assert action.bits_per_s == told[way]["kbit_s"] * 1000
        assert action.delay_s == pytest.approx(told[way]["delay_ms"] / 1000)
    assert f"like {name}: " in path.says


def test_a_trace_is_read_from_beside_the_drill_and_the_way_back_may_have_its_own(tmp_path: Path) -> None:
    (tmp_path / "up.trace").write_text("1\n2\n")
    (tmp_path / "down.trace").write_text("7\n")
    path = (
        read(tmp_path, "fault: {name: torn, path: {trace: up.trace, trace_back: down.trace, delay: 10ms}}")
        .faults[-1]
        .path
    )
    assert path is not None
    assert (path.action, path.action_back) == (Link(0.01, trace="1 2"), Link(0.01, trace="7"))
    alone = read(tmp_path, "fault: {name: torn, path: {trace: up.trace, queue: 1500}}").faults[-1].path
    assert alone is not None
    assert alone.action == alone.action_back == Link(trace="1 2", queue_bytes=1500)


def test_counters_are_read_from_what_the_kernel_prints() -> None:
    printed = (
        "Tcp: RtoAlgorithm ActiveOpens MaxConn\nTcp: 1 23 -1\nUdp: InDatagrams\nUdp: 5\n"
        "TcpExt: SyncookiesSent ListenOverflows\nTcpExt: 0 7\nIp6InReceives                   \t12\n"
    )
    found = read_counters(printed)
    assert found["TcpActiveOpens"] == 23
    assert found["TcpMaxConn"] == -1
    assert found["TcpExtListenOverflows"] == 7
    assert found["UdpInDatagrams"] == 5
    assert found["Ip6InReceives"] == 12


def test_counters_of_a_line_that_does_not_match_its_names_are_left_out() -> None:
    assert read_counters("Tcp: A B\nTcp: 1\nUdp: InDatagrams\nUdp: 5\ngarbage\n: :\n") == {"UdpInDatagrams": 5}
    assert read_counters("") == {}


@pytest.mark.parametrize("name", COMMON)
def test_the_names_that_are_advised_are_right(name: str) -> None:
    assert not problem_of_counter(name)
