"""What asyncio's streams leave to their user: an idle time for each wait, and the count of the bytes that have left."""

import asyncio

from services.accepting import READ_BYTES, Peer


async def read(reader: asyncio.StreamReader, peer: Peer) -> bytes:
    """What has arrived; b"" at the end. Raises TimeoutError when nothing comes for the idle time."""
    async with asyncio.timeout(peer.idle_s):
        data = await reader.read(READ_BYTES)
    peer.entry.received += len(data)
    return data


async def drained(writer: asyncio.StreamWriter, peer: Peer) -> None:
    """Wait until all is sent, for as long as some of it moves; raises TimeoutError when none does for the idle time."""
    writer.transport.set_write_buffer_limits(high=0)  # drain() waits until nothing is left
    try:
        while unsent := writer.transport.get_write_buffer_size():
            try:
                async with asyncio.timeout(peer.idle_s):
                    await writer.drain()
            except TimeoutError:
                if writer.transport.get_write_buffer_size() == unsent:
                    raise
    finally:
        peer.entry.sent = peer.entry.received - writer.transport.get_write_buffer_size()
