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

STREAMS: Final[Mapping[str, int]] = {"stdout": os.O_RDONLY, "stderr": os.O_WRONLY}  # how each is opened if closed
ERRORS: Final = "faultwire.signs"  # the name of the error handler, as codecs.register_error() has it
IN_ASCII: Final[Mapping[str, str]] = (
    {"✓": "+", "✗": "x", "–": "-", "·": ".", "⧗": "~", "☠": "!"}  # marks
    | {"│": "|", "┊": ":", "─": "-", "╳": "X", "▶": ">", "◀": "<", "⋮": ":", "▒": "#", "✉": "*"}  # ladders
    | dict(zip("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\|/-\\|/", strict=True))  # the wheel of what is under way
    | {"…": "...", "→": "->", "±": "+-", "×": "x", "µ": "u", "“": '"', "”": '"', "’": "'", "−": "-", "—": "-"}
)
LINE: Final = re.compile("[ ─]{2}")  # behind a sign in a column


def prepare() -> None:
    """Before anything is printed: have a stream of few characters print signs in ASCII, and put another in the place of
    one that was closed (`>&-`), for which Python has None.

    Standard output then takes no word, as with the programs of coreutils: whoever prints is told EBADF, and a command
    that printed nothing ends well. Standard error drops its words, for there is nobody to tell. Either has its own
    number, so no file that is opened later is taken for it.
    """
    codecs.register_error(ERRORS, in_ascii)
    for number, (name, mode) in enumerate(STREAMS.items(), start=1):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(_opened(number, mode), "w", encoding="utf-8"))
        else:
            stream.reconfigure(errors=ERRORS)


def _opened(number: int, mode: int) -> int:
    """The descriptor of this number, on a file that takes what is written to it or not, by the mode."""
    opened = os.open(os.devnull, mode)
    if opened != number:  # standard input is closed too
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)
    return number


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    """The form in ASCII of the first character that an encoding has not, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign, end = error.object[error.start], error.start + 1
    form = IN_ASCII.get(sign) or sign.encode("ascii", "backslashreplace").decode("ascii")
    if sign == "…" and LINE.match(error.object, end):  # in a column, which `...` would make two wider
        end += len(form) - 1
    return form, end
