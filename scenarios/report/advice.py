"""Advice beside the verdict of a cell: what to change in the program, in its service.yaml or in the call.

It says nothing of the program that the cell did not show.
"""

from __future__ import annotations

from typing import Final

from scenarios.verdict.behaviour import AMONG_WORDS, NO_ANSWER, TRACEBACK, UNCLEAR, UNSEEN, Behaviour
from scenarios.verdict.not_ended import NOT_DONE, NOT_ENDED, SENDING, TRYING

ADVICE = {
    "hung": "Give the whole exchange a time limit: connect(), each wait for bytes, and the resolution of a name, for "
    "getaddrinfo() takes no timeout, and needs a thread or a process that is given up. Without one, the program waits "
    "until the kernel gives up, or for ever.",
    TRYING: "Limit all tries together, in time or in number, so that the program gives up and says so.",
    SENDING: "Limit in time or in number what it sends without an answer, so that the program gives up and says so.",
    NOT_DONE: "Give the call more time (`PATIENCE=60s` of make, `--patience 60s`), so that its end is seen.",
    NOT_ENDED: "It had its answer, and ran on. Where it ends later, give the call more time (`PATIENCE=60s` of make, "
    "`--patience 60s`). One that stays needs an option that ends it, or `timeout 3` before its `run`, "
    "with `status: 124`.",
    "wrong answer": "Find the end of a message by its length or its delimiter. If the connection ends before that, the "
    "program has an error and not an answer.",
    NO_ANSWER: "Where no answer came, say so, and exit with a status of your own: this is the one of a right answer.",
    UNSEEN: "A program that leaves its work to a child must wait for the child; and it must call the host and the port "
    "that it is given.",
    "crashed": "Catch the error, say what failed, and exit with a status of your own.",
    TRACEBACK: "Catch the error, say in a line of your own what failed, and exit with a status of your own; leave the "
    "traceback for errors of the program.",
    AMONG_WORDS: "If nobody catches the error, catch it, say what failed, and exit with a status of your own.",
    UNCLEAR: "Correct `exits` or `says` in service.yaml, or what the program prints, so that all tell of one end.",
}
UNREAD: Final = (
    "If your program prints why it failed, in words that are not read (those of a clock of its own, say), write what "
    "they mean under `says` of its client in service.yaml; or let it print the errno."
)


def advice(did: Behaviour | None) -> str:
    """Return what helps; an empty string where nothing needs to change."""
    if did and did.kind == "failed" and "exit status" in did.word and "no errno" in did.word:
        return UNREAD
    return ADVICE.get(did.kind, "") if did else ""
