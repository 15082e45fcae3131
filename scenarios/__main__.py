"""`python -m scenarios COMMAND`: cli/main.py has the commands. What a person types is `make`; the Makefile calls
this."""

from scenarios.lab import signals

if __name__ == "__main__":
    signals.end_at_once()  # before the other imports, which take a second: a Ctrl-C within it is no traceback
    import sys

    from scenarios.cli.main import main

    signals.end_in_order()
    sys.exit(main())
