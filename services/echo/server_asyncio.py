"""Echo in one thread, with asyncio's streams: a coroutine a client, that waits in the event loop.

    python -m services.echo.server_asyncio HOST PORT      (HOST "": all interfaces)

write() only puts bytes into a buffer; drain() waits until they have left it, and that keeps it bounded (`streams`).
"""

import asyncio

from services.accepting import READ_BYTES, Accepting, Peer

from .echoing import main
from .streams import Idle


async def serve(accepting: Accepting) -> None:
    accepting.listening.setblocking(False)
    async with asyncio.TaskGroup() as conversations:  # left when the last one has ended
        while not accepting.stopping:
            try:
                # Not asyncio.start_server: out of descriptors, CPython 3.11's fails BACKLOG times before it pauses.
                accepted = await asyncio.get_running_loop().sock_accept(accepting.listening)
            except OSError as error:
                await asyncio.sleep(accepting.failed(error))
                continue
            conversations.create_task(echo(accepting.admit(*accepted)))


async def echo(peer: Peer) -> None:
    with peer:
        reader, writer = await asyncio.open_connection(sock=peer.socket, limit=READ_BYTES)
        try:
            async with Idle(peer, writer.transport) as idle:
                while data := await reader.read(READ_BYTES):
                    idle.received(data)
                    writer.write(data)
                    await idle.drained(writer)
        finally:
            writer.transport.abort()  # it holds nothing that is still to be sent


if __name__ == "__main__":
    main("services.echo.server_asyncio", __doc__, lambda accepting: asyncio.run(serve(accepting)))
