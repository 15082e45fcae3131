"""A search server that answers each request with one lie, of those in `lies`, made out of the right answer.

    python -m services.peers.liar HOST PORT --lie NAME      (HOST "": all interfaces)

`--lie none` answers right: the control of the others. Prints what the lie was: `did: said content-length 53; sent 43
bytes, and no end`.
"""

from services.accepting import Peer
from services.search.answers import answer
from services.wire import Connection

from . import serving
from .lies import LIES, lie


def converse(peer: Peer, name: str) -> str:
    for request in serving.requests(peer):
        told = lie(name, answer(request, Connection()))
        peer.send_all(told.raw)
        if told.ends:
            return told.report
        serving.report(told.report)
    return ""


def main() -> None:
    parser = serving.parser("services.peers.liar", __doc__)
    parser.add_argument("--lie", choices=list(LIES), required=True)
    asked = parser.parse_args()
    serving.main(asked, lambda peer: converse(peer, asked.lie))


if __name__ == "__main__":
    main()
