"""A lesson at the terminal: told, predicted, run, compared. It speaks to a person through a `Terminal`, and has cells
run by a function that it is given; so a test plays both.

A person types a letter, a number or a word, and Enter. At each prompt stands what can be typed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Protocol

from rich.text import Text

from scenarios.lab.places import typed
from scenarios.lab.valueclass import valueclass
from scenarios.report.read_run import PAGE
from scenarios.spec.cell import Cell
from scenarios.spec.units import so_many
from scenarios.teaching.answers import CONTROL, Answer, Evidence, NotThere, answer, is_counted
from scenarios.teaching.lesson import Exercise, Lesson
from scenarios.teaching.lesson_ladder import ladder
from scenarios.teaching.logbook import Logbook, Prediction
from scenarios.teaching.question import Question
from scenarios.verdict.check import Verdict

UNSAID: Final = ""  # of a prediction: the learner did not know
KEYS: Final = "? explains the words, q leaves"
OF_THE_LAB: Final = re.compile(r"`python -m services\.[^`]*`")
LEGEND: Final = (
    "The ladder of what happened. Times are from the first packet on; what came before it has a minus. A line that "
    "ends in ╳ is a packet that ended at the firewall, and one that begins in the middle was made there. ⋮ is time in "
    'which nothing crossed. Below an arrow stands what the packet carries. "In force" says that a fault works from now '
    "on. Where there is a TTL, it is that of the packet on that side of the firewall."
)
READ_HOW: Final = "(An RFC is a standard, at www.rfc-editor.org; `man 2 connect` shows connect(2).)"
WHERE: Final = (
    "    client ───────── firewall ───────── server",
    "          client-leg          server-leg",
    "        (packets here)      (packets here)",
)


class Left(Exception):
    """The learner left the lesson."""


class Terminal(Protocol):
    """Where a person reads and types."""

    def say(self, text: str = "", *, strong: bool = False) -> None:
        """Print a paragraph, in lines that fit."""

    def draw(self, lines: Iterable[Text]) -> None:
        """Print lines as they are."""

    def ask(self, prompt: str) -> str:
        """Return what was typed before Enter, without spaces around it. Raise EOFError where nobody types any more."""


@valueclass
class Ran:
    """What came of a cell: the verdict with its sentence, and the folder with the evidence."""

    verdict: Verdict
    sentence: str
    folder: Path


Perform = Callable[[Cell, int], Ran]
"""Run a cell; the number is that of the try, from 1."""


@dataclass(slots=True)
class Session:
    """A lesson that goes on."""

    lesson: Lesson
    cells: Sequence[Cell]
    terms: Mapping[str, str]
    terminal: Terminal
    perform: Perform
    logbook: Logbook
    terms_explained: list[str] = field(default_factory=list)  # the words that were explained
    right: int = 0
    questions_asked: int = 0
    is_told_how_to_read: bool = False
    is_told_legend: bool = False

    def run(self, *, again: bool = False) -> None:
        """Go through the exercises that were not done yet; `again`: through all. What was done is kept at once."""
        exercises = list(zip(self.lesson.exercises, self.cells, strict=True))
        left = [each for each in exercises if again or not self.logbook.of(self.lesson.lesson, each[0].name)]
        done = 0 if again else len(exercises) - len(left)
        left = left or exercises
        try:
            self._begin(len(exercises), done)
            for exercise, cell in left:
                self._exercise(exercise, cell, self.lesson.exercises.index(exercise) + 1)
        except (Left, EOFError):
            self.terminal.say()
            self.terminal.say("You left the lesson; what you have done is kept.")
        self._end()

    def _begin(self, count: int, done: int) -> None:
        say = self.terminal.say
        say(
            f"Lesson {self.lesson.lesson}: {self.lesson.title} "
            f"({so_many(count, 'exercise')}, {self.lesson.minutes} minutes)",
            strong=True,
        )
        say()
        say(self.lesson.before)
        say()
        say("Everything that crosses the firewall is seen twice, once on each side of it:")
        for line in WHERE:
            self.terminal.draw([Text(line)])
        self._explain(self.lesson.terms)
        if done:
            again = typed("learn", f"LESSON={self.lesson.lesson} AGAIN=1", f"{self.lesson.lesson} --again")
            begins = f"; `{again}` begins with the first" if done < count else ": it begins with the first once more"
            say(f"You have done {done} of the {count} exercises already{begins}.")
            say()
        say("How it goes: you read what will be done, you predict, it is run, and the packets answer.")
        self._wait("Press Enter to begin")

    def _exercise(self, exercise: Exercise, cell: Cell, number: int) -> None:
        """Do one exercise; again, for as long as the learner wants it."""
        tries = 0
        while True:
            tries += 1
            self._tell(exercise, cell, number)
            said = [
                self._predict(each, place, len(exercise.questions)) for place, each in enumerate(exercise.questions, 1)
            ]
            self.terminal.say()
            self.terminal.say("Now it is run, which takes some ten seconds, on a busy machine a minute.")
            self._wait("Press Enter to run it")
            ran = self.perform(cell, tries)
            if ran.verdict in (Verdict.UNPROVEN, Verdict.UNSUPPORTED):
                self.terminal.say(f"This run proves nothing ({ran.verdict.value}): {ran.sentence}")
                self.terminal.say("So your predictions are neither right nor wrong.")
            else:
                self._compare(exercise, cell, ran, said)
            last = number == len(self.lesson.exercises)
            on = "end" if last else "go on"
            if self._choose(f"Press Enter to {on}, or type r and Enter to do this exercise again", ("", "r")) != "r":
                return

    def _tell(self, exercise: Exercise, cell: Cell, number: int) -> None:
        say = self.terminal.say
        say()
        say(f"Exercise {number} of {len(self.lesson.exercises)}", strong=True)
        say()
        say(exercise.told)
        self._explain(exercise.terms)
        say(
            "What the script does, step by step. The word before a colon is the name of that step, such as a fault or "
            "a call; a word in quotes is the name of a program."
        )
        for place, step in enumerate(cell.drill.script, 1):
            # What a program of the lab's is called, or asked for, would tell what it is going to do.
            say(f"  {place}. {OF_THE_LAB.sub('a program of this exercise', step.says)}")
        say()

    def _explain(self, words: Sequence[str]) -> None:
        """Explain words that are met first here."""
        new = [each for each in words if each not in self.terms_explained]
        self.terms_explained += new
        self.terminal.say()
        if new:
            self.terminal.say("New words:")
            for each in new:
                self.terminal.say(f"  {each}: {self.terms[each]}")
            self.terminal.say()

    def _predict(self, question: Question, number: int, count: int) -> str:
        """Ask one question, and return the word that was chosen, or the number; UNSAID for `.`."""
        say = self.terminal.say
        say(f"Question {number} of {count}: {question.ask}", strong=True)
        letters = {chr(ord("a") + place): choice for place, choice in enumerate(question.choices)}
        for letter, choice in letters.items():
            say(f"  {letter}  {choice.value}" + (f": {choice.meaning}" if choice.meaning else ""))
        wanted = f"a letter from a to {list(letters)[-1]}" if letters else "a number"
        while True:
            word = self._ask(f"Your prediction ({wanted}, then Enter; . means that you do not know; {KEYS})")
            if word == ".":
                return UNSAID
            if word in letters:
                return letters[word].value
            if chosen := next((each.value for each in question.choices if each.value.lower() == word), None):
                return chosen
            if not letters and word.isascii() and word.isdecimal():
                return str(int(word[:18]))
            say(f"expected {wanted}, got {word!r}" if word else f"expected {wanted}")

    def _compare(self, exercise: Exercise, cell: Cell, ran: Ran, said: Sequence[str]) -> None:
        """Show the ladder, then what was predicted beside what was so, then why; each when the learner is ready."""
        try:
            evidence = Evidence.of(ran.folder)
            control = Evidence.of(ran.folder, CONTROL) if exercise.shows_control else None
        except NotThere as why:
            self.terminal.say(f"What was run cannot be read, so your predictions are neither right nor wrong: {why}")
            return
        if control:
            self._legend()
            self.terminal.say("First the same without the fault, as it goes when nothing is wrong:")
            self._draw(exercise, control)
            self._wait("Press Enter to see it with the fault")
        if not control:
            self._legend()
        self._draw(exercise, evidence)
        self._wait("Press Enter to see how right you were")
        self._answers(exercise, evidence, said)
        self._wait("Press Enter to read why")
        self._why(exercise, cell, ran)

    def _legend(self) -> None:
        self.terminal.say("The ladder of what happened:" if self.is_told_legend else LEGEND)
        self.is_told_legend = True

    def _draw(self, exercise: Exercise, evidence: Evidence) -> None:
        counted = [each.count for each in exercise.questions if each.count]
        lines = ladder(
            evidence.result,
            evidence.packets,
            lambda frame: any(is_counted(each, frame, evidence.packets) for each in counted),
        )
        self.terminal.draw([Text(), *lines, Text()])

    def _answers(self, exercise: Exercise, evidence: Evidence, said: Sequence[str]) -> None:
        """Say of each prediction whether it was right; and keep them."""
        say = self.terminal.say
        kept: list[Prediction] = []
        for question, word in zip(exercise.questions, said, strict=True):
            try:
                was = answer(question, evidence)
            except NotThere as why:
                say(f"  not counted: {question.ask} This run does not tell: {why}")
                continue
            kept.append(Prediction(question.ask, word, was.value))
            say(f"  {_mark(word, was)}: {question.ask}")
            meaning = next((each.meaning for each in question.choices if each.value == was.value), "")
            because = f": {meaning}" if meaning and word != was.value else ""
            say(f"         you said {word or 'nothing'}; it was {was.words}{because}")
        if kept:
            self.logbook.note(self.lesson.lesson, exercise.name, kept)
        right = sum(each.is_right for each in kept)
        self.right, self.questions_asked = self.right + right, self.questions_asked + len(kept)
        say()
        say(f"{right} of {len(kept)} right.", strong=True)
        say()

    def _why(self, exercise: Exercise, cell: Cell, ran: Ran) -> None:
        say, drill = self.terminal.say, cell.drill
        say(f"Look at the ladder: {exercise.look}")
        self._explain(exercise.terms_of_why)
        say(f"The claim of this drill, {drill.drill}: {drill.claim}")
        if ran.verdict is Verdict.FAIL:
            why = ran.sentence.removesuffix(".")
            say(f"In this run it did not hold: {why}. The answers above are what the packets of this run show.")
        say(f"Why: {drill.why}")
        say(f"To read more: {'; '.join(drill.source)}")
        if not self.is_told_how_to_read:
            say(READ_HOW)
        self.is_told_how_to_read = True
        if (ran.folder / PAGE).is_file():
            say("All of the evidence is on a page, for a browser:")
            self.terminal.draw([Text(str(ran.folder / PAGE)), Text()])  # in one piece, to be copied

    def _end(self) -> None:
        say, number = self.terminal.say, self.lesson.lesson
        say()
        if self.questions_asked:
            say(f"Lesson {number}: {self.right} of {self.questions_asked} predictions right.", strong=True)
        left = not all(self.logbook.of(number, each.name) for each in self.lesson.exercises)
        more = typed("learn", f"LESSON={number}", str(number)) if left else typed("learn")
        goes_on = "with this lesson" if left else "with the next lesson"
        say(f"`{more}` goes on {goes_on}, `{typed('learn', 'LIST=1', '--list')}` lists all lessons.")

    # What a person types

    def _wait(self, what: str) -> None:
        self._choose(what, ("",))

    def _choose(self, about: str, among: Sequence[str]) -> str:
        while (word := self._ask(f"{about}. ({KEYS})")) not in among:
            self.terminal.say(f"{word!r} does nothing here")
        return word

    def _ask(self, prompt: str) -> str:
        """Return what was typed, in small letters, when it is no question about a word. Raise Left for `q`."""
        while True:
            word = self.terminal.ask(prompt)
            if word.lower() in ("q", "quit", "exit"):
                raise Left
            if not word.startswith("?"):
                return word.lower()
            self._explain_one(word.removeprefix("?").strip())

    def _explain_one(self, word: str) -> None:
        by_small = {each.lower(): each for each in self.terms}
        if found := by_small.get(word.lower()):
            self.terminal.say(f"{found}: {self.terms[found]}")
        elif word:
            near = get_close_matches(word.lower(), by_small, 1)
            meant = f"did you mean {by_small[near[0]]!r}?" if near else "? alone lists the words that are explained"
            self.terminal.say(f"no lesson explains {word!r}; {meant}")
        else:
            self.terminal.say(
                f"Type ? and a word, as in: ? {self.terms_explained[0] if self.terms_explained else 'SYN'}"
            )
            self.terminal.say(f"Words that lessons explain: {', '.join(self.terms)}")


def _mark(word: str, was: Answer) -> str:
    return "right" if word == was.value else "wrong" if word else " -   "
