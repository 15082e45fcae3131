"""What a client does, done on loopback, so that it has been done before: run as a client is, by runpy, as `__main__`.

One call is answered, one is refused. It needs nobody: it is its own server.
"""

import json
import socket
import sys

from services import calling
from services.calling import Call


def main() -> None:
    parser = calling.parser("services.forkserver.rehearsal", __doc__)
    parser.add_argument("message", metavar="MESSAGE", nargs="?", default="")
    asked = calling.parse(parser)
    with socket.create_server((asked.host, asked.port)) as listening:
        port = listening.getsockname()[1]
        call = Call(asked.host, port, asked.timeout)
        with call.connect() as connected, listening.accept()[0] as accepted:
            call.send(connected, json.dumps({"message": asked.message}).encode())
            accepted.sendall(accepted.recv(4096))
            accepted.shutdown(socket.SHUT_WR)
            answer = bytearray()
            while data := call.recv(connected):
                answer += data
            call.send_eof(connected)
        print(f"Received {json.loads(answer)!r}")
    sys.stdout.flush()
    with calling.reporting_errors():
        Call(asked.host, port, asked.timeout).connect()


if __name__ == "__main__":
    main()
