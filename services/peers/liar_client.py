"""A search client that asks with one lie, of those in `lies`, and tells what the server made of it.

    python -m services.peers.liar_client HOST PORT --lie NAME [VALUE]

Prints what the lie was: `did: said content-length 51; sent 41 bytes, and no end`. Where the framing was right the
server answers, with an error in words: that is printed, status 0. Where not, it closes: broken off, 14, or reset, 11.
For content that never comes it waits as long as it gives a message to be whole.
"""

from services import calling
from services.calling import Call
from services.search.client import next_answer, printable_answer, request
from services.wire import Connection

from .lies import LIES, lie
from .reporting import report, show


def main() -> None:
    parser = calling.parser("services.peers.liar_client", __doc__, timeout_s=15.0)
    parser.add_argument("value", metavar="VALUE", nargs="?", default="morpheus")
    parser.add_argument("--lie", choices=list(LIES), required=True)
    asked = calling.parse(parser)
    connection = Connection()
    try:
        asking = lie(asked.lie, request("search", asked.value, connection))
    except UnicodeEncodeError as error:
        parser.error(f"VALUE: {error.reason}")
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout)
        with call.connect() as connected:
            call.send(connected, asking.raw)
            if asking.ends:
                call.send_eof(connected)
            report(asking.report)
            show(printable_answer("search", next_answer(call, connected, connection)))


if __name__ == "__main__":
    main()
