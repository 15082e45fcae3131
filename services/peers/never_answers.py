"""A server that accepts, reads all that comes, and never answers: its kernel acknowledges, and that is all.

    python -m services.peers.never_answers HOST PORT      (HOST "": all interfaces)

A program that hangs looks so from afar: only the client's own deadline ends the wait. Prints `did: read 12 bytes, and
answers nothing` each time.
"""

from services.accepting import Peer

from . import serving


def read(peer: Peer) -> str:
    while data := peer.recv():
        serving.report(f"read {len(data)} bytes, and answers nothing")
    return ""


def main() -> None:
    serving.main(serving.parser("services.peers.never_answers", __doc__).parse_args(), read)


if __name__ == "__main__":
    main()
