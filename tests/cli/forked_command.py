"""`python -m scenarios` as a fork runs it (tests/services/forking.py): what its commands import is there already.

The first word says which streams are closed, as in a shell: Python has None for those of a process that begins so.
"""

from __future__ import annotations

import os
import sys

# What `scenarios.cli.main` imports for the command that is typed, and all of it for --help.
from scenarios import __main__
from scenarios.cli import bench, byteorder, calls, cluster, drills, files, gallery, grade, lab, learn, report, soak

COMMANDS = (bench, byteorder, calls, cluster, drills, files, gallery, grade, lab, learn, report, soak)


def _begin(closed: str) -> None:
    """Have the streams that Python makes for what descriptors there are; those before are of other files."""
    for number, (sign, name, mode) in enumerate(
        (("<&-", "stdin", "r"), (">&-", "stdout", "w"), ("2>&-", "stderr", "w"))
    ):
        if is_closed := sign in closed.split():
            os.close(number)
        stream = None if is_closed else os.fdopen(number, mode, 1 if number == 2 else -1, "utf-8", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


if __name__ == "__main__":
    _begin(sys.argv.pop(1))
    sys.exit(__main__.main())
