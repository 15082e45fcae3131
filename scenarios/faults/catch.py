"""What a fault took hold of, as a value."""

from __future__ import annotations

from scenarios.lab.valueclass import valueclass


@valueclass
class Caught:
    """What a fault took hold of. `unsure` is why its count is no evidence; `details` has a line for each hit."""

    hits: int
    unsure: str = ""
    details: tuple[str, ...] = ()
