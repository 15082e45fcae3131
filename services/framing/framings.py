"""The four framings by their names, as the command lines of the server and the client choose one."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from services import command

from .delimited import DelimitedReceiver, send_delimited
from .fixed import FixedReceiver, send_fixed
from .length_prefixed import LengthPrefixedReceiver, send_length_prefixed
from .receiving import LIMIT, Receiver
from .until_shutdown import UntilShutdownReceiver, send_until_shutdown

NAMES: Final = ("fixed", "delimited", "length-prefixed", "shutdown")
LENGTH: Final = 16  # of the messages of fixed length, unless another is given


@dataclass(frozen=True, slots=True)
class Framing:
    name: str
    receiver: Callable[[], Receiver]  # a new one, for one stream
    send: Callable[[bytes], bytes]  # the bytes of a message; raises ValueError for one that it cannot carry


def chosen(name: str, length: int, limit: int) -> Framing:
    """The framing of this name; `length` is for `fixed`, and `limit` for the others."""
    if name == "fixed":
        return Framing(name, partial(FixedReceiver, length), partial(send_fixed, length=length))
    if name == "delimited":
        return Framing(name, partial(DelimitedReceiver, limit=limit), partial(send_delimited, limit=limit))
    if name == "length-prefixed":
        return Framing(name, partial(LengthPrefixedReceiver, limit), partial(send_length_prefixed, limit=limit))
    return Framing(name, partial(UntilShutdownReceiver, limit), partial(send_until_shutdown, limit=limit))


def length(text: str) -> int:
    if (value := command.size(text)) == 0:
        raise ArgumentTypeError("'0': a message of fixed length has at least 1 byte")
    return value


def add_options(parser: command.Parser) -> None:
    """--framing, --length and --limit."""
    add = parser.add_argument
    add("--framing", choices=NAMES, required=True, help="how a message ends")
    add("--length", metavar="BYTES", type=length, default=LENGTH, help="of each message, if fixed (%(default)s)")
    add("--limit", metavar="BYTES", type=command.size, default=LIMIT, help="of a message, if not (%(default)s)")


def answer(message: bytes) -> bytes:
    """The message from its last byte to its first: nobody can begin to answer before it is whole."""
    # Whoever answers before the end is known gets this wrong.
    return message[::-1]
