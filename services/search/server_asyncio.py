"""The search service in one thread, with asyncio: the loop calls each peer when something happened to it.

    python -m services.search.server_asyncio HOST PORT        (HOST "": all interfaces)

A peer is read while little waits to be sent to it, and is closed when it has ended and all is sent.
"""

import asyncio
import socket
import time
from functools import partial
from typing import Final

from services.allocation import keep_freed
from services.deadlines import Deadlines
from services.journal import Entry, note
from services.listening import ACCEPT_PAUSE_S, NO_ROOM, announce, listener
from services.outcome import errno_name
from services.stopping import GRACE_S, STOPS

from . import options
from .conversation import ALL, FEW, Conversation
from .holding import Holding

# At most in one turn of the loop. With this, and with a timer that is set anew for an earlier deadline only (`wind`), a
# request a connection takes 0.85 to 0.95 of the processor time that it takes a textbook's server, in place of 1.3.
ACCEPTS: Final = 16
UNSENT_BYTES: Final = 256 * 1024  # a peer that does not read its answers is not read, from here on


class Peer(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, server: "Server", address: tuple[str, int]) -> None:
        self.server = server
        self.conversation = Conversation(server.content_limit)
        self.entry = Entry(address, time.monotonic())
        self.written = 0  # bytes given to the transport, of which entry.sent have left it
        self.paused = False

    @property
    def memory_bytes(self) -> int:
        """Bytes in memory for this peer."""
        return self.conversation.buffered + self.transport.get_write_buffer_size()

    @property
    def in_message(self) -> bool:
        """Whether its message's time is running: it stands still while the peer is not read."""
        return self.conversation.in_message and not self.paused

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 — for mypy: TCP has no other
        self.transport = transport
        transport.set_write_buffer_limits(high=UNSENT_BYTES, low=UNSENT_BYTES - 1)
        self.server.peers.add(self)
        self.turn(b"")

    def data_received(self, data: bytes) -> None:
        self.entry.received += len(data)
        at_once = FEW if len(self.server.peers) == 1 else ALL
        answers = self.conversation.receive_data(data, at_once)
        while answers and (more := self.conversation.answers(at_once)):
            self.send(answers)
            answers = more
        self.turn(answers)

    def eof_received(self) -> bool:
        self.turn(self.conversation.receive_eof())
        return True  # close() is ours to call, for it sends first what waits

    def send(self, answers: bytes) -> None:
        self.written += len(answers)
        self.transport.write(answers)

    def turn(self, answers: bytes) -> None:
        """Send the answers, then wait for more, or close."""
        if answers:
            self.send(answers)
        if self.server.stopping and not self.conversation.in_message:
            self.conversation.end("server stopped")
        if self.conversation.ended:
            self.transport.close()
            if not self.transport.get_write_buffer_size():
                return  # connection_lost() is next
        self.server.wind(self, another=bool(answers))

    def pause_writing(self) -> None:
        self.paused = True
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.paused = False
        self.transport.resume_reading()
        self.server.wind(self)

    def moved(self) -> bool:
        """Whether bytes have left for the peer since this was last asked: the transport does not tell."""
        before, self.entry.sent = self.entry.sent, self.written - self.transport.get_write_buffer_size()
        return self.entry.sent > before

    def cut(self, why: str) -> None:
        self.moved()
        self.written = self.entry.sent  # what waits is thrown away
        self.conversation.ended = why
        self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if error is None:
            self.entry.sent = self.written
        why = errno_name(error) if isinstance(error, OSError) else self.conversation.ended
        self.entry.write(why, time.monotonic())
        self.server.lost(self)


class Server:
    def __init__(self, listening: socket.socket, chosen: options.Options) -> None:
        self.listening, self.content_limit = listening, chosen.content_limit
        self.loop = asyncio.get_running_loop()
        self.deadlines: Deadlines[Peer] = Deadlines(chosen.idle_s, chosen.message_s)
        self.holding: Holding[Peer] = Holding(chosen.memory_limit, lambda peer: peer.memory_bytes)
        self.timer = self.loop.call_later(chosen.idle_s, self.clock)
        self.peers: set[Peer] = set()
        self.opening: set[asyncio.Task[object]] = set()  # the loop itself keeps no task alive
        self.stopping = False
        self.empty = asyncio.Event()

    async def run(self) -> None:
        """Serve until SIGTERM, then until the answers in flight are sent, or their time is over."""
        stop = asyncio.Event()
        for signal in STOPS:
            self.loop.add_signal_handler(signal, stop.set)
        with self.listening:
            self.listening.setblocking(False)
            self.loop.add_reader(self.listening, self.accept)
            announce(self.listening)
            await stop.wait()
            self.loop.remove_reader(self.listening)
        await self.stop()

    def accept(self) -> None:
        # Not loop.create_server: out of descriptors, CPython 3.11's fails BACKLOG times before it pauses.
        for _ in range(ACCEPTS):
            try:
                connected, address = self.listening.accept()
            except BlockingIOError:
                return
            except OSError as error:  # accept(2): also errors of the one connection that is gone again: go on
                if error.errno in NO_ROOM:
                    note(f"accepting again in {ACCEPT_PAUSE_S} s: {errno_name(error)}")
                    self.loop.remove_reader(self.listening)
                    self.loop.call_later(ACCEPT_PAUSE_S, self.accept_again)
                return
            connected.setblocking(False)
            opening = self.loop.connect_accepted_socket(partial(Peer, self, address), connected)
            task = self.loop.create_task(opening)
            self.opening.add(task)
            task.add_done_callback(self.opening.discard)

    def accept_again(self) -> None:
        if self.listening.fileno() >= 0:  # not closed by stop
            self.loop.add_reader(self.listening, self.accept)

    def wind(self, peer: Peer, *, another: bool = False) -> None:
        """Something moved. The timer is due with the first of the deadlines there were: only a new one is earlier."""
        peer.moved()
        for each in self.holding.note(peer):
            each.cut(self.holding.why)
        now_s = time.monotonic()
        if peer.in_message:
            self.deadlines.message(peer, now_s, another=another)
            due_s = now_s + self.deadlines.message_s
        else:
            self.deadlines.idle(peer, now_s)
            due_s = now_s + self.deadlines.idle_s
        if due_s < self.timer.when():
            self.timer.cancel()
            self.timer = self.loop.call_at(due_s, self.clock)

    def clock(self) -> None:
        for peer, why in self.deadlines.overdue(time.monotonic()):
            if peer.moved() and not peer.in_message:
                self.deadlines.idle(peer, time.monotonic())
            else:
                peer.cut(why)
        next_s = self.deadlines.next_s()
        idle_s = time.monotonic() + self.deadlines.idle_s
        self.timer = self.loop.call_at(idle_s if next_s is None else next_s, self.clock)

    def lost(self, peer: Peer) -> None:
        self.deadlines.forget(peer)
        self.holding.forget(peer)
        self.peers.discard(peer)
        if self.stopping and not self.peers:
            self.empty.set()

    async def stop(self) -> None:
        """What has arrived is still read and answered; who is in a message has GRACE_S."""
        await asyncio.gather(*self.opening, return_exceptions=True)
        for _ in range(2):  # the second pass begins when those whom the first found readable have been read
            await asyncio.sleep(0)
        self.stopping = True
        for peer in list(self.peers):
            peer.turn(b"")
        try:
            if self.peers:
                await asyncio.wait_for(self.empty.wait(), GRACE_S)
        except TimeoutError:
            for peer in self.peers:
                peer.cut(f"server stopped, not done within {GRACE_S:g} s")
            await self.empty.wait()


async def serve(listening: socket.socket, chosen: options.Options) -> None:
    await Server(listening, chosen).run()


def main() -> None:
    chosen = options.parse("services.search.server_asyncio", __doc__)
    keep_freed(chosen.most_held)
    asyncio.run(serve(listener(chosen.host, chosen.port), chosen))


if __name__ == "__main__":
    main()
