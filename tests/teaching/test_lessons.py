"""The lessons' files: each drill is there, each question can be answered from its evidence, each word is explained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.service import Services, services
from scenarios.teaching.lesson import LESSONS, Lesson, cells_of, find_lesson, lessons, terms
from scenarios.teaching.sheet import sheet
from tests.teaching import glossary

FOUND = lessons()
WORDS = terms()
BY_NUMBER = pytest.mark.parametrize("lesson", FOUND, ids=lambda each: each.path.stem)


@pytest.fixture(scope="module")
def known() -> Services:
    return services()


def told(lesson: Lesson) -> list[tuple[str, Sequence[str]]]:
    """The texts of a lesson before each run, in order, with the words that are explained there."""
    found: list[tuple[str, Sequence[str]]] = [(lesson.before, lesson.terms)]
    found += [
        (" ".join([each.told, *(question.ask for question in each.questions)]), each.terms) for each in lesson.exercises
    ]
    return found


def unexplained(found: Sequence[Lesson]) -> list[str]:
    """The words of the glossary that a lesson uses before it, or one before it, has explained them."""
    met: set[str] = set()
    wrong = []
    for lesson in found:
        for text, new in told(lesson):
            met |= {*new}
            wrong += [
                f"{lesson.path.stem}: {word}, in {text[:60]!r}"
                for word in WORDS
                # such as SYN, RST, NAT: what a reader of English does not know; `client` explains itself sooner
                if word not in met and word.isupper() and re.search(rf"(?<![\w-]){word}s?(?![\w-])", text)
            ]
    return wrong


def test_there_are_eight_lessons_of_45_minutes_each() -> None:
    assert [(each.lesson, each.minutes) for each in FOUND] == [(number, 45) for number in range(1, 9)]


@BY_NUMBER
def test_each_drill_is_in_the_catalogue_and_its_evidence_can_answer_what_is_asked(
    lesson: Lesson, known: Services
) -> None:
    cells = cells_of(lesson, known)
    assert [cell.drill.drill for cell in cells] == [each.drill for each in lesson.exercises]


@BY_NUMBER
def test_a_drill_is_told_without_its_claim(lesson: Lesson, known: Services) -> None:
    for exercise, cell in zip(lesson.exercises, cells_of(lesson, known), strict=True):
        before = [exercise.told, *(each.ask for each in exercise.questions)]
        assert not any(cell.drill.claim in each or cell.drill.drill in each for each in before), exercise.name


def test_the_sheet_without_answers_names_no_drill_and_no_claim(known: Services) -> None:
    with_cells = [(each, cells_of(each, known)) for each in FOUND]
    text = sheet(with_cells, WORDS, None)
    for _, cells in with_cells:
        for cell in cells:
            assert cell.drill.claim not in text
            assert f"`{cell.drill.drill}`" not in text
    assert text.count("\n## Exercise ") == sum(len(each.exercises) for each in FOUND)


def test_each_word_is_explained_where_it_is_met_first() -> None:
    assert not unexplained(FOUND)


def test_a_word_that_nobody_explained_is_found() -> None:
    assert any("ICMP" in each for each in unexplained([find_lesson(8)]))


def test_the_glossary_has_the_words_of_the_lessons() -> None:
    text = glossary.PAGE.read_text("utf-8")
    assert glossary.page(text) == text, "python -m tests.teaching.glossary makes it anew"
    used = {word for each in FOUND for words in (each.terms, *(e.terms for e in each.exercises)) for word in words}
    assert used == {*WORDS}, "a word that no lesson has, or the reverse"


@pytest.mark.parametrize(
    ("of", "becomes", "told"),
    [
        ("drill: lost-syn", "drill: lost-sin", "unknown drill 'lost-sin'"),
        ("outcome: patient", "outcome: patent", "silent-drop makes no call 'patent'; did you mean 'patient'?"),
        ("count: {of: arp, at: server-leg, to: nobody}", "sockets: {look: there, state: LISTEN}", "no look 'there'"),
        ("terms: [RST, errno, timeout]", "terms: [RSTT]", "does not explain 'RSTT'; did you mean 'RST'?"),
        ("service: echo/blocking", "service: qotd/udp", "refused-closed-port does not fit qotd/udp"),
        ("takes: hello", "notices: hello", "'no-listener' is done to the server's program"),
        ("title: Reaching a server", "titel: Reaching", "unknown key 'titel'; did you mean 'title'?"),
        ("ask: How does the client's call end?", "ask: How it ends", "expected a question"),
        ("outcome: hello", "outcome: hello\n        errno: hello", "a question has exactly one of"),
    ],
)
def test_a_lesson_that_is_wrong_is_told_with_its_file_and_line(
    tmp_path: Path, known: Services, of: str, becomes: str, told: str
) -> None:
    text = (LESSONS / "1-reaching.yaml").read_text("utf-8")
    assert of in text
    (tmp_path / "1-reaching.yaml").write_text(text.replace(of, becomes, 1), "utf-8")
    with pytest.raises(DeclarationError) as raised:
        cells_of(lessons(tmp_path)[0], known)
    first = str(raised.value.all[0])
    line = text[: text.index(of)].count("\n") + 1
    assert re.match(r".*1-reaching\.yaml:(\d+): ", first)
    assert abs(int(first.split(":")[1]) - line) <= 1
    assert told in first
