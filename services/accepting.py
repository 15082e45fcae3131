"""The connections of a server of any architecture: accepted, told of in the journal, and ended by SIGTERM.

SIGTERM or SIGINT shuts down the listening socket, and of each connection the receiving half. shutdown(2) is done to the
socket and not to the descriptor, so whoever waits for it wakes, in accept(), recv(), select(), epoll or a thread of its
own: recv() gives what has arrived and then b"", as if the peer had finished. After GRACE_S the other half is shut
down too. So a server file says nothing of signals, but that accepting ends. Main thread only.

A signal is seen late if it comes just before a system call, and not during it: a timer bounds how late (LOOK_S).
"""

import math
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Final, Self

from .address import Address
from .journal import Entry, note
from .listening import ACCEPT_PAUSE_S, NO_ROOM
from .outcome import errno_name
from .stopping import GRACE_S, STOPS

READ_BYTES: Final = 64 * 1024  # at most from one peer in one turn
# Python's handler of a signal runs between bytecodes. One that comes after Python has looked, and before the kernel has
# begun to wait, interrupts nothing: without this the handler would run when the call returns, in a minute or never. The
# atomic cure is that of pselect(2), which no accept(), recv(), waitpid() or lock of Python's has. So SIGALRM interrupts
# whatever the main thread waits in, with EINTR (signal(7)); Python looks again, and goes on waiting (PEP 475).
LOOK_S: Final = 0.2
CLOSE_WAIT: Final = 8  # the state, of RFC 9293 and by Linux's number, once the peer's FIN has come


class Ended(Exception):
    """Raise it in a peer's `with` block to end the connection: why, for the journal."""


class Peer:
    """One connection, from accept() to its line in the journal. Whatever ends its `with` block ends it, and is told."""

    def __init__(self, accepting: "Accepting", connected: socket.socket, address: Address) -> None:
        self.accepting, self.socket = accepting, connected
        self.idle_s = accepting.idle_s
        self.entry = Entry(address, time.monotonic())

    def fileno(self) -> int:
        return self.socket.fileno()

    def recv(self) -> bytes:
        """What has arrived, at most READ_BYTES; b"" when the peer has finished, or SIGTERM came: ask `finished`."""
        data = self.socket.recv(READ_BYTES)
        self.entry.received += len(data)
        return data

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Send what the kernel takes of `data` now, and say how much that was: send it the rest."""
        sent = self.socket.send(data)
        self.entry.sent += sent
        return sent

    def send_all(self, data: bytes) -> None:
        """Send all of it, for as long as some of it moves: the idle time begins again with each short write."""
        unsent = memoryview(data)
        while unsent:
            unsent = unsent[self.send(unsent) :]

    @property
    def finished(self) -> bool:
        """Whether the end that recv() met is the peer's own, and not ours, by SIGTERM (TCP_INFO, tcp(7))."""
        if not self.accepting.stopping:
            return True
        return self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == CLOSE_WAIT

    def close(self, why: str) -> None:
        """End it, and tell of it in the journal; but SIGTERM is the better reason if it was that."""
        if self.accepting.cut:
            why = f"server stopped, not done within {GRACE_S:g} s"
        self.leave()
        self.entry.write(why, time.monotonic())

    def close_for(self, error: BaseException | None) -> None:
        """End it for what was raised; None: recv() met the end, and all is sent."""
        if error is None:
            self.close("finished" if self.finished else "server stopped")
        elif isinstance(error, TimeoutError) and not error.errno:  # our timeout; the kernel's own is ETIMEDOUT
            self.close(f"idle for {self.idle_s:g} s")
        elif isinstance(error, OSError):
            self.close(errno_name(error))
        else:
            self.close(str(error) if isinstance(error, Ended) else repr(error))

    def leave(self) -> None:
        """Close our descriptor and tell nothing: the connection is another process's now."""
        self.accepting.peers.discard(self)
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        self.close_for(error)
        return isinstance(error, OSError | Ended)


class Accepting:
    """A listening socket and the peers that came to it. Iterate over it for the next peer, until SIGTERM.

    `listening` is blocking or not, as the architecture wants, and each peer is as it is. `most` is how many a
    bounded architecture serves at once.
    """

    def __init__(self, listening: socket.socket, idle_s: float, most: int = 0) -> None:
        self.listening, self.idle_s, self.most = listening, idle_s, most
        self.peers: set[Peer] = set()
        self.children: set[int] = set()  # the processes of a server that forks: SIGTERM is passed on to them
        self.accept_at_s = 0.0  # when accepting goes on, if it is paused
        self.stopping = False  # SIGTERM came
        self.cut_at_s = math.inf  # when the time that it leaves is over
        self.cut = False  # and it is over

    def fileno(self) -> int:
        return self.listening.fileno()

    def __iter__(self) -> Iterator[Peer]:
        """Each peer as it comes, the listening socket being blocking; the end, when SIGTERM came."""
        while not self.stopping:
            if peer := self.accept():
                yield peer

    def accept(self) -> Peer | None:
        """The next peer; None when there is none after all, or SIGTERM came. Waits if paused: see `accept_at_s`."""
        if (paused_s := self.accept_at_s - time.monotonic()) > 0:  # sleep(0) would wait too: for the timer's slack
            time.sleep(paused_s)
        try:
            connected, address = self.listening.accept()
        except OSError as error:
            self.failed(error)
            return None
        return self.admit(connected, address)

    def failed(self, error: OSError) -> float:
        """Accepting failed: how many seconds to wait until it is tried again, which is told if it is a pause."""
        # accept(2): also the errors of one connection that is gone again; EAGAIN; and EINVAL, by our shutdown
        if error.errno not in NO_ROOM:
            return 0.0
        note(f"accepting again in {ACCEPT_PAUSE_S} s: {errno_name(error)}")
        self.accept_at_s = time.monotonic() + ACCEPT_PAUSE_S
        return ACCEPT_PAUSE_S

    def admit(self, connected: socket.socket, address: Address) -> Peer:
        """A peer of what accept() gave."""
        connected.settimeout(self.idle_s if self.listening.getblocking() else 0.0)
        peer = Peer(self, connected, address)
        self.peers.add(peer)
        if self.stopping:  # it came between accept() and here
            _shut(peer.socket, socket.SHUT_RD)
        return peer

    def stop(self, *_: int | FrameType | None) -> None:
        """What SIGTERM does: see above."""
        if self.stopping:
            return
        self.cut_at_s = time.monotonic() + GRACE_S
        self.stopping = True
        for each in [self.listening, *(peer.socket for peer in list(self.peers))]:
            _shut(each, socket.SHUT_RD)
        self._pass_on()
        signal.setitimer(signal.ITIMER_REAL, LOOK_S, LOOK_S)  # again: fork(2) leaves a child without its parent's timer

    def _pass_on(self) -> None:
        for child in list(self.children):
            with suppress(ProcessLookupError):  # it has ended, and been reaped, meanwhile
                os.kill(child, signal.SIGTERM)

    def _look(self, *_: int | FrameType | None) -> None:
        """What SIGALRM does, each LOOK_S. Until SIGTERM that is nothing: to have interrupted was all."""
        if self.stopping:
            self._pass_on()  # a child, which has no timer yet, may have seen nothing of the first
        if time.monotonic() >= self.cut_at_s:
            self.cut = True
            for peer in list(self.peers):
                _shut(peer.socket, socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        for number in STOPS:
            signal.signal(number, self.stop)
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, LOOK_S, LOOK_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping = True  # SIGTERM has nothing left to do, and must not set the timer again
        signal.setitimer(signal.ITIMER_REAL, 0)  # at its exit Python gives the signals back, and SIGALRM would kill
        self.listening.close()


def _shut(shut: socket.socket, how: int) -> None:
    with suppress(OSError):  # ENOTCONN, EBADF: it has ended by itself
        shut.shutdown(how)
