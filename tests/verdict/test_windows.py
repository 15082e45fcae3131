"""Packets of a time, bytes in all, and the counters of a kernel, each held against evidence that has it and has not."""

from __future__ import annotations

import pytest

from scenarios.evidence.record import Seen
from scenarios.spec.expectations import Counters
from scenarios.spec.packet_expectations import Bytes, Packets
from scenarios.spec.units import Seconds
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.counters import check_counters
from scenarios.verdict.packets import check_bytes, check_packets
from tests.verdict.test_judging import frame, run_with


def with_times(*times_s: float) -> Seen:
    return run_with(
        frames={"client-leg": [frame(at, time, "syn") for at, time in enumerate(times_s, 1)], "server-leg": []}
    )


def most_in_any(time_s: float, *times_s: float) -> Check:
    expected = Packets(at="client-leg", where="syn", in_any=Seconds(time_s), at_most=2)
    return check_packets(expected, with_times(*times_s))


def test_the_second_with_the_most_packets_counts_wherever_it_begins() -> None:
    assert most_in_any(1, 1, 2.5, 4).seen == "1"
    assert most_in_any(1, 1, 1.6, 2.4, 2.5).seen == "3"  # from 1.6 to 2.5
    assert most_in_any(1, 1, 1.6, 2.4, 2.5).holds is Verdict.FAIL
    assert most_in_any(1, 1, 1.6, 2.7).holds is Verdict.PASS
    assert most_in_any(1).seen == "0"
    assert most_in_any(1, 2, 1).seen == "2"  # a bound is inside


def test_its_frames_are_told() -> None:
    assert dict(most_in_any(1, 1, 5, 5.1, 5.2, 9).frames) == {"client-leg": [2, 3, 4]}


@pytest.mark.parametrize(("began_s", "ended_s", "count"), [(0, 10, 3), (1.5, 2.5, 1), (1, 2, 2), (4, 5, 0)])
def test_packets_of_a_time_are_those_while_it_was(began_s: float, ended_s: float, count: int) -> None:
    evidence = run_with(
        frames={"client-leg": [frame(at, at, "syn") for at in (1, 2, 3)], "server-leg": []},
        spans={"lose": [(int(began_s * 1e9), int(ended_s * 1e9))]},
    )
    check = check_packets(Packets(at="client-leg", where="syn", during="lose", at_most=9), evidence)
    assert check.seen == f"{count}"
    assert check.rule == "packets on the client-leg where syn, during lose"


def test_a_fault_that_was_never_in_force_has_no_packets() -> None:
    check = check_packets(Packets(at="client-leg", where="syn", during="lose", at_least=1), with_times(1))
    assert (check.seen, check.holds) == ("0", Verdict.FAIL)


def test_bytes_are_those_of_the_payload_or_of_the_frames() -> None:
    evidence = with_times(1, 2)
    assert check_bytes(Bytes(at="client-leg", where="syn", of="frames", exactly=132), evidence).holds is Verdict.PASS
    assert check_bytes(Bytes(at="client-leg", where="syn", exactly=0), evidence).holds is Verdict.PASS
    found = check_bytes(Bytes(at="client-leg", where="syn", of="frames", at_most=131), evidence)
    assert (found.holds, found.seen) == (Verdict.FAIL, "132 in 2 packets")
    assert (
        check_bytes(Bytes(at="client-leg", where="syn", of="frames", at_most=0), with_times(1)).seen == "66 in 1 packet"
    )


def test_a_counter_that_rose_as_it_should() -> None:
    evidence = run_with(counters={"server": {"TcpExtListenOverflows": 2, "TcpExtListenDrops": 2}})
    right = Counters(on="server", of="TcpExtListenOverflows", exactly=2)
    assert check_counters(right, evidence).holds is Verdict.PASS
    assert check_counters(Counters(on="server", of="TcpExtListenDrops", exactly=3), evidence).holds is Verdict.FAIL
    unknown = check_counters(Counters(on="server", of="TcpExtListenOverflow", exactly=0), evidence)
    assert unknown.holds is Verdict.UNPROVEN
    assert "this kernel has no such counter; the nearest are TcpExtListenOverflows" in unknown.seen
    unread = check_counters(Counters(on="client", of="TcpExtListenDrops", exactly=0), evidence)
    assert (unread.holds, unread.seen) == (Verdict.UNPROVEN, "the kernel's counters could not be read")
