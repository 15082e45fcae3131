"""The logbook of a learner: each exercise done, the predictions and the right answers. It stays on this machine.

One file of JSON, at the place that scenarios/lab/places.py names. Knows no lesson and no terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from scenarios.evidence.run_folder import StorageProblem, write
from scenarios.lab.errors import UsageError
from scenarios.lab.places import display_path
from scenarios.lab.valueclass import valueclass

SCHEMA: Final = 1


@valueclass
class Prediction:
    """One question, what was said, and what was so. Nothing said: the learner did not know."""

    ask: str
    said: str
    was: str

    @property
    def is_right(self) -> bool:
        return self.said == self.was


@valueclass
class Entry:
    """An exercise that was done last at a time, in UTC."""

    at: str
    predictions: Sequence[Prediction]

    @property
    def right(self) -> int:
        return sum(each.is_right for each in self.predictions)


@dataclass(slots=True)
class Logbook:
    """All that was done, by lesson and exercise: `1/lost-syn · le-le`."""

    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Logbook:
        """Read it; nothing where there is no file yet. Raise UsageError where the file is of another form."""
        try:
            stored = json.loads(path.read_text("utf-8"))
            if stored["schema"] != SCHEMA:
                raise ValueError(f"expected schema {SCHEMA}, got {stored['schema']!r}")
            return cls(path, {str(key): _read_entry(each) for key, each in stored["done"].items()})
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            told = f"{display_path(path)} has not the form that `learn` writes: {error}"
            raise UsageError(f"{told}; move it away, and `learn` begins a new one") from error

    def note(self, lesson: int, exercise: str, predictions: Sequence[Prediction]) -> None:
        """Keep what came of an exercise, in place of what came of it before. Raise StorageProblem."""
        self.entries[f"{lesson}/{exercise}"] = Entry(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", tuple(predictions))
        document = {"schema": SCHEMA, "done": {key: asdict(each) for key, each in self.entries.items()}}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write(self.path, f"{json.dumps(document, indent=2, ensure_ascii=False)}\n")
        except OSError as error:
            raise StorageProblem(f"what you have learnt cannot be kept in {self.path}: {error.strerror}") from error

    def of(self, lesson: int, exercise: str) -> Entry | None:
        """Return what came of an exercise; None where it was not done."""
        return self.entries.get(f"{lesson}/{exercise}")


def _read_entry(stored: Mapping[str, object]) -> Entry:
    predictions = stored["predictions"]
    if not isinstance(predictions, list):
        raise ValueError(f"predictions: expected a sequence, got {predictions!r}")
    return Entry(str(stored["at"]), tuple(Prediction(**{key: str(each[key]) for key in each}) for each in predictions))
