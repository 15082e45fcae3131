"""`python -m scenarios COMMAND`: cli/main.py has the commands. What a person types is `make`, which calls this; or
`faultwire`, where it is installed from a wheel."""

import sys

from scenarios.lab import signals, standard_streams


def main() -> int:
    """Run the command that was typed, and return its exit status."""
    standard_streams.prepare()
    signals.end_at_once()  # before the other imports, which take a second: a Ctrl-C within it is no traceback
    from scenarios.cli.main import main as run

    signals.end_in_order()
    return run()


if __name__ == "__main__":
    sys.exit(main())
