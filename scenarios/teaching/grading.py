"""The mark of a submission's cell: good, bad, or open where nothing can be said. Reads evidence, and runs nothing.

A drill for every program claims what network and kernel do, so its verdict says nothing of the program. What the
program did is beside it in result.json; grading.yaml says what is right. What is not clear is open, and never bad.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from scenarios.lab.valueclass import valueclass
from scenarios.report import read_run
from scenarios.spec.declaration import declaration
from scenarios.spec.drill import Drill
from scenarios.spec.outcome import Outcome
from scenarios.spec.strict_yaml import load
from scenarios.teaching.lesson import LESSONS
from scenarios.verdict.behaviour import AGAIN, AMONG_WORDS, DONE, TRACEBACK, UNCLEAR, UNSEEN
from scenarios.verdict.check import Verdict
from scenarios.verdict.not_ended import NOT_DONE, NOT_ENDED, SENDING, TRYING

RUBRIC: Final = LESSONS / "grading.yaml"
Want = Literal["answered", "told", "either"]
WANTED: Final[Mapping[Want, str]] = {
    "answered": "answered",
    "told": "ended by itself, not answered",
    "either": "answered, or ended by itself",
}
# What a program did of which nobody can say whether it is right: the lab's patience ended it, it said two things, it
# may have said what failed beside a traceback, nothing of it was seen, or it could not be called at all.
OF_NO_CALL: Final = (Outcome.UNSUPPORTED, Outcome.USAGE, Outcome.CANCELLED)
OPEN_KINDS: Final = frozenset(
    {TRYING, SENDING, NOT_DONE, NOT_ENDED, DONE, UNCLEAR, UNSEEN, AMONG_WORDS, *(each.value for each in OF_NO_CALL)}
)
BAD_KINDS: Final = frozenset({"hung", "crashed", TRACEBACK})


class Mark(enum.Enum):
    """`OPEN`: nothing can be said, and it counts neither way. `NOT_FOR_IT`: the drill does not fit the submission."""

    GOOD = "good"
    BAD = "bad"
    OPEN = "open"
    NOT_FOR_IT = "not for it"


@declaration
class Rubric:
    """grading.yaml: drills by name, each with what is right."""

    drills: Mapping[str, Want]


@valueclass
class Grade:
    """A cell: its mark, what was seen in a word, what was wanted, and where its evidence is, from the run's folder."""

    mark: Mark
    word: str
    wanted: str = ""
    folder: str = ""


@valueclass
class Row:
    """A submission, or one of its servers: its grades by drill; or why it was not run."""

    name: str
    grades: Mapping[str, Grade]
    reason: str = ""

    def count(self, mark: Mark) -> int:
        return sum(each.mark is mark for each in self.grades.values())

    @property
    def score(self) -> str:
        """`7 of 9`: the good ones of those that are clear."""
        clear = self.count(Mark.GOOD) + self.count(Mark.BAD)
        return f"{self.count(Mark.GOOD)} of {clear}" if clear else "nothing is clear"


def rubric() -> Mapping[str, Want]:
    """Read grading.yaml. Raise DeclarationError."""
    return load(RUBRIC, Rubric).drills


def graded(folder: Path, drill: Drill, want: Want, run_folder: Path) -> Grade:
    """Grade the cell that is in a folder; open where it cannot be read."""
    place = folder.relative_to(run_folder).as_posix()
    try:
        stored = read_run.result(folder)
        mark, word = _mark(stored, drill, want)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Grade(Mark.OPEN, f"its evidence cannot be read: {error}", folder=place)
    wanted = drill.claim if _claims_outcome(drill) else WANTED[want]
    return Grade(mark, word, wanted, place)


def _claims_outcome(drill: Drill) -> bool:
    """Whether the drill itself says how the program must end: then its verdict is the mark."""
    return any(each.outcome for each in drill.expect)


def _mark(stored: Mapping[str, Any], drill: Drill, want: Want) -> tuple[Mark, str]:
    verdict, did = Verdict(stored["verdict"]), stored.get("did")
    if verdict in (Verdict.UNPROVEN, Verdict.UNSUPPORTED) or did is None:
        return Mark.OPEN, f"{verdict.value}: {stored['sentence']}"
    word, kind = str(did["word"]), str(did["kind"])
    if _claims_outcome(drill):
        return (Mark.GOOD, word) if verdict is Verdict.PASS else (Mark.BAD, f"{word}; {stored['sentence']}")
    if verdict is Verdict.FAIL:  # the claim is of network and kernel: no fault of the program
        return Mark.OPEN, f"{word}; the claim of the drill did not hold: {stored['sentence']}"
    if kind in OPEN_KINDS:
        return Mark.OPEN, word
    if kind in BAD_KINDS:
        return Mark.BAD, word
    answered = kind in (Outcome.ANSWERED.value, AGAIN)
    if answered:
        return (Mark.BAD if want == "told" else Mark.GOOD), word
    if _took_it_for_right(stored, str(did["call"])):
        return Mark.BAD, f"{word}, and its exit status was 0, as after a right one"
    return (Mark.BAD if want == "answered" else Mark.GOOD), word


def _took_it_for_right(stored: Mapping[str, Any], call: str) -> bool:
    """Whether a program that has no whole answer ended with status 0, as after a whole one."""
    return any(each["call"]["status"] == 0 for each in stored["runs"]["fault"]["calls"].get(call, ()))


def ordered(rows: Sequence[Row]) -> list[str]:
    """The drills of all rows, in the order in which they are met."""
    return list(dict.fromkeys(drill for row in rows for drill in row.grades))
