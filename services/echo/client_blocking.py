"""Send a message to the echo service, and print what comes back.

    python -m services.echo.client_blocking HOST PORT [MESSAGE]

A long message goes in pieces, each of which must come back before the next goes: whoever first sends all and then
reads, waits for ever for a server that waits for its reader. At last it shuts down its sending side, and the server
must end too, with nothing more. Exit status: 0 what was sent came back, 10 refused, 11 reset, 12 timed out, 13
unreachable, 14 broken off, 15 something else came back, 64 usage, 68 name not resolved, 71 another error. All but 0
say why in one line on stderr.
"""

from typing import Final

from services import calling, command
from services.calling import Call

from .expecting import Expecting

PIECE_BYTES: Final = 4096  # so little that all the buffers on the way hold it


def main() -> None:
    parser = calling.parser("services.echo.client_blocking", __doc__)
    parser.add_argument("message", metavar="MESSAGE", nargs="?", default="Hello, world")
    syn = "how often the kernel repeats an unanswered SYN before its ETIMEDOUT (TCP_SYNCNT)"
    parser.add_argument("--syn-retries", metavar="N", type=command.count, help=syn)
    parser.add_argument("--fast-open", action="store_true", help="the first bytes go in the SYN (TCP_FASTOPEN_CONNECT)")
    asked = calling.parse(parser)
    if (asked.syn_retries or 1) > calling.SYN_RETRIES_LIMIT:
        parser.error(f"--syn-retries {asked.syn_retries}: at most {calling.SYN_RETRIES_LIMIT}")
    message = asked.message.encode("utf-8", "surrogateescape")  # what is no UTF-8 came so, and goes as it was (PEP 383)
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout, asked.syn_retries, fast_open=asked.fast_open)
        came = converse(call, message)
    print(f"Received {came!r}")


def converse(call: Call, message: bytes) -> bytes:
    """What came back, which is `message`. Raises CallError."""
    expecting = Expecting(call.peer, message)
    with call.connect() as connected:
        for start in range(0, len(message), PIECE_BYTES):
            piece = message[start : start + PIECE_BYTES]
            call.send(connected, piece)
            while len(expecting.came) < start + len(piece):
                expecting.receive(call.recv(connected))
        call.send_eof(connected)
        while data := call.recv(connected):
            expecting.receive(data)
    return bytes(expecting.came)


if __name__ == "__main__":
    main()
