"""The lessons' files: each drill is there, each question can be answered from its evidence, each word is explained."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.spec.cell import Cell
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.service import Services, services
from scenarios.teaching.lesson import LESSONS, Lesson, cells_of, lessons, terms
from scenarios.teaching.sheet import sheet
from tests.mistakes import changed, each_mistake
from tests.teaching import glossary

FOUND = lessons()
WORDS = terms()
BY_NUMBER = pytest.mark.parametrize("lesson", FOUND, ids=lambda each: each.path.stem)


@pytest.fixture(scope="module")
def known() -> Services:
    return services()


# Words of capitals that are explained by what stands around them: standards, and names of the operating system's own.
PLAIN = {"RFC", "IP", "IPv4", "IPv6", "SO", "PSH", "EWOULDBLOCK"} | set(errno.errorcode.values())
CAPITALS = re.compile(r"(?<![\w-])[A-Z][A-Z]+(?:-[A-Z]+)?(?![\w-])")
ROLES = ("bystander", "nobody")  # of steps; anywhere else `nobody` is plain English


def texts_shown(lesson: Lesson, cells: Sequence[Cell]) -> list[tuple[str, str, Sequence[str]]]:
    """What a lesson shows but its ladders, in order: the texts, its steps, and the words that are explained there."""
    found: list[tuple[str, str, Sequence[str]]] = [(lesson.before, "", lesson.terms)]
    for exercise, cell in zip(lesson.exercises, cells, strict=True):
        choices = [f"{each.value} {each.meaning}" for question in exercise.questions for each in question.choices]
        texts = [exercise.told, *(each.ask for each in exercise.questions), *choices]
        texts.append(exercise.look)
        found.append((" ".join(texts), " ".join(step.says for step in cell.drill.script), exercise.terms))
        found.append((f"{cell.drill.claim} {cell.drill.why}", "", exercise.terms_of_why))
    return found


def unexplained(found: Sequence[Lesson], known: Services) -> list[str]:
    """The words that a lesson shows before it, or one before it, has explained them."""
    met: set[str] = set()
    wrong = []
    for lesson in found:
        for text, steps, new in texts_shown(lesson, cells_of(lesson, known)):
            met |= {*new}
            words = {word.removesuffix("s") for word in CAPITALS.findall(f"{text} {steps}")} - PLAIN
            words |= {role for role in ROLES if re.search(rf"\b{role}\b", steps)}
            words |= {"router"} if re.search(r"\brouters?\b", text) else set()
            wrong += [f"{lesson.path.stem}: {word}, in {text[:60]!r}" for word in sorted(words - met)]
    return wrong


def words_of(lesson: Lesson, known: Services) -> int:
    """How many words a reader reads in a lesson, but for its ladders."""
    texts = [
        f"{text} {steps} {' '.join(WORDS[word] for word in new)}"
        for text, steps, new in texts_shown(lesson, cells_of(lesson, known))
    ]
    return sum(len(re.findall(r"[\w'()-]+", text)) for text in texts)


READS_A_MINUTE, PREDICTS_MINUTES, RUN_MINUTES, LADDER_MINUTES = 200, 0.5, 0.5, 2


@BY_NUMBER
def test_a_lesson_fits_its_minutes_and_fills_most_of_them(lesson: Lesson, known: Services) -> None:
    """By its text: half a minute to predict, half to wait for a run, two for a ladder and what was right."""
    reckoned = words_of(lesson, known) / READS_A_MINUTE + len(lesson.exercises) * (RUN_MINUTES + LADDER_MINUTES)
    reckoned += sum(len(each.questions) for each in lesson.exercises) * PREDICTS_MINUTES
    assert 0.6 * lesson.minutes <= reckoned <= lesson.minutes


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


def test_each_word_is_explained_where_it_is_met_first(known: Services) -> None:
    assert unexplained(FOUND, known) == []


def test_a_word_that_nobody_explained_is_found(known: Services) -> None:
    first = FOUND[0]
    without = [replace(each, terms=(), terms_of_why=()) for each in first.exercises]
    lesson = replace(first, exercises=tuple(without))
    object.__setattr__(lesson, "path", first.path)
    found = {each.split(", in ")[0].removeprefix("1-reaching: ") for each in unexplained([lesson], known)}
    assert found == {"TCP", "SYN", "RST", "SIGKILL", "CLOSED", "TTL", "bystander", "nobody", "ARP", "ICMP"}


def test_the_glossary_has_the_words_of_the_lessons() -> None:
    text = glossary.PAGE.read_text("utf-8")
    assert glossary.page(text) == text, "python -m tests.teaching.glossary makes it anew"
    of_exercises = [words for each in FOUND for e in each.exercises for words in (e.terms, e.terms_of_why)]
    used = {word for words in (*(each.terms for each in FOUND), *of_exercises) for word in words}
    assert used == {*WORDS}, "a word that no lesson has, or the reverse"


WRONG = {
    "drill: lost-syn": {
        "drill: lost-sin": "unknown drill 'lost-sin'",
    },
    "outcome: patient": {
        "outcome: patent": "silent-drop makes no call 'patent'; did you mean 'patient'?",
    },
    "count: {of: arp, at: server-leg, to: nobody}": {
        "sockets: {look: there, state: LISTEN}": "no look 'there'",
    },
    "RST, errno, timeout,": {
        "RSTT, errno,": "does not explain 'RSTT'; did you mean 'RST'?",
    },
    "service: echo/blocking": {
        "service: qotd/udp": "refused-closed-port does not fit qotd/udp",
    },
    "takes: hello": {
        "notices: hello": "'no-listener' is done to the server's program",
    },
    "title: Reaching a server": {
        "titel: Reaching": "unknown key 'titel'; did you mean 'title'?",
    },
    "ask: How does the client's call end?": {
        "ask: How it ends": "expected a question",
    },
    "outcome: hello": {
        "outcome: hello\n        errno: hello": "a question has exactly one of",
    },
}


@each_mistake(WRONG)
def test_a_lesson_that_is_wrong_is_told_with_its_file_and_line(
    tmp_path: Path, known: Services, old: str, new: str, told: str
) -> None:
    text = (LESSONS / "1-reaching.yaml").read_text("utf-8")
    (tmp_path / "1-reaching.yaml").write_text(changed(text, old, new), "utf-8")
    with pytest.raises(DeclarationError) as raised:
        cells_of(lessons(tmp_path)[0], known)
    first = str(raised.value.all[0])
    line = text[: text.index(old)].count("\n") + 1
    assert re.match(r".*1-reaching\.yaml:(\d+): ", first)
    assert abs(int(first.split(":")[1]) - line) <= 1
    assert told in first
