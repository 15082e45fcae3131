"""The command line of the search service's servers: they take the same words and flags."""

from argparse import Namespace
from dataclasses import dataclass
from typing import Final

from services import command
from services.wire import CONTENT_LIMIT

HELD: Final = 8  # a large text in all its forms, from the bytes that came to those of its answer


@dataclass(frozen=True, slots=True)
class Options:
    host: str
    port: int
    idle_s: float
    message_s: float
    content_limit: int

    @property
    def most_held(self) -> int:
        """Bytes of memory that answering one message may take."""
        return HELD * self.content_limit


def parse(module: str, says: str | None) -> Options:
    """What the command line says. Exits 64 when it says something wrong."""
    return chosen(parser(module, says).parse_args())


def parser(module: str, says: str | None) -> command.Parser:
    """The words and flags that all of them take; add the rest."""
    made = command.parser(module, says)
    add = made.add_argument
    add(
        "--idle-timeout",
        metavar="SECONDS",
        type=command.seconds,
        default=60.0,
        help="nothing moves (%(default)s)",
    )
    add(
        "--message-timeout",
        metavar="SECONDS",
        type=command.seconds,
        default=10.0,
        help="to be whole (%(default)s)",
    )
    add("--content-limit", metavar="BYTES", type=command.size, default=CONTENT_LIMIT, help="(%(default)s)")
    return made


def chosen(found: Namespace) -> Options:
    return Options(found.host, found.port, found.idle_timeout, found.message_timeout, found.content_limit)
