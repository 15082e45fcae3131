"""A part of a page of docs that a program makes: it stands between two comments, and the rest is a person's."""

from __future__ import annotations

from typing import Final

END: Final = "<!-- end of what was made -->\n"


def with_part(text: str, module: str, part: str) -> str:
    """Return the text of a page with the part that `python -m MODULE` makes put in anew."""
    begin = f"<!-- made by `python -m {module}` -->\n"
    before, _, rest = text.partition(begin)
    return f"{before}{begin}{part}{END}{rest.partition(END)[2]}"
