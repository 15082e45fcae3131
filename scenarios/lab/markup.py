r"""Foreign text in a line of rich's markup: it is shown as it is, whatever brackets and backslashes it has.

Only what it says to a terminal (colours, a title, `clear the screen`) is left out: rich hands that on.

rich's own escape() keeps tags from being read, and changes other text: of a pattern, `\[258` becomes `[258`.
"""

from __future__ import annotations

import re
from typing import Final

from scenarios.lab.control_sequences import without_controls

_READ_BY_RICH: Final = re.compile(r"(\\*)(\[|\Z)")
_NOTHING: Final = "[none][/none]"  # a style that changes nothing: no backslash before it is of what follows


def escape(text: str) -> str:
    """The markup that rich shows as this text, whatever markup stands before and behind it.

    Before a bracket, and at the end, where a tag may follow, rich reads backslashes as its own: two of them are one.
    """
    return _READ_BY_RICH.sub(_verbatim, without_controls(text))


def _verbatim(found: re.Match[str]) -> str:
    backslashes, bracket = found.groups()
    return (f"{backslashes * 2}{_NOTHING}" if backslashes else "") + ("\\[" if bracket else "")
