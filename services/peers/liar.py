"""A search server that answers each request with one lie, of those in `lies`.

    python -m services.peers.liar HOST PORT --lie NAME      (HOST "": all interfaces)

A request of numbers (`numbers`) is answered with the same numbers. `--lie none` answers right: the control of those.
Prints what the lie was: `did: said content-length 53; sent 43 bytes, and no end`.
"""

import struct

from services.accepting import Ended, Peer
from services.search import answers
from services.wire import Connection, Message

from . import numbers, serving
from .lies import LIES, lie


def answer(request: Message) -> bytes:
    """The right answer."""
    if request.header.content_type != numbers.TYPE:
        return answers.answer(request, Connection())
    try:
        return numbers.sent(numbers.read(request), Connection())
    except struct.error as error:
        raise Ended(f"no array of int32: {error}") from error


def converse(peer: Peer, name: str) -> str:
    for request in serving.requests(peer):
        told = lie(name, answer(request))
        peer.send_all(told.raw)
        if told.ends:
            return told.told
        serving.did(told.told)
    return ""


def main() -> None:
    parser = serving.parser("services.peers.liar", __doc__)
    parser.add_argument("--lie", choices=list(LIES), required=True)
    asked = parser.parse_args()
    serving.main(asked, lambda peer: converse(peer, asked.lie))


if __name__ == "__main__":
    main()
