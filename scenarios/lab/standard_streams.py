"""Standard output and standard error as they were given to this program: closed, or of another encoding.

The signs that the lab prints are no part of every encoding. Each has a form in ASCII, which is printed where the
encoding of the stream has not the sign: no two marks become one, and none becomes `?`, which is the mark of unproven.
The form of a mark or a line is as wide as the sign, so the columns of a table stay. Any other character is printed as
Python escapes it (`\\xe9`).
"""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Mapping
from typing import Final

NAMES = ("stdout", "stderr")
ERRORS: Final = "faultwire.signs"  # the name of the error handler, as codecs.register_error() has it
IN_ASCII: Final[Mapping[str, str]] = (
    {"✓": "+", "✗": "x", "–": "-", "·": ".", "⧗": "~", "☠": "!"}  # marks
    | {"│": "|", "┊": ":", "─": "-", "╳": "X", "▶": ">", "◀": "<", "⋮": ":", "▒": "#", "✉": "*"}  # ladders
    | dict(zip("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\|/-\\|/", strict=True))  # the wheel of what is under way
    | {"…": "...", "→": "->", "±": "+-", "×": "x", "µ": "u", "“": '"', "”": '"', "’": "'", "−": "-", "—": "-"}
)
LINE: Final = re.compile("[ ─]{2}")  # behind a sign in a column


def prepare() -> None:
    """Before anything is printed: have a stream that is closed drop its words, and one of few characters print signs
    in ASCII.

    Python has None for a stream that was closed when it began (`>&-`).
    """
    codecs.register_error(ERRORS, in_ascii)
    for name in NAMES:
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        else:
            stream.reconfigure(errors=ERRORS)


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    """The form in ASCII of the first character that an encoding has not, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign, end = error.object[error.start], error.start + 1
    form = IN_ASCII.get(sign) or sign.encode("ascii", "backslashreplace").decode("ascii")
    if sign == "…" and LINE.match(error.object, end):  # in a column, which `...` would make two wider
        end += len(form) - 1
    return form, end
