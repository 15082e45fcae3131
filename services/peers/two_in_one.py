"""A search client that sends two requests in one send(), and wants both answers, in order.

    python -m services.peers.two_in_one HOST PORT [VALUE VALUE]

They go in one segment, and come in one recv(): a server that takes that for one message answers one, or none. Prints
`did: sent 2 requests of 143 and 139 bytes in one send()`. Exit status: as services.search.client.
"""

from services import calling
from services.calling import Call
from services.search.client import next_answer, printable_answer, request
from services.wire import Connection

from .reporting import report, show


def main() -> None:
    parser = calling.parser("services.peers.two_in_one", __doc__)
    for name, default in (("first", "morpheus"), ("second", "ring")):
        parser.add_argument(name, metavar="VALUE", nargs="?", default=default)
    asked = calling.parse(parser)
    connection = Connection()
    try:
        requests = [request("search", value, connection) for value in (asked.first, asked.second)]
    except UnicodeEncodeError as error:
        parser.error(f"VALUE: {error.reason}")
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout)
        with call.connect() as connected:
            call.send(connected, b"".join(requests))
            report(f"sent 2 requests of {len(requests[0])} and {len(requests[1])} bytes in one send()")
            for _ in requests:
                show(printable_answer("search", next_answer(call, connected, connection)))


if __name__ == "__main__":
    main()
