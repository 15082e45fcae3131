"""The exception of a test that shows nothing. It imports nothing: the pytest plugin looks for it at collection."""

from __future__ import annotations


class Unproven(Exception):
    """The test shows neither that its claim holds nor that it does not; the message says why.

    A fault took hold of nothing, a control run failed, or something stood still for long enough to have made what was
    seen. It is no AssertionError: pytest shows it as an error, never as a pass, and not as a failure of the program.
    """
