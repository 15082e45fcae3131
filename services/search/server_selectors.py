"""The search service in one thread, with selectors: each loop takes what is ready, and waits for nobody.

    python -m services.search.server_selectors HOST PORT      (HOST "": all interfaces)

A peer is read while little waits to be sent to it, and is closed when it has ended and all is sent.
"""

import selectors
import socket
import time
from typing import Final

from services.allocation import keep_freed
from services.deadlines import Deadlines
from services.journal import Entry, note
from services.listening import ACCEPT_PAUSE_S, NO_ROOM, announce, listener
from services.outcome import errno_name
from services.stopping import GRACE_S, stop_signal

from . import options
from .conversation import ALL, FEW, Conversation
from .holding import Holding

READ_BYTES: Final = 256 * 1024  # at most from one peer in one turn
UNSENT_BYTES: Final = 256 * 1024  # a peer that does not read its answers is not read, from here on
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Peer:
    def __init__(self, connected: socket.socket, address: tuple[str, int], content_limit: int) -> None:
        self.socket = connected
        self.conversation = Conversation(content_limit)
        self.entry = Entry(address, time.monotonic())
        self.unsent = memoryview(b"")
        self.watched = READ  # what the selector waits for

    def answer(self, answers: bytes) -> None:
        """Have these bytes sent after those that wait; less than UNSENT_BYTES do, or it would not have been read."""
        self.unsent = memoryview(b"".join((self.unsent, answers)) if self.unsent else answers)

    @property
    def memory_bytes(self) -> int:
        """Bytes in memory for this peer."""
        return self.conversation.buffered + len(self.unsent)

    @property
    def wants(self) -> int:
        """The readiness that it waits for; 0: nothing more, close it."""
        read = READ if not self.conversation.ended and len(self.unsent) < UNSENT_BYTES else 0
        return read | (WRITE if self.unsent else 0)


class Server:
    def __init__(self, listening: socket.socket, chosen: options.Options) -> None:
        self.listening, self.content_limit = listening, chosen.content_limit
        self.selector = selectors.DefaultSelector()
        self.deadlines: Deadlines[Peer] = Deadlines(chosen.idle_s, chosen.message_s)
        self.holding: Holding[Peer] = Holding(chosen.memory_limit, lambda peer: peer.memory_bytes)
        self.at_once = ALL  # answers to a peer in this turn
        self.accept_at_s: float | None = None  # when accepting goes on, while it is paused
        self.stop_at_s: float | None = None  # when those still busy are cut off, once SIGTERM came

    def run(self) -> None:
        """Serve until SIGTERM, then until the answers in flight are sent, or their time is over."""
        with self.listening, stop_signal() as stop, self.selector:
            self.listening.setblocking(False)
            self.selector.register(self.listening, READ, self.accept)
            self.selector.register(stop, READ, self.stop)
            announce(self.listening)
            while self.stop_at_s is None or self.peers():
                ready = self.selector.select(self.patience_s())
                self.at_once = FEW if len(ready) == 1 else ALL
                for key, events in ready:
                    if isinstance(key.data, Peer):
                        if key.data.socket.fileno() >= 0:  # not cut off in this very loop
                            self.turn(key.data, events)
                    else:
                        key.data(key.fileobj)
                self.clock()

    def peers(self) -> list[Peer]:
        return [key.data for key in self.selector.get_map().values() if isinstance(key.data, Peer)]

    def accept(self, listening: socket.socket) -> None:
        try:
            connected, address = listening.accept()
        except OSError as error:  # accept(2): also errors of the one connection that is gone again: go on
            if error.errno in NO_ROOM:
                note(f"accepting again in {ACCEPT_PAUSE_S} s: {errno_name(error)}")
                self.selector.unregister(listening)
                self.accept_at_s = time.monotonic() + ACCEPT_PAUSE_S
            return
        connected.setblocking(False)
        peer = Peer(connected, address, self.content_limit)
        self.selector.register(connected, READ, peer)
        self.deadlines.idle(peer, peer.entry.began_s)

    def turn(self, peer: Peer, events: int) -> None:
        """Read and write what can be, then wait for more, or close."""
        try:
            if peer.unsent:
                self.write(peer)
            if events & peer.wants & READ:
                self.read(peer)
        except OSError as error:  # ECONNRESET, EPIPE, ETIMEDOUT, …: the end of this one
            self.close(peer, errno_name(error))
            return
        cut = self.holding.note(peer)
        for each in cut:
            self.close(each, self.holding.why)
        if peer in cut:
            return
        if self.stop_at_s is not None and not peer.conversation.in_message:
            peer.conversation.end("server stopped")
        wants = peer.wants
        if not wants:
            self.close(peer, peer.conversation.ended)
        elif wants != peer.watched:
            self.selector.modify(peer.socket, wants, peer)
            peer.watched = wants

    def read(self, peer: Peer) -> None:
        try:
            data = peer.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        peer.entry.received += len(data)
        answers = peer.conversation.receive_data(data, self.at_once) if data else peer.conversation.receive_eof()
        another = bool(answers)
        while answers:
            peer.answer(answers)
            self.write(peer)
            answers = peer.conversation.answers(self.at_once)
        self.wind(peer, another=another)

    def write(self, peer: Peer) -> None:
        try:
            sent = peer.socket.send(peer.unsent)
        except BlockingIOError:
            return
        peer.entry.sent += sent
        peer.unsent = peer.unsent[sent:]
        self.wind(peer)

    def wind(self, peer: Peer, *, another: bool = False) -> None:
        """Something moved. The time of a message does not run while its peer is not read."""
        if peer.conversation.in_message and peer.wants & READ:
            self.deadlines.message(peer, time.monotonic(), another=another)
        else:
            self.deadlines.idle(peer, time.monotonic())

    def close(self, peer: Peer, why: str) -> None:
        self.deadlines.forget(peer)
        self.holding.forget(peer)
        self.selector.unregister(peer.socket)
        peer.socket.close()
        peer.entry.write(why, time.monotonic())

    def patience_s(self) -> float | None:
        """How long select() may wait for readiness: until the next thing that is due by the clock."""
        due = [at_s for at_s in (self.deadlines.next_s(), self.accept_at_s, self.stop_at_s) if at_s is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def clock(self) -> None:
        now_s = time.monotonic()
        for peer, why in self.deadlines.overdue(now_s):
            self.close(peer, why)
        if self.accept_at_s is not None and self.accept_at_s <= now_s:
            self.accept_at_s = None
            self.selector.register(self.listening, READ, self.accept)
        if self.stop_at_s is not None:
            for peer in self.peers():
                if peer.socket.fileno() < 0:  # cut off in this very loop
                    continue
                if now_s < self.stop_at_s:
                    self.turn(peer, READ)  # what has arrived is still read and answered
                else:
                    self.close(peer, f"server stopped, not done within {GRACE_S:g} s")

    def stop(self, signalled: socket.socket) -> None:
        """No new peers; those between messages are closed, those in one have GRACE_S."""
        self.stop_at_s = time.monotonic() + GRACE_S
        self.selector.unregister(signalled)
        if self.accept_at_s is None:
            self.selector.unregister(self.listening)
        self.accept_at_s = None
        self.listening.close()


def main() -> None:
    chosen = options.parse("services.search.server_selectors", __doc__)
    keep_freed(chosen.most_held)
    Server(listener(chosen.host, chosen.port), chosen).run()


if __name__ == "__main__":
    main()
