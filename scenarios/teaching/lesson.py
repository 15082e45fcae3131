"""A lesson: exercises around drills of the catalogue, read from a file of scenarios/lessons/, with its words explained.

Reading it needs no lab. A lesson is held against its drills: each must be there, fit the service that is named, and
leave the evidence that the questions ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Final

from scenarios.lab.errors import UsageError
from scenarios.lab.places import CODE
from scenarios.spec.catalogue import DRILLS, chosen_service, load_drill
from scenarios.spec.cell import Cell
from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import advice
from scenarios.spec.pairs import Pair
from scenarios.spec.service import Service
from scenarios.spec.strict_yaml import errors_of, load
from scenarios.teaching.question import Question

LESSONS: Final = CODE / "lessons"
TERMS: Final = LESSONS / "terms.yaml"


@declaration
class Exercise:
    """A drill, told without its claim. `told` says what stands where and what is done; `look` what the ladder shows.

    `terms` are the words that are met here first, and `terms_of_why` those that only the answer needs; terms.yaml
    explains them. `shows_control`: the ladder of the run without the fault is shown before the other.
    """

    drill: str
    told: str
    questions: tuple[Question, ...]
    look: str
    terms: tuple[str, ...] = ()
    terms_of_why: tuple[str, ...] = ()
    shows_control: bool = False
    service: str | None = None  # the drill's own
    pair: Pair = "le-le"

    def __post_init__(self) -> None:
        if not self.questions:
            raise ValueError("questions: expected one or more, got an empty sequence")

    @property
    def name(self) -> str:
        """What it is called in a lesson: no two exercises are of the same drill on the same machines."""
        return f"{self.drill} · {self.pair}"


@declaration
class Lesson:
    """A lesson file. `before` is told first."""

    lesson: int
    title: str
    minutes: int
    before: str
    exercises: tuple[Exercise, ...]
    terms: tuple[str, ...] = ()
    path: Path = field(default=Path(), init=False)

    def __post_init__(self) -> None:
        if not self.exercises:
            raise ValueError("exercises: expected one or more, got an empty sequence")
        names = [each.name for each in self.exercises]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"exercises: {twice} stands twice")


@declaration
class Terms:
    """The words of the field that lessons explain, each in a sentence or two."""

    terms: Mapping[str, str]


def terms() -> Mapping[str, str]:
    """Read terms.yaml. Raise DeclarationError."""
    return load(TERMS, Terms).terms


def lessons(root: Path = LESSONS) -> list[Lesson]:
    """Read every lesson, in their order. Raise DeclarationError for the first file that is wrong."""
    found = [_read(path) for path in sorted(root.glob("[0-9]*.yaml"))]
    return sorted(found, key=lambda each: each.lesson)


def _read(path: Path) -> Lesson:
    found = load(path, Lesson)
    object.__setattr__(found, "path", path)
    return found


def find_lesson(number: int) -> Lesson:
    """Return the lesson of this number. Raise UsageError where there is none."""
    found = lessons()
    for each in found:
        if each.lesson == number:
            return each
    raise UsageError(f"unknown lesson {number}; there are {found[0].lesson} to {found[-1].lesson}")


def cells_of(lesson: Lesson, known: Mapping[str, Service]) -> list[Cell]:
    """Return the cell of each exercise, in order. Raise DeclarationError where a lesson and a drill do not fit."""
    problems: list[str] = []
    found: list[Cell] = []
    explained = terms()
    problems += _unexplained(lesson.terms, explained, "terms")
    for number, exercise in enumerate(lesson.exercises, 1):
        at = f"exercises.{number}"
        problems += _unexplained(exercise.terms, explained, f"{at}.terms")
        problems += _unexplained(exercise.terms_of_why, explained, f"{at}.terms_of_why")
        path = DRILLS / f"{exercise.drill}.yaml"
        if not path.is_file():
            names = [each.stem for each in DRILLS.glob("*.yaml")]
            problems.append(f"{at}.drill: unknown drill {exercise.drill!r}{advice(exercise.drill, names)}")
            continue
        drill = load_drill(path, known)
        for place, question in enumerate(exercise.questions, 1):
            problems += [f"{at}.questions.{place}.{each}" for each in question.problems(drill)]
        try:
            found.append(Cell(drill, chosen_service(drill, exercise.service, known), exercise.pair))
        except UsageError as misfit:
            problems.append(f"{at}.service: {misfit}")
    if problems:
        raise errors_of(lesson.path, problems)
    return found


def _unexplained(words: Sequence[str], explained: Mapping[str, str], key: str) -> list[str]:
    return [
        f"{key}: {TERMS.name} does not explain {word!r}{advice(word, explained)}"
        for word in words
        if word not in explained
    ]
