"""Send whole numbers to `liar`, which gives them back, and print the sum of what came.

    python -m services.peers.sum_client HOST PORT NUMBER [NUMBER ...]

They are read in the byte order that the answer's header says. When that is not the order of the bytes nothing crashes
and nothing is malformed: the sum is another one, and only who knows the right one can tell. Exit status: 0 the right
sum, 15 another one, or as every client (services/outcome.py).
"""

import argparse
import re
import struct

from services import calling
from services.calling import Call
from services.outcome import CallError, Outcome
from services.search.client import ask
from services.wire import Connection

from . import numbers


def number(text: str) -> int:
    if not re.fullmatch("-?[0-9]{1,10}", text) or not numbers.LEAST <= int(text) <= numbers.MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {numbers.LEAST} to {numbers.MOST}")
    return int(text)


def summed(call: Call, asked: list[int]) -> int:
    """The sum of the numbers that came back, which is that of those that were sent. Raises CallError."""
    connection = Connection()
    reply = ask(call, numbers.sent(asked, connection), connection)
    try:
        if reply.header.content_type != numbers.TYPE:
            raise CallError(Outcome.WRONG_ANSWER, f"expected {numbers.TYPE}, got {reply.header.content_type!r}")
        came = numbers.read(reply)
    except struct.error as error:
        raise CallError(Outcome.WRONG_ANSWER, f"no array of int32: {error}") from error
    if sum(came) != sum(asked):
        why = f"expected the sum {sum(asked)}, got {sum(came)}, reading {reply.header.byteorder}-endian numbers"
        raise CallError(Outcome.WRONG_ANSWER, why)
    return sum(came)


def main() -> None:
    parser = calling.parser("services.peers.sum_client", __doc__)
    parser.add_argument("numbers", metavar="NUMBER", type=number, nargs="+")
    asked = calling.parse(parser)
    with calling.told():
        print(f"the sum is {summed(Call(asked.host, asked.port, asked.timeout), asked.numbers)}")


if __name__ == "__main__":
    main()
