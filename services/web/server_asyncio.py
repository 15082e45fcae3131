"""The web echo with asyncio: a task a peer, all in one thread, which goes to another task wherever one awaits.

    python -m services.web.server_asyncio HOST PORT      (HOST "": all interfaces)

A task that does not await keeps all others waiting.
"""

import asyncio

from services.accepting import READ_BYTES, Accepting, Peer

from .talk import Limits, Talk, main


async def serve(accepting: Accepting, limits: Limits) -> None:
    accepting.listening.setblocking(False)
    tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps none alive
    while not accepting.stopping:
        try:
            # Not asyncio.start_server: out of descriptors, CPython 3.11's fails BACKLOG times before it pauses.
            accepted = await asyncio.get_running_loop().sock_accept(accepting.listening)
        except OSError as error:
            await asyncio.sleep(accepting.failed(error))
            continue
        task = asyncio.create_task(serve_one(accepting.admit(*accepted), limits))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks, return_exceptions=True)


async def serve_one(peer: Peer, limits: Limits) -> None:
    """The whole talk with one peer."""
    loop = asyncio.get_running_loop()
    with Talk(peer, limits) as talk:
        while talk.goes_on:
            for piece in talk.answers(await received(talk)):
                async with asyncio.timeout(talk.idle_s):
                    await loop.sock_sendall(talk.socket, piece)
            await asyncio.sleep(0)  # a peer whose bytes are always there already would keep the thread to itself
        talk.finish()
        while talk.drop(await received(talk)):
            await asyncio.sleep(0)


async def received(talk: Talk) -> bytes:
    async with asyncio.timeout(talk.left_s()):
        return await asyncio.get_running_loop().sock_recv(talk.socket, READ_BYTES)


if __name__ == "__main__":
    main("services.web.server_asyncio", __doc__, lambda *served: asyncio.run(serve(*served)))
