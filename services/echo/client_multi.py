"""Many connections to the echo service at once from one thread, with selectors: two messages each.

    python -m services.echo.client_multi HOST PORT CONNECTIONS

Each knows by the count of the bytes when it is done. The first finds the address that answers, and the others go there
too. Exit status: as `client_blocking`; the first connection that fails ends them all.
"""

import selectors
import socket
from contextlib import ExitStack

from services import calling, command
from services.address import Address
from services.calling import Call

from .expecting import Expecting

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Connection:
    def __init__(self, connected: socket.socket, peer: str, name: str) -> None:
        self.socket, self.name = connected, name
        self.unsent = [f"Message {number} from {name}.".encode() for number in (1, 2)]
        self.expecting = Expecting(f"{name}: {peer}", b"".join(self.unsent))

    @property
    def wants(self) -> int:
        """The readiness that it waits for; 0: it is done."""
        if self.expecting.whole:
            return 0
        return READ | WRITE if self.unsent else READ

    def turn(self, events: int) -> None:
        """Send and read what can be. Raises OSError and CallError."""
        if events & self.wants & WRITE:
            sent = self.socket.send(self.unsent[0])  # its error is connect()'s own, if that has failed meanwhile
            self.unsent[:1] = [self.unsent[0][sent:]] if sent < len(self.unsent[0]) else []
        if events & READ:
            self.expecting.receive(self.socket.recv(4096))


def main() -> None:
    parser = calling.parser("services.echo.client_multi", __doc__, timeout_s=30.0)
    parser.add_argument("connections", metavar="CONNECTIONS", type=command.count)
    asked = calling.parse(parser)
    call = Call(asked.host, asked.port, asked.timeout)
    with calling.reporting_errors():
        count = converse(call, asked.connections)
    print(f"{2 * asked.connections} messages on {asked.connections} connections came back: {count} bytes")


def converse(call: Call, count: int) -> int:
    """How many bytes came back, on all connections. Raises CallError."""
    received = 0
    with selectors.DefaultSelector() as selector, ExitStack() as opened:
        first = opened.enter_context(call.connect())
        address = first.getpeername()
        for number in range(1, count + 1):
            name = f"connection {number} of {count}"
            try:
                made = first if number == 1 else opened.enter_context(begun(first.family, address))
            except OSError as error:  # EMFILE: it has no descriptors left; EADDRNOTAVAIL: no ports
                raise call.failed(error, f"opening {name}") from error
            made.setblocking(False)
            connection = Connection(made, call.peer, name)
            selector.register(made, connection.wants, connection)
        while selector.get_map():
            doing = f"waiting for {len(selector.get_map())} of {count} connections"
            for key, events in selector.select(call.left_s(doing)):
                connection = key.data
                try:
                    connection.turn(events)
                except OSError as error:
                    raise call.failed(error, f"waiting for the answer of {call.peer}, {connection.name}") from error
                if connection.wants:
                    selector.modify(connection.socket, connection.wants, connection)
                else:
                    selector.unregister(connection.socket)
                    connection.socket.close()
                    received += len(connection.expecting.came)
    return received


def begun(family: int, address: Address) -> socket.socket:
    """A connection that is being made: it is writable when it is, or has failed."""
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    made.connect_ex(address)  # EINPROGRESS; any other error comes again with the first send()
    return made


if __name__ == "__main__":
    main()
