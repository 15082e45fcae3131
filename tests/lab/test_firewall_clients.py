"""What is told when a program on a machine of the lab is late, or ends, or says what it should not."""

from __future__ import annotations

import pytest

from scenarios import injector as injectors
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
