"""The command line of the search service's servers: they take the same words and flags."""

from argparse import Namespace
from dataclasses import dataclass
from typing import Final

from services import command
from services.wire import CONTENT_LIMIT

from .holding import MEMORY_LIMIT

HELD: Final = 8  # a large text in all its forms, from the bytes that came to those of its answer


@dataclass(frozen=True, slots=True)
class Options:
    host: str
    port: int
    idle_s: float
    message_s: float
    content_limit: int
    memory_limit: int

    @property
    def most_held(self) -> int:
        """Bytes of memory that answering one message may take."""
        return HELD * self.content_limit


def parse(module: str, says: str | None) -> Options:
    """What the command line says. Exits 64 when it says something wrong."""
    made = parser(module, says)
    return chosen(made, made.parse_args())


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
    add(
        "--memory-limit",
        metavar="BYTES",
        type=command.size,
        help=f"held by all peers together, of messages and answers; above, who held some longest is cut off "
        f"({MEMORY_LIMIT}, or twice the content limit)",
    )
    return made


def chosen(made: command.Parser, found: Namespace) -> Options:
    content = found.content_limit
    memory = max(MEMORY_LIMIT, 2 * content) if found.memory_limit is None else found.memory_limit
    if memory < content:
        made.error(f"--memory-limit: {memory} bytes hold no content of {content}, which --content-limit lets in")
    return Options(found.host, found.port, found.idle_timeout, found.message_timeout, content, memory)
