"""Send a message to the echo service, read the answer 16 bytes at a time, and print each piece.

    python -m services.echo.client_chunks HOST PORT [MESSAGE]

How many pieces there are is the network's affair: recv(16) gives up to 16 bytes, and the count says when all are here.
Exit status: as `client_blocking`.
"""

from typing import Final

from services import calling
from services.calling import Call

from .expecting import Expecting

CHUNK_BYTES: Final = 16
MOST_BYTES: Final = 4096  # it sends all before it reads any: the buffers on the way must hold it


def main() -> None:
    parser = calling.parser("services.echo.client_chunks", __doc__)
    parser.add_argument("message", metavar="MESSAGE", nargs="?", default="This is the message.  It will be repeated.")
    asked = calling.parse(parser)
    message = asked.message.encode("utf-8", "surrogateescape")
    if len(message) > MOST_BYTES:
        parser.error(f"MESSAGE has {len(message)} bytes; at most {MOST_BYTES} are sent before any is read")
    with calling.reporting_errors():
        chunks = converse(Call(asked.host, asked.port, asked.timeout), message)
    print(f"{len(message)} bytes came back in {chunks} pieces")


def converse(call: Call, message: bytes) -> int:
    """How many pieces came. Raises CallError."""
    expecting = Expecting(call.peer, message)
    chunks = 0
    with call.connect() as connected:
        call.send(connected, message)
        while not expecting.whole:
            chunk = call.recv(connected, CHUNK_BYTES)
            expecting.receive(chunk)
            chunks += 1
            print(f"received {chunk!r}")
    return chunks


if __name__ == "__main__":
    main()
