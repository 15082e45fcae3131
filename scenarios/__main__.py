"""`python -m scenarios COMMAND`: cli/main.py has the commands. What a person types is `make`, which calls this; or
`faultwire`, where it is installed from a wheel."""

import sys
from pathlib import Path

from scenarios.lab import signals, standard_streams


def main() -> int:
    """Run the command that was typed, and return its exit status."""
    standard_streams.prepare()
    if not _is_somewhere():
        sys.stderr.write("cannot: the folder in which this was typed is not there any more\n")
        return 64
    signals.end_at_once()  # before the other imports, which take a second: a Ctrl-C within it is no traceback
    from scenarios.cli.main import main as run

    signals.end_in_order()
    return run()


def _is_somewhere() -> bool:
    """Whether there is a current folder: somebody may have removed it."""
    try:
        return Path.cwd().is_absolute()
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())
