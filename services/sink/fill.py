"""Write to a server that does not read until nothing more is taken, and tell where the bytes are.

    python -m services.sink.fill HOST PORT

Prints how many bytes were written until EWOULDBLOCK, how many of them this kernel holds (Send-Q, as `ss` shows it
here) and so how many the other kernel took (Recv-Q, as `ss` shows it there). Then it holds the connection for --hold
seconds, to be looked at (`make sockets`), and resets it, so that no kernel goes on trying. Exit status: 0 filled; 12
something still moved when the time was over; 15 it was never full, for the other end reads; or as every client
(services/outcome.py).
"""

import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import Final

from services import calling, command
from services.calling import Call
from services.outcome import CallError, Outcome

from .queues import Queues, queues_by_ioctl, queues_in_table

BLOCK: Final = bytes(64 * 1024)


@dataclass(frozen=True, slots=True)
class Filled:
    written: int
    writes: int
    by_ioctl: Queues
    in_table: Queues

    def lines(self) -> str:
        """What a person reads: a line for what was written, and one for each kernel."""
        took = self.written - self.by_ioctl.send
        return (
            f"written until EWOULDBLOCK  {self.written:>12,} bytes, in {self.writes} writes\n"
            f"this kernel holds          {self.by_ioctl.send:>12,} bytes; its Send-Q is {self.in_table.send:,}\n"
            f"the other kernel took      {took:>12,} bytes; its Recv-Q, while nothing is read"
        )


def fill(connected: socket.socket, call: Call, settle_s: float, limit: int) -> Filled:
    """Write until nothing was taken, and nothing moved in the queue, for `settle_s`. Raises CallError, OSError."""
    connected.setblocking(False)
    written = writes = 0
    held, still_since_s = -1, time.monotonic()
    while True:
        before = written
        try:
            while written < limit:
                written += connected.send(BLOCK[: limit - written])
                writes += 1
        except BlockingIOError:  # EWOULDBLOCK, also called EAGAIN
            pass
        else:
            raise CallError(Outcome.WRONG_ANSWER, f"all of {limit:,} bytes were taken: the other end reads")
        before_held, held = held, queues_by_ioctl(connected).send
        if (written, held) != (before, before_held):
            still_since_s = time.monotonic()
        elif time.monotonic() - still_since_s >= settle_s:
            return Filled(written, writes, queues_by_ioctl(connected), queues_in_table(connected))
        # Writable means that a third of the kernel's buffer is free: less than that is found by trying, after the time.
        left_s = call.left_s(f"waiting until nothing moves; {written:,} bytes written, {held:,} of them held here")
        select.select([], [connected], [], min(settle_s, left_s))


def main() -> None:
    parser = calling.parser("services.sink.fill", __doc__)
    settle = "in which nothing is taken and nothing moves: it is full (%(default)s)"
    parser.add_argument("--settle", metavar="SECONDS", type=command.seconds, default=0.5, help=settle)
    parser.add_argument("--limit", metavar="BYTES", type=command.size, default=1 << 28, help="at most (%(default)s)")
    buffer = "SO_SNDBUF, which the kernel doubles (socket(7)); else it grows as the kernel likes"
    parser.add_argument("--send-buffer", metavar="BYTES", type=command.count, help=buffer)
    parser.add_argument("--hold", metavar="SECONDS", type=command.seconds, help="the connection, when it is full")
    chosen = calling.parse(parser)
    with calling.reporting_errors():
        call = Call(chosen.host, chosen.port, chosen.timeout)
        with call.connect() as connected:
            # Closed with unsent bytes, a connection would live on in the kernel, probing a window that stays shut.
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
            if chosen.send_buffer:
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, chosen.send_buffer)
            try:
                filled = fill(connected, call, chosen.settle, chosen.limit)
            except OSError as error:
                raise call.failed(error, f"writing to {call.peer}") from error
            print(filled.lines(), flush=True)
            if chosen.hold:
                time.sleep(chosen.hold)


if __name__ == "__main__":
    main()
