"""The lessons as a sheet of Markdown, to be printed: with empty lines for answers, or with the answers.

An answer comes from the evidence of a run on this machine, and the sheet names that run. Where no run is stored, no
answer is made up: the sheet says so, and says what the drill expects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from scenarios.lab.places import typed
from scenarios.spec.cell import Cell
from scenarios.spec.units import so_many
from scenarios.teaching.answers import Evidence, NotThere, answer
from scenarios.teaching.lesson import Exercise, Lesson

Find = Callable[[Cell], Path | None]
"""The folder of the newest cell like this one that passed; None where there is none."""


def sheet(lessons: Sequence[tuple[Lesson, Sequence[Cell]]], terms: Mapping[str, str], find: Find | None) -> str:
    """Return the sheet, without answers where `find` is None."""
    met: set[str] = set()
    return "\n".join(line for lesson, cells in lessons for line in _lesson(lesson, cells, terms, find, met))


def _lesson(
    lesson: Lesson, cells: Sequence[Cell], terms: Mapping[str, str], find: Find | None, met: set[str]
) -> Iterator[str]:
    count = so_many(len(lesson.exercises), "exercise")
    yield f"# Lesson {lesson.lesson}: {lesson.title}{' (answers)' if find else ''}\n"
    begins = typed("learn", f"LESSON={lesson.lesson}", str(lesson.lesson))
    yield f"{count}, {lesson.minutes} minutes. At the lab: `{begins}`\n"
    yield f"{lesson.before}\n"
    yield from _words(lesson.terms, terms, met)
    for number, (exercise, cell) in enumerate(zip(lesson.exercises, cells, strict=True), 1):
        yield f"## Exercise {number}\n"
        yield f"{exercise.told}\n"
        yield from _words((*exercise.terms, *exercise.terms_of_why), terms, met)
        yield "The script. The word before a colon is the name of a fault or a call:\n"
        yield from (f"{place}. {step.says}" for place, step in enumerate(cell.drill.script, 1))
        yield ""
        yield from _questions(exercise) if find is None else _answered(exercise, cell, find(cell))


def _words(words: Sequence[str], terms: Mapping[str, str], met: set[str]) -> Iterator[str]:
    new = [each for each in words if each not in met]
    met.update(new)
    if new:
        yield "New words:\n"
        yield from (f"- **{each}**: {terms[each]}" for each in new)
        yield ""


def _questions(exercise: Exercise) -> Iterator[str]:
    for number, question in enumerate(exercise.questions, 1):
        choices = " / ".join(choice.value for choice in question.choices)
        yield f"Question {number}. {question.ask}\n"
        yield f"{choices or 'A number'}: ______________________\n"


def _answered(exercise: Exercise, cell: Cell, folder: Path | None) -> Iterator[str]:
    drill = cell.drill
    try:
        evidence = Evidence.of(folder) if folder else None
        why = ""
    except NotThere as lacking:
        evidence, why = None, f" ({lacking})"
    if folder and evidence:
        yield f"Answers, read from the run {folder.parents[2].name} on this machine:\n"
    else:
        runs = typed("run", f"NAME={drill.drill}", drill.drill)
        yield f"No run of this drill here can be read{why}, so the answers are not known. `{runs}` makes one.\n"
    for number, question in enumerate(exercise.questions, 1):
        told = "not known"
        if evidence:
            try:
                told = answer(question, evidence).words
            except NotThere as lacking:
                told = f"this run does not tell: {lacking}"
        yield f"Question {number}. {question.ask} **{told}**\n"
    if not evidence:
        yield "What the drill expects of a run. This is its claim, and not an answer from a run:\n"
        yield from (f"- {each.says}" for each in drill.expect)
        yield ""
    yield f"The claim of `{drill.drill}`: {drill.claim}\n"
    yield f"Why: {drill.why} ({'; '.join(drill.source)})\n"
    yield f"Look at the ladder: {exercise.look}\n"
