"""What the clients that misbehave share: the line that says what was done, and an answer for a person."""

import sys


def report(what: str) -> None:
    """Say that it took place, for whoever has to prove it; at once, for much may go wrong after it."""
    print(f"did: {what}", flush=True)


def show(answer: str) -> None:
    """Print what the search service said, in UTF-8, whatever the terminal speaks."""
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    print(answer, flush=True)
