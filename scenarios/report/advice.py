"""What helps against what a program did: a sentence beside the verdict of a cell.

It says what to change in a program, and nothing of the program that the cell did not show.
"""

from __future__ import annotations

from scenarios.verdict.behaviour import NOT_DONE, TRYING, UNCLEAR, Behaviour

ADVICE = {
    "hung": "A time limit for the whole exchange: for connect() and for each wait for bytes. Without one, a silence "
    "lasts until the kernel gives up, or for ever.",
    TRYING: "A limit for the tries together, in time or in number, so that somebody is told.",
    NOT_DONE: "More time for the call (`patience`), so that its end is seen.",
    "wrong answer": "The end of a message must be known by its length or its delimiter: an end of the connection "
    "before it is an error, and no answer.",
    "crashed": "The error belongs to the program's ordinary ends: catch it, say what failed, and exit with a status of "
    "your own.",
    UNCLEAR: "One word for one end: mend `exits` or `says` in service.yaml, or what the program prints.",
}


def advice(did: Behaviour | None) -> str:
    """Return what helps; an empty string where nothing needs to change."""
    return ADVICE.get(did.kind, "") if did else ""
