"""The error of the person who typed a command or wrote a file, as against an error of this program."""

from __future__ import annotations


class UsageError(ValueError):
    """What was asked for cannot be done as it was asked; the message says what was expected, and what came.

    The command line prints the message alone, with exit status 64. Any other ValueError is a bug of this program, and
    keeps its traceback.
    """
