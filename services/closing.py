"""A stream whose end is the end of the answer (RFC 865, RFC 867): how a server ends it, and how a client reads it."""

import socket
import time
from argparse import Namespace
from collections.abc import Callable

from .accepting import Peer
from .calling import Call
from .outcome import CallError, Outcome


def finish(peer: Peer, within_s: float) -> None:
    """Say that no more is sent, and hear the peer out: throw away what it sends, until it has finished too.

    Closing a socket with unread bytes sends a reset (RFC 9293, 3.6.1), and a reset can overtake the answer. The time
    is over all of it. Raises OSError; `with peer` tells of it.
    """
    peer.socket.shutdown(socket.SHUT_WR)
    until_s = time.monotonic() + within_s
    while (left_s := until_s - time.monotonic()) > 0:
        peer.socket.settimeout(left_s)
        try:
            if not peer.recv():
                return
        except TimeoutError as error:
            if error.errno:  # the kernel's ETIMEDOUT; our own has none
                raise
    raise OSError(f"answered, but did not finish within {within_s:g} s")


def ask_for_text(asked: Namespace, limit: int, fault: Callable[[bytes], str], end: str) -> str:
    """Connect, read until the peer has closed, and return the text, which must end with a line. Raises CallError.

    `fault` says why bytes are not the text, or "" when they are; `end` is what an answer that broke off did not reach.
    """
    call = Call(asked.host, asked.port, asked.timeout)
    with call.connect() as connected:
        answer = read_until_closed(call, connected, limit)
    if answer and (wrong := fault(answer)):
        raise CallError(Outcome.WRONG_ANSWER, f"{call.peer}: {wrong}")
    if not answer.endswith(b"\n"):
        raise CallError(Outcome.BROKEN_OFF, f"{call.peer} closed after {len(answer)} bytes, before {end}")
    return answer.decode("ascii")


def read_until_closed(call: Call, connected: socket.socket, limit: int) -> bytes:
    """All that comes until the peer has finished. More than `limit` bytes: only limit + 1 of them. Raises CallError."""
    answer = b""
    while len(answer) <= limit and (data := call.recv(connected, limit + 1 - len(answer))):
        answer += data
    return answer
