"""What the textbook servers share: the command line, start_server, and the end of a connection."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

from services import command

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BACKLOG = 1024  # as the services' own: else 1,000 connections at once would measure the queue


def main(module: str, says: str | None, converse: Converse) -> None:
    """Serve until SIGTERM or SIGINT."""
    asked = command.parser(module, says).parse_args()
    asyncio.run(serve(asked.host, asked.port, converse))


async def serve(host: str, port: int, converse: Converse) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await converse(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the peer has gone
        finally:
            writer.close()

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await asyncio.start_server(connected, host or None, port, backlog=BACKLOG)
    name, number = server.sockets[0].getsockname()[:2]
    print(f"listening on {name} port {number}", file=sys.stderr, flush=True)
    await stop.wait()
