"""All that the seven echo servers share: the command line, the loop of those that block, the turn of those that do not.

The contract: every byte comes back, in order. A peer that shuts down its sending side still gets everything back, then
the end. A peer that does not read is not read. A peer with which nothing moves for the idle time is closed. SIGTERM
ends the server within 2 seconds, and what had arrived still goes back (services/accepting.py).
"""

import time
from collections.abc import Callable, Iterator
from typing import Final

from services import command
from services.accepting import Accepting, Peer
from services.deadlines import Deadlines
from services.listening import announce, listener

UNSENT_BYTES: Final = 256 * 1024  # a peer that does not read is not read, from here on


def main(module: str, says: str | None, serve: Callable[[Accepting], object], most: int = 0) -> None:
    """Run a server as its command line says. `most`: how many peers at once, where the architecture needs a bound."""
    parser = command.parser(module, says)
    add = parser.add_argument
    add("--idle-timeout", metavar="SECONDS", type=command.seconds, default=60.0, help="nothing moves (%(default)s)")
    if most:
        add("--most", metavar="PEERS", type=command.count, default=most, help="served at once (%(default)s)")
    asked = parser.parse_args()
    with Accepting(listener(asked.host, asked.port), asked.idle_timeout, asked.most if most else 0) as accepting:
        announce(accepting.listening)
        serve(accepting)


def echo(peer: Peer) -> None:
    """The whole conversation with one peer, for an architecture that may wait for it."""
    with peer:
        while data := peer.recv():
            peer.send_all(data)


class Echo:
    """The conversation with one peer, for an architecture that must not wait for it: a turn whenever it is ready."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.unsent = bytearray()
        self.finished = False
        self.error: OSError | None = None

    def fileno(self) -> int:
        return self.peer.fileno()

    @property
    def reads(self) -> bool:
        """Whether it waits to be readable. It waits to be writable while there is something `unsent`."""
        return not self.finished and len(self.unsent) < UNSENT_BYTES

    @property
    def over(self) -> bool:
        return self.error is not None or (self.finished and not self.unsent)

    def turn(self, readable: bool) -> None:
        """Read once, if it is readable; then send what can be sent now."""
        try:
            if readable and self.reads:
                data = self.peer.recv()
                self.finished = not data
                self.unsent += data
            if self.unsent:
                del self.unsent[: self.peer.send(self.unsent)]  # from the front: moves its start, not its bytes
        except BlockingIOError:
            pass
        except OSError as error:
            self.error = error


class Echoes:
    """All conversations of one thread: how long it may wait for one to be ready, and which are over."""

    def __init__(self, accepting: Accepting) -> None:
        self.accepting = accepting
        self.all: set[Echo] = set()
        self._over: set[Echo] = set()
        self._deadlines: Deadlines[Echo] = Deadlines(accepting.idle_s, accepting.idle_s)
        accepting.listening.setblocking(False)

    @property
    def going_on(self) -> bool:
        """Until SIGTERM, and then until all are over."""
        return not self.accepting.stopping or bool(self.all)

    @property
    def accepts(self) -> bool:
        """Whether the listening socket is to be waited for: not while accepting is paused."""
        return not self.accepting.stopping and time.monotonic() >= self.accepting.accept_at_s

    def accept(self) -> Echo | None:
        """The conversation with the next peer; None when there is none after all."""
        peer = self.accepting.accept()
        if peer is None:
            return None
        echo = Echo(peer)
        self.all.add(echo)
        self._deadlines.idle(echo, peer.entry.began_s)
        return echo

    def turn(self, echo: Echo, readable: bool) -> None:
        """Its turn, since it is ready: look at `over` when all have had theirs."""
        echo.turn(readable)
        self._deadlines.idle(echo, time.monotonic())
        if echo.over:
            self._over.add(echo)

    def refuse(self, echo: Echo, why: str) -> None:
        self._forget(echo)
        echo.peer.close(f"refused: {why}")

    def over(self) -> Iterator[Echo]:
        """Those that are over, or idle for too long; each is closed when the loop body is done with it."""
        for echo, _ in self._deadlines.overdue(time.monotonic()):
            echo.error = echo.error or TimeoutError()
            self._over.add(echo)
        for echo in self._over:
            yield echo
            self._forget(echo)
            echo.peer.close_for(echo.error)
        self._over.clear()

    def patience_s(self) -> float | None:
        """How long to wait for readiness: until the next peer has been idle for too long, or accepting goes on.

        0.0 if SIGTERM came after `going_on` was asked, and nobody is left: nothing would end the wait. Ask it last.
        """
        if not self.going_on:
            return 0.0
        paused = not self.accepting.stopping and not self.accepts
        due = [self._deadlines.next_s(), self.accepting.accept_at_s if paused else None]
        return min((max(0.0, at_s - time.monotonic()) for at_s in due if at_s is not None), default=None)

    def _forget(self, echo: Echo) -> None:
        self.all.discard(echo)
        self._deadlines.forget(echo)
