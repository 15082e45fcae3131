"""Captures read with many filters at once: by the resident decoder as by a tshark alone, and marked as filtered."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import pytest

from scenarios.calls.caller import Caller
from scenarios.evidence import tshark
from scenarios.evidence.capture import Capturing
from scenarios.evidence.display_filters import refused
from scenarios.evidence.tshark import Dissector, check_filters
from scenarios.lab.errors import LabProblem, UsageError
from scenarios.lab.lab import Lab
from scenarios.lab.waiting import wait_for
from scenarios.spec.outcome import Outcome
from tests.evidence.packets import Capture

SERVERS = {"services.search.server_selectors": 65432, "services.search.server_tls": 65433}
QUOTES, CLOSED = 7017, 7018
# Of each kind that a drill may ask for; the last keeps every frame, the one before it none.
FILTERS = [
    "tcp.flags.syn == 1 && tcp.flags.ack == 0",
    "tcp.flags.syn",  # there, whatever its value
    "tcp.len + 0",  # an arithmetic value is true if it is not 0
    "tcp.seq == 1 && tcp.len > 0",  # the first bytes of a stream
    "udp.checksum.status == 1",
    "tcp.analysis.retransmission",
    "!(tcp.analysis.retransmission)",
    "tcp.dstport in {65432, 65433}",
    'tcp.payload contains "orpheus"',
    r'frame matches "m.rpheu[s]"',
    "tcp.payload[0:2] == 00:63 || udp",
    "jsonmsg",
    'jsonmsg.header.byteorder == "big"',
    'jsonmsg.summary contains "rabbit"',
    "tls.handshake.type == 1",
    "icmp.type == 3 || icmpv6",
    "ipv6 and not udp",
    "ip.ttl < 64",
    "tcp.checksum.status == 0",
    "tcp.stream == 1",
    '_ws.col.info contains "SYN"',
    "len(tcp.payload) > 100",
    "frame.number == 0",
    "frame.len > 0",
]


@pytest.fixture(scope="module")
def legs(lab: Lab) -> dict[str, bytes]:
    """Both legs of one capture that has a bit of everything, and a byte of a request damaged afterwards."""
    server, server_be = lab.topology.hosts["server"], lab.topology.hosts["server-be"]
    with ExitStack() as stack:
        caller = stack.enter_context(Caller(lab))
        for module, port in SERVERS.items():
            stack.enter_context(caller.running("server", ["python", "-m", module, "", str(port)])).wait_for_line(
                "listening on"
            )
        quotes = ["python", "-m", "services.qotd.server_udp", "", str(QUOTES)]
        stack.enter_context(caller.running("server-be", quotes)).wait_for_line("listening on")
        capture = stack.enter_context(stack.enter_context(Capturing(lab)).capture())
        for client in ("client", "client-be"):
            for host, words in (
                (server.ipv4, "search.client {} 65432 search morpheus"),
                (server.ipv6, "search.client {} 65432 search morpheus"),
                ("server", "search.client_tls {} 65433 search morpheus"),
                (server_be.ipv4, f"qotd.client_udp {{}} {QUOTES}"),
            ):
                called = caller.call(client, ["python", "-m", *f"services.{words}".format(host).split()], timeout_s=20)
                assert called.outcome is Outcome.ANSWERED, called
            for words in (f"search.client {server.ipv6} {CLOSED} search x", f"qotd.client_udp {server.ipv4} {CLOSED}"):
                called = caller.call(client, ["python", "-m", *f"services.{words}".split()], timeout_s=20)
                assert called.outcome is Outcome.REFUSED, called
        for address in (server.ipv4, server.ipv6):
            assert caller.call("client", ["ping", "-c", "1", address], timeout_s=10).status == 0
        captures = capture.stop()
    return {name: leg.pcapng.replace(b"morpheus", b"m0rpheus", 1) for name, leg in captures.items()}


@pytest.fixture(scope="module")
def dissector(lab: Lab) -> Iterator[Dissector]:
    with Dissector(lab) as found:
        yield found


def test_the_resident_decoder_reads_every_field_of_every_frame_as_a_tshark_of_its_own_does(
    lab: Lab, dissector: Dissector, legs: dict[str, bytes]
) -> None:
    with ThreadPoolExecutor() as pool:
        together = list(pool.map(lambda leg: dissector.frames(leg, marks=FILTERS), legs.values()))
    assert together == [tshark.frames(lab, leg, marks=FILTERS) for leg in legs.values()]
    for frames in together:  # each kind is there, or this would show little
        assert {frame.transport for frame in frames} == {"tcp", "udp", "icmp"}
        assert {":" in frame.source for frame in frames} == {True, False}
        assert {order for frame in frames for order in frame.byteorders} == {"big", "little"}
        assert any(frame.protocol.startswith("TLS") for frame in frames)
        assert [frame.checksum_good for frame in frames].count(False) == 1
        assert {mark for frame in frames for mark in frame.marks} >= set(FILTERS[-1:])


def test_what_is_read_of_a_capture_is_the_same_whatever_was_read_before(
    dissector: Dissector, legs: dict[str, bytes]
) -> None:
    first, second = legs.values()
    before = [dissector.frames(first), dissector.frames(second)]
    with pytest.raises(UsageError):
        dissector.frames(first, "tcp.flagz == 1")
    assert dissector.frames(second, "udp", ["ip"]) != before[1]
    assert [dissector.frames(first), dissector.frames(second)] == before


@pytest.mark.parametrize("chosen", FILTERS)
def test_a_frame_is_marked_by_a_filter_if_that_keeps_it_and_only_then(
    lab: Lab, dissector: Dissector, legs: dict[str, bytes], chosen: str
) -> None:
    leg = legs["client-leg"]
    kept = [frame.number for frame in tshark.frames(lab, leg, f"({chosen}) && (ip || ipv6)")]
    marked = [frame.number for frame in dissector.frames(leg, marks=FILTERS) if chosen in frame.marks]
    assert marked == kept
    if chosen not in ("tcp.analysis.retransmission", FILTERS[-2]):
        assert kept, "a filter that keeps nothing here shows nothing"


def test_a_filter_counts_bytes_from_the_syn_and_a_frame_has_the_number_of_the_wire(
    dissector: Dissector, legs: dict[str, bytes]
) -> None:
    chosen = "tcp.seq == 1 && tcp.len > 0"
    first = [frame for frame in dissector.frames(legs["client-leg"], marks=[chosen]) if chosen in frame.marks]
    assert first
    assert all(frame.payload and frame.seq != 1 for frame in first)


def test_marks_change_nothing_else(dissector: Dissector, legs: dict[str, bytes]) -> None:
    leg = legs["server-leg"]
    marked = dissector.frames(leg, marks=[*FILTERS, FILTERS[0]])
    assert [dataclasses.replace(frame, marks=frozenset()) for frame in marked] == dissector.frames(leg)


def test_all_wrong_filters_are_named_with_wiresharks_words(lab: Lab) -> None:
    check_filters(lab, FILTERS)
    check_filters(lab, [])
    with pytest.raises(
        ValueError,
        match=r"'tcp.flagz == 1': \"tcp.flagz\" is not a valid.*; invalid display filter 'ip.src ==': Unexpected",
    ):
        check_filters(lab, ["tcp", "tcp.flagz == 1", "ip.src ==", "udp"])
    for wrong in ("", " ", "tcp) || (udp", '"a" == "a"', "frame.time_delta_displayed > 1"):
        with pytest.raises(ValueError, match=r"invalid display filter|frame\.time_delta"):
            check_filters(lab, ["tcp", wrong])


def test_filters_are_compiled_without_a_lab_and_each_wrong_one_is_told() -> None:
    wrong = refused([*FILTERS, "tcp.flagz == 1", "jsonmsg.summary", "ip.src =="])
    assert list(wrong) == ["tcp.flagz == 1", "ip.src =="]
    assert wrong["tcp.flagz == 1"].startswith("invalid display filter 'tcp.flagz == 1': \"tcp.flagz\" is not a valid")
    assert refused([]) == {}


@pytest.mark.parametrize("wrong", ["tcp.flagz == 1", "tcp) || (udp", "", "frame.time_delta_displayed > 1"])
@pytest.mark.parametrize("resident", [False, True])
def test_a_wrong_filter_is_refused_wherever_it_stands(
    lab: Lab, dissector: Dissector, legs: dict[str, bytes], wrong: str, resident: bool
) -> None:
    leg = legs["client-leg"]
    for display_filter, marks in ((wrong, []), ("ip", ["tcp", wrong])):
        read = partial(dissector.frames if resident else partial(tshark.frames, lab), leg, display_filter, marks)
        with pytest.raises(ValueError, match=r"invalid display filter|frame\.time_delta"):
            read()


def test_a_capture_that_is_none_or_is_cut_is_refused(lab: Lab, dissector: Dissector, legs: dict[str, bytes]) -> None:
    for capture in (b"", b"rubbish", legs["client-leg"][:-20]):
        for read in (dissector.frames, lambda leg: tshark.frames(lab, leg)):
            with pytest.raises(ValueError, match=r"expected a pcapng|cut short"):
                read(capture)


def processes(lab: Lab, name: str = "tshark|decode") -> set[str]:
    return set(lab.run("firewall", ["pgrep", "-x", name], timeout_s=5, mark=False).stdout.split())


def test_when_the_decoder_is_killed_who_waits_is_told_and_no_tshark_is_left(lab: Lab, legs: dict[str, bytes]) -> None:
    before, decoders = processes(lab), processes(lab, "decode")
    with Dissector(lab) as dissector:
        wait_for(lambda: len(processes(lab) - before) == 2, "one that waits, beside the decoder", within_s=10)
        lab.run("firewall", ["kill", "-KILL", *processes(lab, "decode") - decoders], timeout_s=5)
        began_s = time.monotonic()
        for _ in range(2):
            with pytest.raises(LabProblem, match="the decoder on the firewall ended with status 137"):
                dissector.frames(legs["client-leg"])
        assert time.monotonic() - began_s < 5
    wait_for(lambda: processes(lab) == before, "the end of the one that waited", within_s=10)


def test_at_its_end_nothing_of_it_is_left_on_the_firewall(lab: Lab, legs: dict[str, bytes]) -> None:
    leg, before = legs["client-leg"], processes(lab)
    with Dissector(lab) as dissector:
        for port in range(20):
            dissector.frames(leg, marks=[f"tcp.port == {port}"])
        assert len(processes(lab) - before) == 2, "one that waits, beside the decoder, whatever is asked"
    wait_for(lambda: processes(lab) == before, "the end of the one that waited", within_s=10)


def test_when_the_tshark_that_waits_is_killed_the_next_capture_is_read_by_a_new_one(
    lab: Lab, legs: dict[str, bytes]
) -> None:
    leg, before = legs["client-leg"], processes(lab, "tshark")
    with Dissector(lab) as dissector:
        frames = dissector.frames(leg)
        (waiting,) = processes(lab, "tshark") - before
        lab.run("firewall", ["kill", "-KILL", waiting], timeout_s=5)
        state = ["ps", "-o", "stat=", "-p", waiting]
        wait_for(lambda: "Z" in lab.run("firewall", state, timeout_s=5).stdout, "its end", within_s=10)
        assert dissector.frames(leg) == frames


def test_a_checksum_of_zero_that_is_written_as_ffff_is_right(lab: Lab) -> None:
    first = Capture()
    first.conversation().send(b"\0\0")
    at = len(first.frames[-1]) - 6  # two bytes before the urgent pointer and the data
    made = Capture()
    made.conversation().send(first.frames[-1][at : at + 2])  # which makes the sum 0
    assert made.frames[-1][at : at + 2] == b"\0\0"
    for written, good in ((b"\0\0", True), (b"\xff\xff", True), (b"\0\1", False)):
        made.frames[-1] = made.frames[-1][:at] + written + made.frames[-1][at + 2 :]
        assert tshark.frames(lab, made.pcapng())[-1].checksum_good is good, written


def test_tsharks_own_list_has_a_line_for_each_packet_that_the_filter_keeps(lab: Lab, legs: dict[str, bytes]) -> None:
    wanted = "tcp.flags.syn == 1 && ip && tcp.dstport == 65432"
    for leg in legs.values():
        lines = tshark.packet_list(lab, leg, wanted).splitlines()
        assert [line.split()[0] for line in lines] == [str(each.number) for each in tshark.frames(lab, leg, wanted)]
        assert lines
        assert all("→ 65432 [SYN]" in line for line in lines), lines
    with pytest.raises(ValueError, match="tshark: "):
        tshark.packet_list(lab, next(iter(legs.values())), "tcp.nonsense == 1")
