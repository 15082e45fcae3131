"""What is wrong with a file that a person wrote, and where; and what was probably meant."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

QUOTED_AT_MOST = 60  # characters of what stands in a file, in an error

NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.2, 5.1


class DeclarationError(Exception):
    """A file does not say what it should: where (file, line, key), and what is wrong, with what would be right.

    `others` are more errors of the same file; `all` has this one too, in the order of the lines.
    """

    def __init__(self, path: Path, line: int | None, what: str, key: str = "") -> None:
        super().__init__(path, line, what, key)
        self.path, self.line, self.what, self.key = path, line, what, key
        self.others: tuple[DeclarationError, ...] = ()

    def __str__(self) -> str:
        place = os.fsencode(self.path).decode("utf-8", "backslashreplace")
        place += "" if self.line is None else f":{self.line}"
        return f"{place}: {self.key}: {self.what}" if self.key else f"{place}: {self.what}"

    @property
    def all(self) -> tuple[DeclarationError, ...]:
        return (self, *self.others)


class Problems(ValueError):
    """Several things are wrong with one value. Each begins, as any ValueError may, with the keys it is about."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def check_all(problems: Iterable[str]) -> None:
    """Raise Problems unless there are none."""
    if found := list(problems):
        raise Problems(found)


def problems_of(error: ValueError) -> Sequence[str]:
    """What an error says: several problems, or the one that any ValueError is."""
    return error.problems if isinstance(error, Problems) else (str(error),)


def quoted(text: str) -> str:
    """The text in quotes, cut where it is long."""
    return repr(text if len(text) <= QUOTED_AT_MOST else f"{text[:QUOTED_AT_MOST]}…")


def nearest(wrong: str, right: Iterable[str]) -> list[str]:
    """The right words, those that resemble the wrong one first, then the others in their own order."""
    words = list(right)
    close = difflib.get_close_matches(wrong, words, n=len(words) or 1, cutoff=0.5)
    return close + [word for word in words if word not in close]


def advice(wrong: str, right: Iterable[str], most: int | None = None) -> str:
    """`; did you mean 'port'? Expected one of: port, ready, …`, for a name that does not exist.

    `most`: so many are told, the nearest first; of a long list nobody reads the rest. Where there is no right word,
    that is said.
    """
    words = list(right)
    if not words:
        return "; there is none"
    close = difflib.get_close_matches(wrong, words, n=1, cutoff=0.5)
    guess = f"; did you mean {close[0]!r}?" if close else "."
    more = f" and {len(words) - most} more" if most is not None and len(words) > most else ""
    return f"{guess} Expected one of: {', '.join(nearest(wrong, words)[:most])}{more}"
