"""UDP, for servers and clients: an answer from the address that was asked, and a question that is asked again.

Rules: a datagram is answered once, or dropped aloud; nothing here remembers a peer. A client's socket is connected:
only the asked address and port can answer, and an ICMP error comes back as an errno.
"""

import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from . import calling, command
from .address import Address, address_words, resolved
from .calling import Call
from .journal import Entry
from .listening import refusals_told
from .outcome import CallError, Outcome, errno_name

LARGEST: Final = 0xFFFF  # more than any datagram holds: 65,507 bytes over IPv4, 65,527 over IPv6
BATCH: Final = 1024  # datagrams taken before SIGTERM is looked for again
# echo, discard, daytime, qotd, chargen: a datagram "from" there would be answered to and fro for ever (CERT CA-1996-01)
LOOPING_PORTS: Final = (7, 9, 13, 17, 19)
IP_PKTINFO: Final = 8  # linux/in.h; Python's socket has it from 3.12 on


def receiver(host: str, port: int) -> socket.socket:
    """A bound UDP socket; the caller closes it, and calls `announce`. An empty host, and the exits: as `listener`."""
    with refusals_told(host, port):
        return _bound(host, port)


def _bound(host: str, port: int) -> socket.socket:
    family, address = resolved(host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0"), port)[0]  # noqa: S104
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        made.setblocking(False)  # a datagram whose checksum is wrong wakes select() and is not there (select(2))
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


@dataclass(slots=True)
class Datagram:
    """One that has come: answer it once, or not. `asked` tells the kernel which address it was sent to."""

    content: bytes
    peer: Address
    receiving: socket.socket
    reply_control: list[tuple[int, int, bytes]]

    def answer(self, content: bytes) -> None:
        """Send one datagram back, from the address that was asked, and write the journal's line."""
        now_s = time.monotonic()
        entry = Entry(self.peer, now_s, received=len(self.content))
        what = "answered"
        if self.peer[1] in LOOPING_PORTS:
            what = f"not answered: port {self.peer[1]} would answer the answer"
        else:
            try:
                entry.sent = self.receiving.sendmsg([content], self.reply_control, 0, self.peer)
            except OSError as error:  # EAGAIN: no room to send; EINVAL: asked by broadcast, or from port 0; …
                what = f"not answered: {errno_name(error)}"
        entry.write(what, now_s)


def arriving(receiving: socket.socket, stop: socket.socket) -> Iterator[Datagram]:
    """Each datagram as it comes, until `stop` is readable; those that were there by then are the last."""
    stopped = False
    while not stopped:
        ready, _, _ = select.select([receiving, stop], [], [])
        stopped = stop in ready
        for _ in range(BATCH):
            try:
                content, ancillary, _, peer = receiving.recvmsg(LARGEST, socket.CMSG_SPACE(20))
            except BlockingIOError:
                break
            yield Datagram(content, peer, receiving, _reply_control(ancillary))


def _reply_control(ancillary: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """From which address to answer: ip(7), ipv6(7). A socket on several would take the one that the route prefers.

    The interface's index is left at 0: any. Addresses are in network order, but an emulated machine sees the index
    in the byte order of the kernel below it.
    """
    for level, kind, content in ancillary:
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return [(level, kind, content[:16] + bytes(4))]
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            return [(level, kind, bytes(4) + content[4:8] + bytes(4))]
    return []


def parser(module: str, says: str | None) -> command.Parser:
    """The command line of a client, with how it asks again; then `calling.parse`."""
    made = calling.parser(module, says)
    add = made.add_argument
    add("--retries", metavar="COUNT", type=command.size, default=3, help="times to ask again (%(default)s)")
    wait = "for an answer before asking again, then twice that, and so on (%(default)s)"
    add("--wait", metavar="SECONDS", type=command.seconds, default=1.0, help=wait)
    return made


def ask(call: Call, asking: bytes, retries: int, wait_s: float, room: int = LARGEST) -> bytes:
    """The first datagram that answers `asking`. Raises CallError.

    It is sent again after `wait_s`, then after twice that, and so on (RFC 8085, 3.1.1), `retries` times; the deadline
    of the call is over all of it, and each address of the host has an equal share. The answer has `room` bytes: a
    longer one is cut, and the call broken off.
    """
    addresses = call.resolve()
    failures: list[CallError] = []
    for number, (family, address) in enumerate(addresses):
        peer = address_words(address)
        until_s = time.monotonic() + call.left_s(f"asking {peer}") / (len(addresses) - number)
        sent = 0
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asked:
                asked.connect(address)  # sends nothing: says where to, and who may answer (udp(7))
                while sent <= retries and (left_s := until_s - time.monotonic()) > 0:
                    asked.settimeout(min(left_s, wait_s * 2**sent))
                    asked.send(asking)
                    sent += 1
                    try:
                        return _received(asked, room, peer)
                    except TimeoutError as error:
                        if error.errno:  # the kernel's ETIMEDOUT; our own has none
                            raise
        except OSError as error:
            failures.append(call.failed(error, f"asking {peer}"))
        else:
            failures.append(CallError(Outcome.TIMED_OUT, f"no answer from {peer}; datagrams sent: {sent}"))
    raise CallError(failures[-1].outcome, "; ".join(str(failure) for failure in failures))


def _received(asked: socket.socket, room: int, peer: str) -> bytes:
    """The next datagram, which must fit. Raises OSError, CallError."""
    content = bytearray(room)
    length = asked.recv_into(content, room, socket.MSG_TRUNC)  # its own length, and not that of what was kept (recv(2))
    if length > room:
        raise CallError(Outcome.BROKEN_OFF, f"{peer}: a datagram of {length} bytes came; {room} of them had room")
    return bytes(content[:length])
