"""Ask for the quote of the day over UDP: an empty datagram, sent again when nothing comes back.

    python -m services.qotd.client_udp HOST PORT

The same quote twice, because the first was only late, does no harm. Prints the quote. Exit status: as every client
(services/outcome.py); 14 when it was longer than the room for it; 15 when what came is no quote.
"""

from services import calling, command, datagrams
from services.calling import Call
from services.outcome import CallError, Outcome

from .quotes import fault


def main() -> None:
    parser = datagrams.parser("services.qotd.client_udp", __doc__)
    room = "for the quote; of a longer datagram the rest is lost (%(default)s)"
    parser.add_argument("--room", metavar="BYTES", type=command.count, default=datagrams.LARGEST, help=room)
    asked = calling.parse(parser)
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout)
        answer = datagrams.ask(call, b"", asked.retries, asked.wait, asked.room)
        if wrong := fault(answer):
            raise CallError(Outcome.WRONG_ANSWER, f"{call.peer}: {wrong}")
    print(answer.decode("ascii").replace("\r\n", "\n"), end="")


if __name__ == "__main__":
    main()
