"""Captures again and again by one program: as whole as one taken alone, each with its own frames and no other."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from scenarios.evidence import capture as capturing_module
from scenarios.evidence import tshark
from scenarios.evidence.capture import Capture, Capturing
from scenarios.evidence.record import LegCapture
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.waiting import wait_for

LEGS = ["client-leg", "server-leg"]


@pytest.fixture(scope="module")
def capturing(lab: Lab) -> Iterator[Capturing]:
    with Capturing(lab) as found:
        yield found


def ping(lab: Lab, size: int, count: int = 1) -> None:
    """Echo requests that their size tells from all others."""
    words = ["ping", "-q", "-c", str(count), "-i", "0.002", "-s", str(size), lab.topology.hosts["server"].ipv4]
    assert lab.run("client", words, timeout_s=20).status == 0


def sizes(lab: Lab, captures: dict[str, LegCapture]) -> dict[str, list[int]]:
    """Of the echo requests on each leg: their bytes."""
    with ThreadPoolExecutor() as pool:
        frames = pool.map(lambda leg: tshark.frames(lab, leg.pcapng, "icmp.type == 8"), captures.values())
        return {leg: [frame.length - 42 for frame in found] for leg, found in zip(captures, frames, strict=True)}


def both_legs(expected: list[int]) -> dict[str, list[int]]:
    return {leg: expected for leg in LEGS}  # noqa: C420 (of values that nobody changes)


def tcpdumps(lab: Lab) -> list[str]:
    return lab.run("firewall", ["pgrep", "-x", "tcpdump"], timeout_s=5, mark=False).stdout.split()


def test_each_capture_has_what_crossed_during_it_and_nothing_else(lab: Lab, capturing: Capturing) -> None:
    ping(lab, 99)
    for size in (100, 101, 102):
        with capturing.capture() as capture:
            ping(lab, size)
            captures = capture.stop()
        ping(lab, 99)
        assert sizes(lab, captures) == both_legs([size])


def test_the_first_and_the_last_frame_are_in_it_however_many_there_are(lab: Lab, capturing: Capturing) -> None:
    for count in (1, 500, 2):
        with capturing.capture() as capture:
            ping(lab, 200, count)
            captures = capture.stop()
        assert sizes(lab, captures) == both_legs([200] * count)
        assert {leg.dropped for leg in captures.values()} == {0}
        for leg in captures.values():
            assert leg.frames >= len(tshark.frames(lab, leg.pcapng, "icmp")) == 2 * count


def test_no_frame_of_the_capture_itself_is_in_it(capturing: Capturing) -> None:
    with capturing.capture() as capture:
        captures = capture.stop()
    assert all(b"faultwire canary" not in leg.pcapng for leg in captures.values())
    assert all(b"faultwire sentinel" not in leg.pcapng for leg in captures.values())


def test_one_that_is_left_without_stop_is_thrown_away(lab: Lab, capturing: Capturing) -> None:
    with capturing.capture():
        ping(lab, 300)
    with capturing.capture() as capture:
        ping(lab, 301)
        captures = capture.stop()
    assert sizes(lab, captures) == both_legs([301])


def test_a_capture_alone_and_one_of_a_session_may_run_at_once_and_see_the_same(lab: Lab, capturing: Capturing) -> None:
    with capturing.capture() as one, Capture(lab) as other:
        ping(lab, 400, 20)
        both = one.stop(), other.stop()
    assert sizes(lab, both[0]) == sizes(lab, both[1]) == both_legs([400] * 20)


def test_a_tcpdump_that_ended_is_told_when_it_is_missed_and_replaced_before_the_next_capture(lab: Lab) -> None:
    with Capturing(lab) as capturing:
        with capturing.capture() as capture:
            lab.run("firewall", ["kill", "-KILL", *tcpdumps(lab)[-1:]], timeout_s=5)
            with pytest.raises(LabProblem, match=r"could not end the capture: tcpdump on .*-leg ended"):
                capture.stop()
        for _ in range(2):  # the first begins anew; the second finds that a tcpdump has ended
            with capturing.capture() as capture:
                ping(lab, 500)
                captures = capture.stop()
            assert sizes(lab, captures) == both_legs([500])
            lab.run("firewall", ["kill", "-KILL", *tcpdumps(lab)[-1:]], timeout_s=5)


@pytest.mark.parametrize(
    ("limit", "why"),
    [("BYTES_LIMIT", "is larger than 10000 bytes"), ("FRAMES_LIMIT", "has more than 20 frames")],
)
def test_a_capture_above_its_limit_is_refused_and_the_next_one_is_whole(
    lab: Lab, capturing: Capturing, monkeypatch: pytest.MonkeyPatch, limit: str, why: str
) -> None:
    monkeypatch.setattr(capturing_module, limit, {"BYTES_LIMIT": 10_000, "FRAMES_LIMIT": 20}[limit])
    with capturing.capture() as capture:
        ping(lab, 400, 15)
        with pytest.raises(LabProblem, match=rf"could not end the capture: the capture of the .*-leg {why}"):
            capture.stop()
    with capturing.capture() as capture:
        ping(lab, 400, 2)
        captures = capture.stop()
    assert sizes(lab, captures) == both_legs([400, 400])


def test_at_its_end_however_it_comes_nothing_is_left_on_the_firewall(lab: Lab) -> None:
    def folders() -> str:
        return lab.run("firewall", ["sh", "-c", "ls -d /run/capture-* || true"], timeout_s=5).stdout

    before, folders_before = tcpdumps(lab), folders()
    with Capturing(lab) as capturing, capturing.capture():
        assert len(tcpdumps(lab)) == len(before) + len(LEGS), "they are there, or this would show nothing"
        assert folders() != folders_before
    assert (tcpdumps(lab), folders()) == (before, folders_before)
    with Capture(lab):
        assert len(tcpdumps(lab)) == len(before) + len(LEGS)
    assert (tcpdumps(lab), folders()) == (before, folders_before)
    killed = Capturing(lab)
    with killed.capture():
        killed._child.process.kill()  # as when this process is killed: docker's own end of it closes
    wait_for(lambda: (tcpdumps(lab), folders()) == (before, folders_before), "the end of tcpdump", within_s=10)
    killed.close()


def test_a_firewall_without_the_program_says_what_is_wrong(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capturing_module, "PROGRAM", "/no/such/program")
    with pytest.raises(LabProblem, match="no such file"), Capture(lab):
        pass
