"""What asyncio's streams leave to their user: an idle time, and the count of the bytes each way."""

import asyncio
from types import TracebackType
from typing import Self

from services.accepting import Peer


class Idle:
    """An `async with` block that raises TimeoutError when nothing has moved either way for the peer's idle time.

    One timer a connection, set again when it goes off too early. asyncio.timeout() around each wait says the same with
    two timers a message, which is a third of what an echo costs (measured).
    """

    def __init__(self, peer: Peer, transport: asyncio.WriteTransport) -> None:
        self.peer, self.transport = peer, transport
        transport.set_write_buffer_limits(high=0)  # drain() waits until nothing is left
        self.loop = asyncio.get_running_loop()
        self.timeout = asyncio.timeout(None)
        self.unsent = 0  # bytes that waited for the peer when this was last looked at
        self.moved()

    def received(self, data: bytes) -> None:
        """Count what has arrived."""
        self.peer.entry.received += len(data)
        self.moved()

    def moved(self) -> None:
        self.due_s = self.loop.time() + self.peer.idle_s

    async def drained(self, writer: asyncio.StreamWriter) -> None:
        """Wait until all is sent, for as long as some of it moves."""
        self.unsent = self.transport.get_write_buffer_size()
        if self.unsent:
            await writer.drain()
            self.unsent = 0
            self.moved()

    def look(self) -> None:
        """Time is up, unless something moved meanwhile; that some of the bytes have left is seen only here."""
        before, self.unsent = self.unsent, self.transport.get_write_buffer_size()
        if self.unsent != before:
            self.moved()
        if self.due_s > self.loop.time():
            self.timer = self.loop.call_at(self.due_s, self.look)
        else:
            self.timeout.reschedule(self.due_s)

    async def __aenter__(self) -> Self:
        await self.timeout.__aenter__()
        self.timer = self.loop.call_at(self.due_s, self.look)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.timer.cancel()
        self.peer.entry.sent = self.peer.entry.received - self.transport.get_write_buffer_size()
        await self.timeout.__aexit__(kind, error, trace)
