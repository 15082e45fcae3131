"""Where things lie, and what a person types: the one module that knows a clone from an installed wheel.

A clone has the program in scenarios/, beside compose.yaml, images/ and services/; what a person types there is `make`,
and what is left (runs, logs) comes into the clone. An installed wheel has the program as the package `faultwire`, with
those files in its folder `home`; what a person types is `faultwire`, and what is left comes into the folder from
which it is called (or that of its faultwire.toml: scenarios/spec/project.py).

Knows no Docker and no other module, so that everything may ask it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PACKAGE: Final = __name__.partition(".")[0]  # what `python -m` is given
CODE: Final = Path(__file__).resolve().parents[1]  # the rooms, and drills/
_CARRIED: Final = CODE / "home"
IS_INSTALLED: Final = _CARRIED.is_dir()
# The lab's own files, which nobody writes to: compose.yaml, images/ and services/. The context of every image's build.
ROOT: Final = _CARRIED if IS_INSTALLED else CODE.parent
WORK: Final = Path.cwd() if IS_INSTALLED else ROOT  # where the caller's work lies, if no faultwire.toml says so


def _home() -> Path:
    """The user's home; of one who has none, as in many containers, what passwd(5) names then: nothing is there."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


# The XDG Base Directory Specification
_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache")
CONFIG: Final = Path(os.environ.get("XDG_CONFIG_HOME") or _home() / ".config") / "faultwire"
PAGES: Final = WORK if IS_INSTALLED else ROOT / "docs"  # where a command puts a page that it makes
LOGS: Final = _CACHE / "faultwire" if IS_INSTALLED else ROOT / ".logs"  # what builds and installations printed
# What somebody has done of the lessons: beside the runs of a clone, else where a user's programs keep their state.
_STATE: Final = Path(os.environ.get("XDG_STATE_HOME") or _home() / ".local" / "state")
LEARNT: Final = (_STATE / "faultwire" if IS_INSTALLED else ROOT / "runs") / "learnt.json"
SETUP: Final = CODE / "setup.sh"
PROGRAM: Final = "faultwire" if IS_INSTALLED else f"python -m {PACKAGE}"  # the command, where no verb of make has it


# What a verb of the command line is called among the Makefile's, where that is another word.
OF_MAKE: Final = {"run": "drill"}
DEFAULT_LAB: Final = 1  # the number of the lab that a command is about which names none


def typed(verb: str, make: str = "", words: str = "", *, lab: int = DEFAULT_LAB) -> str:
    """What a person types for a verb: `make call SERVICE=mine` in a clone, `faultwire call mine` of a wheel.

    `verb` is the command line's own: `run` is `make drill` in a clone.

    `make` are the words that follow the verb in the clone, `words` those that follow it elsewhere. Both are followed by
    the number of the `lab` that it is about, where that is not the one that is taken without a number.
    """
    if lab != DEFAULT_LAB:
        make, words = f"{make} LAB={lab}".strip(), f"{words} --lab {lab}".strip()
    command = ("faultwire", verb, words) if IS_INSTALLED else ("make", OF_MAKE.get(verb, verb), make)
    return " ".join(filter(None, command))


def either(make: str, words: str) -> str:
    """What a person names something with: a variable of `make` in a clone, a flag of `faultwire` of a wheel."""
    return words if IS_INSTALLED else make


def document(path: str) -> str:
    """A page of the documentation as a person is told it: a wheel has none of them."""
    return f"{path} in Faultwire's repository" if IS_INSTALLED else path


def display_path(path: Path) -> Path:
    """A path as a person is told it: from the clone, or from the current folder, where it is in it."""
    beside = Path.cwd() if IS_INSTALLED else ROOT
    return path.relative_to(beside) if path.is_relative_to(beside) else path
