"""A lesson with somebody who is made up at the terminal, over evidence that is made up: right and wrong are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.text import Text

from scenarios.lab.errors import UsageError
from scenarios.spec.cell import Cell
from scenarios.spec.outcome import Outcome
from scenarios.spec.service import services
from scenarios.teaching.lesson import Lesson, cells_of, find_lesson, terms
from scenarios.teaching.logbook import Logbook
from scenarios.teaching.session import Ran, Session
from scenarios.verdict.check import Verdict
from tests.report import making

LOST_SYN = "lost-syn · le-le"
GOES_ON = ""


@dataclass
class Person:
    """Types these lines, one after another, and keeps what was said; then closes the terminal."""

    types: list[str]
    heard: list[str] = field(default_factory=list)

    def say(self, text: str = "", *, strong: bool = False) -> None:  # noqa: ARG002
        self.heard.append(text)

    def draw(self, lines: Iterable[Text]) -> None:
        self.heard += [line.plain for line in lines]

    def ask(self, prompt: str) -> str:
        self.heard.append(prompt)
        if not self.types:
            raise EOFError
        return self.types.pop(0)

    @property
    def text(self) -> str:
        return "\n".join(self.heard)


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    """Lesson one, cut down to the exercise whose evidence tests make up: a SYN that is lost."""
    found = find_lesson(1)
    only = replace(found, exercises=tuple(each for each in found.exercises if each.name == LOST_SYN))
    object.__setattr__(only, "path", found.path)
    return only


Play = Callable[..., Person]


@pytest.fixture
def play(lesson: Lesson, tmp_path: Path) -> Play:
    """Play the lesson with a person who types these lines; each run has this verdict, and this end of its call."""
    cells = cells_of(lesson, services())
    legs = making.handshake_with_a_lost_syn()

    def played(
        types: Sequence[str],
        verdict: Verdict = Verdict.PASS,
        outcome: Outcome | None = Outcome.ANSWERED,
        again: bool = False,
    ) -> Person:
        def perform(cell: Cell, tries: int) -> Ran:
            calls = {"hello": [making.call_of(outcome)]} if outcome else {}
            seen = making.evidence(*legs, calls=calls)
            folder = tmp_path / "2026-11-21T10-00-00.000Z"
            made = making.result(folder, drill=cell.drill.drill, pair="le-le", of={"fault": seen}, repeat=tries)
            return Ran(verdict, "the sentence of the verdict", made.folder)

        person = Person(list(types))
        learnt = Logbook.read(tmp_path / "learnt.json")
        Session(lesson, cells, terms(), person, perform, learnt).run(again=again)
        return person

    return played


# What is asked: how it ends (a: answered), how long (b: about a second), how many SYNs leave (2), and arrive (1).
# Then it is run; and after the ladder, and after the answers, one goes on.
RIGHT = [GOES_ON, "a", "b", "2", "1", GOES_ON, GOES_ON, GOES_ON]


def test_right_predictions_are_told_by_the_evidence(play: Play) -> None:
    person = play([*RIGHT, GOES_ON])
    assert "4 of 4 right." in person.heard
    assert [line.split(":")[0].strip() for line in person.heard if line.startswith("  ") and "How " in line] == [
        "right"
    ] * 4
    assert "you said about a second; it was about a second (1.03 s)" in person.text
    assert not person.types


def test_wrong_predictions_are_told_beside_what_was_so(play: Play) -> None:
    person = play([GOES_ON, "d", "e", "1", "1", *4 * [GOES_ON]])
    assert "1 of 4 right." in person.heard
    assert "you said timed out; it was answered: the right answer came, all of it" in person.text
    assert "you said longer than that; it was about a second (1.03 s)" in person.text
    assert "you said 1; it was 2" in person.text
    assert person.text.count("  wrong: ") == 3


def test_the_answer_follows_the_evidence_and_not_the_drill(play: Play) -> None:
    person = play([GOES_ON, "b", "b", "2", "1", *4 * [GOES_ON]], Verdict.FAIL, Outcome.REFUSED)
    assert "4 of 4 right." in person.heard
    assert "In this run it did not hold: the sentence of the verdict. The answers above" in person.text


def test_a_question_that_the_run_does_not_answer_was_asked_and_is_not_counted(play: Play) -> None:
    person = play([*RIGHT, GOES_ON], outcome=None)
    assert "  not counted: How does the client's call end? This run does not tell: the call hello was not made" in (
        person.heard
    )
    assert "2 of 2 right." in person.heard


def test_nothing_is_told_of_the_claim_before_the_predictions(play: Play) -> None:
    person = play([*RIGHT, GOES_ON])
    at = next(number for number, line in enumerate(person.heard) if "Press Enter to run it" in line)
    before, after = "\n".join(person.heard[:at]), "\n".join(person.heard[at:])
    claim = "Losing one SYN delays the client by about one second"
    assert claim in after
    assert claim not in before
    assert "lost-syn" not in before
    assert "SYN, sent again" in after


def test_a_run_that_proves_nothing_makes_no_prediction_right_or_wrong(play: Play, tmp_path: Path) -> None:
    person = play([*RIGHT, GOES_ON], Verdict.UNPROVEN)
    assert "This run proves nothing (unproven): the sentence of the verdict" in person.heard
    assert " right." not in person.text.replace("was right.", "")
    assert not (tmp_path / "learnt.json").exists()


def test_what_was_right_is_kept_and_the_next_time_says_so(play: Play, tmp_path: Path) -> None:
    play([GOES_ON, "a", ".", "3", "1", *4 * [GOES_ON]])
    stored = json.loads((tmp_path / "learnt.json").read_text("utf-8"))
    kept = stored["done"][f"1/{LOST_SYN}"]["predictions"]
    assert [(each["said"], each["was"]) for each in kept] == [
        ("answered", "answered"),
        ("", "about a second"),
        ("3", "2"),
        ("1", "1"),
    ]
    done = Logbook.read(tmp_path / "learnt.json").of(1, LOST_SYN)
    assert done is not None
    assert done.right == 2
    assert "You have done 1 of the 1 exercises already" in play(["q"]).text


def test_a_prompt_says_what_can_be_typed_and_other_words_are_answered(play: Play) -> None:
    person = play([GOES_ON, "z", "", "Answered", "b", "two", "2", "1", "nonsense", *4 * [GOES_ON]])
    assert "expected a letter from a to j, got 'z'" in person.heard
    assert "expected a number, got 'two'" in person.heard
    assert "'nonsense' does nothing here" in person.heard
    assert "4 of 4 right." in person.heard
    prompts = [line for line in person.heard if "q leaves" in line]
    assert len(prompts) == 13
    assert all("Enter" in line for line in prompts)


def test_a_word_is_explained_whenever_it_is_asked_for(play: Play) -> None:
    person = play(["? syn", "?", "?syn-akc", GOES_ON, "q"])
    assert f"SYN: {terms()['SYN']}" in person.heard
    assert "Type ? and a word, as in: ? client" in person.heard
    assert "no lesson explains 'syn-akc'; did you mean 'SYN-ACK'?" in person.text


@pytest.mark.parametrize("types", [["q"], [], [GOES_ON, "a", "Q"], RIGHT[:-1]])
def test_one_can_leave_at_every_prompt_also_by_ctrl_d(play: Play, types: list[str]) -> None:
    assert "You left the lesson; what you have done is kept." in play(types).heard


def test_an_exercise_can_be_done_again(play: Play) -> None:
    person = play([*RIGHT, "r", *RIGHT[1:], GOES_ON])
    assert person.heard.count("4 of 4 right.") == 2


def test_a_file_that_is_not_of_this_form_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "learnt.json"
    for text in (
        "{",
        "[]",
        '{"schema": 2, "done": {}}',
        '{"schema": 1, "done": {"1/a": {"at": "", "predictions": [1]}}}',
    ):
        path.write_text(text, "utf-8")
        with pytest.raises(UsageError, match=r"learnt\.json has not the form that `learn` writes"):
            Logbook.read(path)
        assert path.read_text("utf-8") == text
