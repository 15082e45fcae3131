"""A client that sends several numbered datagrams at once to `gives_back`, and tells in which order they came back.

    python -m services.peers.numbered HOST PORT [--count N] [--in-order]

UDP puts nothing in order: by the numbers each answer still finds its question. With --in-order the first answer is
taken for that to the first question, and so on, as by a program that has no numbers. Prints
`did: sent 3 datagrams; they came back in the order 2 1 3`. Exit status: 12 not all came back within --timeout, 15 an
answer to another question, or as every client (services/outcome.py).
"""

import socket

from services import calling, command
from services.address import address_words
from services.calling import Call
from services.outcome import CallError, Outcome

from .reporting import report


def exchanged(call: Call, sent: list[bytes]) -> list[int]:
    """The numbers, from 1, of the datagrams in the order in which they came back. Raises CallError."""
    family, address = call.resolve()[0]
    order: list[int] = []
    doing = f"sending to {address_words(address)}"
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect(address)
            for each in sent:
                asked.send(each)
            while len(order) < len(sent):
                doing = f"{len(order)} of {len(sent)} datagrams having come back of {address_words(address)}"
                asked.settimeout(call.left_s(doing))
                came = asked.recv(1024)
                if came not in sent:
                    raise CallError(Outcome.WRONG_ANSWER, f"{call.peer} sent {came[:30]!r}, which was not sent to it")
                if (number := sent.index(came) + 1) not in order:
                    order.append(number)
    except OSError as error:
        raise call.failed(error, doing) from error
    return order


def main() -> None:
    parser = calling.parser("services.peers.numbered", __doc__)
    add = parser.add_argument
    add("--count", metavar="N", type=command.count, default=3, help="of datagrams (%(default)s)")
    add("--in-order", action="store_true", help="take the first answer for that to the first question, and so on")
    asked = calling.parse(parser)
    sent = [f"{number} of {asked.count}".encode("ascii") for number in range(1, asked.count + 1)]
    with calling.reporting_errors():
        order = exchanged(Call(asked.host, asked.port, asked.timeout), sent)
        report(f"sent {len(sent)} datagrams; they came back in the order {' '.join(map(str, order))}")
        for place, number in enumerate(order, 1):
            if asked.in_order and place != number:
                raise CallError(Outcome.WRONG_ANSWER, f"answer {place} is to question {number}")


if __name__ == "__main__":
    main()
