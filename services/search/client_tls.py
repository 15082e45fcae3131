"""Ask the search service one thing over TLS, as services.search.client does without.

    python -m services.search.client_tls HOST PORT ACTION VALUE

The server must show a certificate that the lab's authority has signed, for the name HOST (--name: for another). Exit
status as of services.search.client, and: 16 untrusted (another name, an unknown authority, not valid now), 66 no
certificate of an authority to be had. A connection that ends in the handshake is broken off.
"""

import socket
import ssl
import sys
from pathlib import Path

from services import calling, command, tls
from services.outcome import CallError, Outcome
from services.wire import CONTENT_LIMIT, Connection

from .client import ask, printable_answer, request


class Call(calling.Call):
    """A call whose connection is TLS. Its handshake is under the call's deadline, as all else is."""

    def __init__(self, host: str, port: int, timeout_s: float, context: ssl.SSLContext, name: str) -> None:
        super().__init__(host, port, timeout_s)
        self.context, self.name = context, name

    def connect(self) -> socket.socket:
        """Connected, and the certificate found good. A server that is not trusted is not the next address's turn."""
        connected = super().connect()
        doing = f"in the TLS handshake with {self.peer}"
        try:
            # The end of our handshake and our request are two writes, and between them the server says nothing: with
            # Nagle the second would wait for the first's acknowledgement, which is delayed by 40 ms (RFC 9293, 3.7.4).
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.settimeout(self.left_s(doing))  # over the whole handshake
            # As bytes, the name needs no import of the IDNA codec, which is slow.
            return self.context.wrap_socket(connected, server_hostname=self.name.encode("ascii"))
        except OSError as error:
            connected.close()
            raise self.failed(error, doing) from error

    def failed(self, error: OSError, doing: str) -> CallError:
        if not isinstance(error, ssl.SSLError):
            return super().failed(error, doing)
        outcome = Outcome.WRONG_ANSWER
        if isinstance(error, ssl.SSLCertVerificationError):
            outcome = Outcome.UNTRUSTED
        elif isinstance(error, tls.ENDED):
            outcome = Outcome.BROKEN_OFF
        return CallError(outcome, f"{tls.reason(error)}, {doing}")


def main() -> None:
    parser = calling.parser("services.search.client_tls", __doc__)
    parser.add_argument("action", metavar="ACTION")
    parser.add_argument("value", metavar="VALUE")
    parser.add_argument("--content-limit", metavar="BYTES", type=command.size, default=CONTENT_LIMIT)
    parser.add_argument("--ca", metavar="FILE", type=Path, default=tls.AUTHORITY, help="who is trusted (%(default)s)")
    parser.add_argument("--name", metavar="NAME", type=command.host, help="whom the certificate must be for (HOST)")
    asked = calling.parse(parser)
    name = asked.name or asked.host
    if name.startswith("."):
        parser.error(f"{name!r} is not a name that a certificate could be for")
    connection = Connection(content_limit=asked.content_limit)
    try:
        asking = request(asked.action, asked.value, connection)
    except UnicodeEncodeError as error:
        parser.error(f"ACTION and VALUE: {error.reason}")
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout, tls.trusts(asked.ca), name)
        line = printable_answer(asked.action, ask(call, asking, connection))
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    print(line)


if __name__ == "__main__":
    main()
