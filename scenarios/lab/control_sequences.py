"""Foreign text without what it says to a terminal alone: colours, titles, lines that are drawn anew (ECMA-48).

Docker Compose and many compilers print such sequences to a pipe too. In a message they are noise, and may do anything
to the terminal of whoever reads it.
"""

from __future__ import annotations

import re
from typing import Final

# A control sequence, a control string with its end, another escape; one that was cut ends with the text.
_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*(?:[@-~]|\Z)"
    r"|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_OPENERS: Final = "\x1b\x90\x98\x9b\x9d\x9e\x9f"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def without_sequences(text: str) -> str:
    """Return what a program says, coloured or not: a text without its sequences. Other control characters stay."""
    return _SEQUENCE.sub("", text) if any(each in text for each in _OPENERS) else text


def without_controls(text: str) -> str:
    """Return the words of a text: lines and tabs stay, of a line that was overwritten the last."""
    lines = _SEQUENCE.sub("", text).split("\n")
    return _CONTROL.sub("", "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines))
