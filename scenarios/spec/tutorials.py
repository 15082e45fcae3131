"""What tutorials say and teach, as data: their sentences (docs/tutorials.yaml), and their programs beside the repairs.

Nothing in these files says what a drill shows: that is looked up in the drill. Reading them needs no lab.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from scenarios.lab.places import ROOT
from scenarios.lab.valueclass import valueclass
from scenarios.spec.declaration import declaration
from scenarios.spec.drill import Drill
from scenarios.spec.expectations import Expectation
from scenarios.spec.service import SERVICES
from scenarios.spec.strict_yaml import load

SENTENCES = ROOT / "docs" / "tutorials.yaml"
PAIRS = SERVICES / "tutorial" / "pairs.yaml"
PROGRAMS = SERVICES / "tutorial" / "program"

Holds = Literal["yes", "no", "depends"]


@declaration
class Sentence:
    """A sentence of tutorials, in our words, whether it `holds`, and which drill shows that.

    `claim` are words of the drill's claim or why, `shown_by` words of one of its expectations: a drill that changes has
    its sentences read again.
    """

    says: str
    holds: Holds
    drill: str
    claim: str
    shown_by: str
    but: str = ""

    def __post_init__(self) -> None:
        for key in ("says", "claim", "shown_by"):
            if not getattr(self, key).strip():
                raise ValueError(f"{key}: expected a string, got an empty one")
        if self.holds != "yes" and not self.but.strip():
            raise ValueError("but: expected what is true in place of the sentence")

    def evidence(self, drill: Drill) -> Expectation:
        """The expectation that shows it. Raise ValueError where the drill says it no more, or says it twice."""
        said = " ".join(f"{drill.claim} {drill.why}".split())
        if " ".join(self.claim.split()) not in said:
            raise ValueError(f"{self.says!r}: {drill.drill} does not say {self.claim!r}; it says: {said}")
        found = [each for each in drill.expect if self.shown_by in each.says]
        if len(found) != 1:
            told = "; ".join(each.says for each in drill.expect)
            what = f"expected one expectation with {self.shown_by!r}, got {len(found)}"
            raise ValueError(f"{self.says!r}: {drill.drill}: {what}; there are: {told}")
        return found[0]


@valueclass
class Sentences:
    """docs/tutorials.yaml: the sentences, under headings."""

    sentences: Mapping[str, tuple[Sentence, ...]]


@declaration
class Pair:
    """A program as tutorials teach it, `naive`, and the same `repaired`: files of services/tutorial/program.

    `columns` are both in the matrix, as `make matrix SERVICE=` takes them, and `words` what became of each under the
    `drill`, in the words of docs/your-own-program.md; of several, any.
    """

    lesson: str
    naive: str
    repaired: str
    drill: str
    columns: tuple[str, str]
    words: tuple[tuple[str, ...], tuple[str, ...]]

    def __post_init__(self) -> None:
        for name in (self.naive, self.repaired):
            if not (PROGRAMS / name).is_file():
                raise ValueError(f"no such file: {PROGRAMS / name}")


@valueclass
class Pairs:
    """services/tutorial/pairs.yaml."""

    pairs: tuple[Pair, ...]


def load_sentences(path: Path = SENTENCES) -> Sentences:
    """Read the sentences. Raise DeclarationError."""
    return load(path, Sentences)


@functools.cache
def every_sentence() -> tuple[Sentence, ...]:
    """All sentences, in their order. Raise DeclarationError."""
    return tuple(itertools.chain.from_iterable(load_sentences().sentences.values()))


@functools.cache
def load_pairs(path: Path = PAIRS) -> Pairs:
    """Read the pairs of programs. Raise DeclarationError."""
    return load(path, Pairs)
