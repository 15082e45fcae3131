"""What is told when a program on a machine of the lab is late, or ends, or says what it should not."""

from __future__ import annotations

import pytest

from scenarios import capture as captures
from scenarios import injector as injectors
from scenarios.capture import Capturing
from scenarios.injector import Injector
from scenarios.programs import LabProblem
from tests.lab.children import lab_with

COUNTS = "seed seen picked left_off held untouched unplaced arrived garbage expired unsent overflowed".split()
INJECTOR = f"""
counts = dict.fromkeys({COUNTS}, 0) | {{"hits": []}}
say(ready={{"pid": 7, "left": ["old"]}})
"""
LATE = """
late = asked()
asked_now = asked()
say(id=late.get("id"), hits=counts | {"fault": late["hits"]})
say(id=asked_now.get("id"), healed=counts | {"fault": asked_now["heal"]})
asked()
"""


def test_after_a_late_answer_the_injector_is_understood_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    with Injector(lab_with(INJECTOR + LATE)) as injector:
        assert (injector.pid, injector.left) == (7, ("old",))
        monkeypatch.setattr(injectors, "ANSWER_WITHIN_S", 0.1)
        with pytest.raises(LabProblem, match=r"injector on the firewall did not .* within 0\.1 s"):
            injector.hits("one")
        monkeypatch.setattr(injectors, "ANSWER_WITHIN_S", 10)
        assert injector.heal("two").fault == "two"


def test_an_injector_that_stands_still_is_told_of_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injectors, "ANSWER_WITHIN_S", 0.1)
    monkeypatch.setattr(injectors, "END_WITHIN_S", 0.1)
    with pytest.raises(LabProblem, match=r"the injector on the firewall did not begin within 0\.1 s"):
        Injector(lab_with("time.sleep(60)")).__enter__()


CAPTURES = """
while True:
    command = asked()
    if "start" in command:
        say(id=command["id"], capturing=["client-leg", "server-leg"])
    else:
        legs = [{"leg": name, "size": 3, "frames": 1, "dropped": 0} for name in NAMES]
        say(b"abcdef"[:GIVEN], id=command["id"], legs=legs, size=GIVEN)
"""


def capturing_with(names: list[str], given: int = 6) -> Capturing:
    return Capturing(lab_with(CAPTURES.replace("NAMES", repr(names)).replace("GIVEN", str(given))))


def test_the_captures_of_both_legs_are_taken_apart() -> None:
    with capturing_with(["server-leg", "client-leg"]) as capturing, capturing.capture() as capture:
        assert {leg: each.pcapng for leg, each in capture.stop().items()} == {
            "server-leg": b"abc",
            "client-leg": b"def",
        }


TOLD = pytest.raises(LabProblem, match="the firewall told of a leg")
BROKEN = pytest.raises(LabProblem, match="the capture of the server-leg broke off after 2 of 3 bytes")


@pytest.mark.parametrize("name", ["../../../x", "/etc/x", "", "client-leg\0"])
def test_a_leg_that_the_lab_does_not_have_becomes_no_file(name: str) -> None:
    with capturing_with(["client-leg", name]) as capturing, capturing.capture() as capture, TOLD:
        capture.stop()


def test_a_capture_that_is_shorter_than_it_was_said_is_refused() -> None:
    with capturing_with(["client-leg", "server-leg"], given=5) as capturing, capturing.capture() as capture, BROKEN:
        capture.stop()


def test_a_firewall_that_stands_still_while_a_capture_ends_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captures, "END_WITHIN_S", 0.1)
    lab = lab_with("say(id=asked()['id'], capturing=[]); time.sleep(60)")
    with Capturing(lab) as capturing, capturing.capture() as capture:
        monkeypatch.setattr(captures, "ANSWER_WITHIN_S", 0.1)
        with pytest.raises(LabProblem, match=r"capture program did not end the capture within 0\.1 s"):
            capture.stop()


def test_a_capture_program_that_ended_is_started_again_for_the_next_capture() -> None:
    code = (
        CAPTURES.replace("NAMES", "[]").replace("GIVEN", "0").replace("else:", "else:\n        sys.exit('no memory')")
    )
    with Capturing(lab_with(code)) as capturing:
        for _ in range(2):
            with capturing.capture() as capture, pytest.raises(LabProblem, match="ended with status 1: no memory"):
                capture.stop()
