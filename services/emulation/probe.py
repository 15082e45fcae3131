"""Print what this machine answers, as one JSON document: where it is an emulated one, what its emulation can do.

    python -m services.emulation.probe

    {"machine": {…}, "errno": {"ECONNREFUSED": 111, …}, "answers": {"socket options": {"SO_LINGER": "set …, got …"}, …}}

An answer says what came back, with errno by name and never by number. On every machine the same is asked, and what is
answered depends on no kernel's version, address or time: where two answers differ, the machines do.
"""

import errno
import fcntl
import functools
import json
import os
import select
import signal
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services import command
from services.outcome import errno_name

WITHIN_S: Final = 5.0
PAYLOAD: Final = b"\x00\x01\xfe\xff"
TRAFFIC_CLASS: Final = 0x10
PORT_OF_NOBODY: Final = 1  # nothing listens there on a host of the lab

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
V4, V6 = socket.AF_INET, socket.AF_INET6
IP, IPV6 = socket.IPPROTO_IP, socket.IPPROTO_IPV6

# Options that Python 3.13 has no name for. These numbers are those of every architecture (linux/in.h, linux/in6.h).
IP_PKTINFO, IP_MTU_DISCOVER, IP_RECVERR, IP_RECVTTL, IP_MTU = 8, 10, 11, 12, 14
IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_RECVERR = 23, 24, 25
IP_PMTUDISC_DO = 2


@dataclass(frozen=True, slots=True)
class Option:
    """A socket option: on which sockets it is tried, the value that is set (None: it is only read), and its shape.

    `shape` is a format of struct, in the order of the machine (`@i`, an int; `@ll`, a struct timeval), `text`, or a
    number of bytes of which only the count is told. `tells_value` is off where what is read back depends on the kernel.
    """

    name: str
    level: int
    number: int
    value: tuple[int, ...] | str | None
    shape: str | int = "@i"
    kind: socket.SocketKind = TCP
    family: socket.AddressFamily = V4
    connected: bool = False
    tells_value: bool = True


def _option(name: str, level: int, value: tuple[int, ...] | str | None, **more: object) -> Option:
    return Option(name, level, getattr(socket, name), value, **more)  # type: ignore[arg-type]


OPTIONS: Final = (
    _option("SO_REUSEADDR", socket.SOL_SOCKET, (1,)),
    _option("SO_REUSEPORT", socket.SOL_SOCKET, (1,)),
    _option("SO_KEEPALIVE", socket.SOL_SOCKET, (1,)),
    _option("SO_BROADCAST", socket.SOL_SOCKET, (1,), kind=UDP),
    _option("SO_OOBINLINE", socket.SOL_SOCKET, (1,)),
    _option("SO_LINGER", socket.SOL_SOCKET, (1, 7), shape="@ii"),
    _option("SO_RCVBUF", socket.SOL_SOCKET, (65536,)),
    _option("SO_SNDBUF", socket.SOL_SOCKET, (65536,)),
    _option("SO_RCVLOWAT", socket.SOL_SOCKET, (7,)),
    _option("SO_RCVTIMEO", socket.SOL_SOCKET, (1, 200_000), shape="@qq"),
    _option("SO_SNDTIMEO", socket.SOL_SOCKET, (1, 200_000), shape="@qq"),
    _option("SO_PRIORITY", socket.SOL_SOCKET, (5,)),
    _option("SO_MARK", socket.SOL_SOCKET, (7,)),
    _option("SO_BINDTODEVICE", socket.SOL_SOCKET, "lo", shape="text"),
    _option("SO_ERROR", socket.SOL_SOCKET, None),
    _option("SO_TYPE", socket.SOL_SOCKET, None),
    _option("SO_DOMAIN", socket.SOL_SOCKET, None),
    _option("SO_PROTOCOL", socket.SOL_SOCKET, None),
    _option("SO_ACCEPTCONN", socket.SOL_SOCKET, None),
    _option("TCP_NODELAY", socket.IPPROTO_TCP, (1,)),
    _option("TCP_CORK", socket.IPPROTO_TCP, (1,)),
    _option("TCP_MAXSEG", socket.IPPROTO_TCP, (1000,), tells_value=False),
    _option("TCP_KEEPIDLE", socket.IPPROTO_TCP, (3,)),
    _option("TCP_KEEPINTVL", socket.IPPROTO_TCP, (4,)),
    _option("TCP_KEEPCNT", socket.IPPROTO_TCP, (5,)),
    _option("TCP_SYNCNT", socket.IPPROTO_TCP, (2,)),
    _option("TCP_LINGER2", socket.IPPROTO_TCP, (6,)),
    _option("TCP_DEFER_ACCEPT", socket.IPPROTO_TCP, (7,)),
    _option("TCP_WINDOW_CLAMP", socket.IPPROTO_TCP, (30_000,), tells_value=False),
    _option("TCP_QUICKACK", socket.IPPROTO_TCP, (0,), connected=True, tells_value=False),
    _option("TCP_USER_TIMEOUT", socket.IPPROTO_TCP, (1234,)),
    _option("TCP_FASTOPEN", socket.IPPROTO_TCP, (5,), tells_value=False),
    _option("TCP_NOTSENT_LOWAT", socket.IPPROTO_TCP, (16384,)),
    _option("TCP_CONGESTION", socket.IPPROTO_TCP, "reno", shape="text"),
    _option("TCP_INFO", socket.IPPROTO_TCP, None, shape=104, connected=True),
    _option("IP_TOS", IP, (0x10,)),
    _option("IP_TTL", IP, (33,)),
    _option("IP_RECVTOS", IP, (1,), kind=UDP),
    _option("IP_MULTICAST_TTL", IP, (3,), kind=UDP),
    _option("IP_MULTICAST_LOOP", IP, (0,), kind=UDP),
    _option("IP_TRANSPARENT", IP, (1,)),
    _option("IP_BIND_ADDRESS_NO_PORT", IP, (1,)),
    Option("IP_PKTINFO", IP, IP_PKTINFO, (1,), kind=UDP),
    Option("IP_RECVTTL", IP, IP_RECVTTL, (1,), kind=UDP),
    Option("IP_RECVERR", IP, IP_RECVERR, (1,), kind=UDP),
    Option("IP_MTU_DISCOVER", IP, IP_MTU_DISCOVER, (IP_PMTUDISC_DO,), kind=UDP),
    Option("IP_MTU", IP, IP_MTU, None, connected=True, tells_value=False),
    _option("IPV6_V6ONLY", IPV6, (1,), family=V6),
    _option("IPV6_UNICAST_HOPS", IPV6, (33,), family=V6),
    _option("IPV6_MULTICAST_HOPS", IPV6, (3,), family=V6, kind=UDP),
    _option("IPV6_TCLASS", IPV6, (0x10,), family=V6),
    _option("IPV6_DONTFRAG", IPV6, (1,), family=V6, kind=UDP),
    _option("IPV6_RECVPKTINFO", IPV6, (1,), family=V6, kind=UDP),
    _option("IPV6_RECVHOPLIMIT", IPV6, (1,), family=V6, kind=UDP),
    _option("IPV6_RECVTCLASS", IPV6, (1,), family=V6, kind=UDP),
    Option("IPV6_RECVERR", IPV6, IPV6_RECVERR, (1,), family=V6, kind=UDP),
    Option("IPV6_MTU_DISCOVER", IPV6, IPV6_MTU_DISCOVER, (IP_PMTUDISC_DO,), family=V6, kind=UDP),
    Option("IPV6_MTU", IPV6, IPV6_MTU, None, family=V6, connected=True, tells_value=False),
)


@contextmanager
def _pair(family: socket.AddressFamily, kind: socket.SocketKind) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets on the loopback: the first asked the second."""
    loopback = "127.0.0.1" if family == V4 else "::1"
    with ExitStack() as stack:
        if kind == TCP:
            listening = stack.enter_context(socket.create_server((loopback, 0), family=family))
            asking = stack.enter_context(socket.create_connection(listening.getsockname()[:2], WITHIN_S))
            asked = stack.enter_context(listening.accept()[0])
        else:
            asked, asking = (stack.enter_context(socket.socket(family, kind)) for _ in range(2))
            asked.bind((loopback, 0))
            asking.connect(asked.getsockname()[:2])
        for each in (asking, asked):
            each.settimeout(WITHIN_S)
        yield asking, asked


def _answered(ask: Callable[[], str]) -> str:
    """What came back, or the errno by name; what Python itself has not got is told as such."""
    try:
        return ask()
    except OSError as error:
        return errno_name(error) if error.errno else f"{type(error).__name__}: {error}"
    except (AttributeError, ValueError, OverflowError, struct.error) as error:
        return f"{type(error).__name__}: {error}"


def of_option(option: Option) -> str:
    """`set 1, got 1`; of what fails, the errno by name in its place."""
    with ExitStack() as stack:
        if option.connected:
            tried = stack.enter_context(_pair(option.family, option.kind))[0]
        else:
            tried = stack.enter_context(socket.socket(option.family, option.kind))
        said = []
        if option.value is not None:
            said.append(f"set {_answered(lambda: _set(tried, option))}")
        said.append(f"got {_answered(lambda: _read_option(tried, option))}")
    return ", ".join(said)


def _set(tried: socket.socket, option: Option) -> str:
    assert option.value is not None  # noqa: S101 (the caller asks)
    if isinstance(option.value, str):
        tried.setsockopt(option.level, option.number, option.value.encode())
        return option.value
    tried.setsockopt(option.level, option.number, struct.pack(str(option.shape), *option.value))
    return _several(option.value)


def _read_option(tried: socket.socket, option: Option) -> str:
    if isinstance(option.shape, int):
        return f"{len(tried.getsockopt(option.level, option.number, option.shape))} bytes"
    size = 16 if option.shape == "text" else struct.calcsize(option.shape)
    answer = tried.getsockopt(option.level, option.number, size)
    if option.shape == "text":
        text = answer.partition(b"\0")[0]
        return text.decode("ascii") or "nothing" if text.isascii() else f"no text: {text[:4].hex(' ')} …"
    if len(answer) != size:
        return f"{len(answer)} bytes, where {size} are whole"
    return _several(struct.unpack(option.shape, answer)) if option.tells_value else "a number"


def _several(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(values) == 1 else str(values)


# Ancillary data (cmsg(3)): integers which an emulation must swap, byte order by byte order.


def _received(family: socket.AddressFamily, options: Mapping[int, int]) -> dict[tuple[int, int], bytes]:
    """What comes beside a datagram when these options are set, by its level and type."""
    with _pair(family, UDP) as (asking, asked):
        for number, value in options.items():
            asked.setsockopt(IP if family == V4 else IPV6, number, value)
        if family == V6:
            asking.setsockopt(IPV6, socket.IPV6_TCLASS, TRAFFIC_CLASS)
        asking.send(PAYLOAD)
        data, ancillary, _, _ = asked.recvmsg(16, 512)
        if data != PAYLOAD:
            return {}
        return {(level, kind): content for level, kind, content in ancillary}


def _int(content: bytes | None) -> str:
    if content is None:
        return "nothing came"
    value = struct.unpack_from("@i", content)[0]
    swapped = int.from_bytes(content[:4], "big" if sys.byteorder == "little" else "little", signed=True)
    return f"{value}" if abs(value) <= abs(swapped) else f"{swapped}, not swapped"


def _index(content: bytes | None, offset: int) -> str:
    """Whether the index of the interface is the loopback's: 1, in every network namespace."""
    return "nothing came" if content is None else _int(content[offset : offset + 4])


def _address(content: bytes | None) -> str:
    """The destination's address in a struct in_pktinfo, after two ints (ip(7))."""
    return "nothing came" if content is None else socket.inet_ntoa(content[8:12])


def _passed_descriptor() -> str:
    here, there = socket.socketpair()
    with here, there:
        socket.send_fds(here, [PAYLOAD], [here.fileno()])
        data, descriptors, _, _ = socket.recv_fds(there, 16, 1)
        for each in descriptors:
            os.close(each)
    return f"{len(descriptors)} descriptor" if data == PAYLOAD else "other data"


def _queued_error(family: socket.AddressFamily) -> str:
    """The errno of an ICMP "port unreachable" that waits in the error queue: struct sock_extended_err (ip(7))."""
    loopback, level, number = ("127.0.0.1", IP, IP_RECVERR) if family == V4 else ("::1", IPV6, IPV6_RECVERR)
    with socket.socket(family, UDP) as asking:
        asking.settimeout(WITHIN_S)
        asking.setsockopt(level, number, 1)
        asking.connect((loopback, PORT_OF_NOBODY))
        asking.send(PAYLOAD)
        _, ancillary, _, _ = asking.recvmsg(16, 512, socket.MSG_ERRQUEUE)
        content = next((content for at, kind, content in ancillary if (at, kind) == (level, number)), None)
    if content is None:
        return "nothing came"
    value = struct.unpack_from("@I", content)[0]
    swapped = int.from_bytes(content[:4], "big" if sys.byteorder == "little" else "little")
    return errno.errorcode.get(value) or f"{errno.errorcode.get(swapped, swapped)}, not swapped"


ANCILLARY: Final[Mapping[str, Callable[[], str]]] = {
    "IP_TTL of a datagram": lambda: _int(_received(V4, {IP_RECVTTL: 1}).get((IP, socket.IP_TTL))),
    "IP_PKTINFO: interface": lambda: _index(_received(V4, {IP_PKTINFO: 1}).get((IP, IP_PKTINFO)), 0),
    "IP_PKTINFO: address": lambda: _address(_received(V4, {IP_PKTINFO: 1}).get((IP, IP_PKTINFO))),
    "IPV6_HOPLIMIT of a datagram": lambda: _int(
        _received(V6, {socket.IPV6_RECVHOPLIMIT: 1}).get((IPV6, socket.IPV6_HOPLIMIT))
    ),
    "IPV6_PKTINFO: interface": lambda: _index(
        _received(V6, {socket.IPV6_RECVPKTINFO: 1}).get((IPV6, socket.IPV6_PKTINFO)), 16
    ),
    "IPV6_TCLASS of a datagram": lambda: _int(
        _received(V6, {socket.IPV6_RECVTCLASS: 1}).get((IPV6, socket.IPV6_TCLASS))
    ),
    "SCM_RIGHTS": _passed_descriptor,
    "IP_RECVERR: errno in the error queue": lambda: _queued_error(V4),
    "IPV6_RECVERR: errno in the error queue": lambda: _queued_error(V6),
}


# System calls and ioctls that programs over sockets use


def _refused() -> str:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound and not listening: the kernel answers with a reset
        with socket.socket() as asking:
            return errno.errorcode.get(asking.connect_ex(bound.getsockname()), "a connection")


def _so_error() -> str:
    """What SO_ERROR says of a connect that did not block, when it is over (connect(2), EINPROGRESS)."""
    with socket.socket() as bound, socket.socket() as asking:
        bound.bind(("127.0.0.1", 0))
        asking.setblocking(False)
        begun = asking.connect_ex(bound.getsockname())  # on the loopback it may be over at once
        if begun == errno.EINPROGRESS:
            select.select([], [asking], [], WITHIN_S)
            begun = asking.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return errno.errorcode.get(begun, "nothing")


def _queue(request: int, expected: int) -> str:
    """Bytes that wait to be read, or to be acknowledged (tcp(7), FIONREAD and TIOCOUTQ), once there are as many."""
    with _pair(V4, TCP) as (asking, asked):
        asking.sendall(PAYLOAD)
        select.select([asked], [], [], WITHIN_S)
        of = asked if request == termios.FIONREAD else asking
        deadline_s = time.monotonic() + WITHIN_S
        while True:
            waiting = struct.unpack("@i", fcntl.ioctl(of, request, bytes(4)))[0]
            if waiting == expected or time.monotonic() > deadline_s:
                return str(waiting)
            time.sleep(0.001)


def _sendfile() -> str:
    with _pair(V4, TCP) as (asking, asked), Path(__file__).open("rb") as file:
        sent = os.sendfile(asking.fileno(), file.fileno(), 0, 100)
        return f"{len(asked.recv(sent, socket.MSG_WAITALL))} bytes"


def _splice() -> str:
    with _pair(V4, TCP) as (asking, asked):
        asking.sendall(PAYLOAD)
        out, into = os.pipe()
        try:
            os.splice(asked.fileno(), into, len(PAYLOAD))
            return f"{len(os.read(out, 16))} bytes"
        finally:
            os.close(out)
            os.close(into)


def _closed(descriptor: int) -> str:
    os.close(descriptor)
    return "works"


def _timerfd() -> str:
    descriptor = os.timerfd_create(time.CLOCK_MONOTONIC)  # type: ignore[attr-defined]  # (of Python 3.13)
    os.timerfd_settime(descriptor, initial=0.01)  # type: ignore[attr-defined]
    count = int.from_bytes(os.read(descriptor, 8), sys.byteorder)
    os.close(descriptor)
    return f"{count} expiration"


def _pidfd() -> str:
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    try:
        descriptor = os.pidfd_open(child)
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        os.close(descriptor)
        return signal.Signals(os.WTERMSIG(os.waitpid(child, 0)[1])).name
    except OSError:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise


def _by_path() -> str:
    """Whether the kernel runs this interpreter's own program, as the start of any child by its path would."""
    program = Path("/proc/self/exe").readlink()
    child = os.posix_spawn(program, [str(program), "-S", "-c", "0"], dict(os.environ))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "works" if status == 0 else f"status {status}"


CALLS: Final[Mapping[str, Callable[[], str]]] = {
    "connect() to a port where nobody listens": _refused,
    "connect() that does not block, then SO_ERROR": _so_error,
    "FIONREAD of a TCP socket": lambda: _queue(termios.FIONREAD, len(PAYLOAD)),
    "TIOCOUTQ of a TCP socket": lambda: _queue(termios.TIOCOUTQ, 0),
    "sendfile()": _sendfile,
    "splice()": _splice,
    "eventfd()": lambda: _closed(os.eventfd(0)),
    "timerfd_create()": _timerfd,
    "memfd_create()": lambda: _closed(os.memfd_create("probe")),
    "pidfd_open(), pidfd_send_signal()": _pidfd,
    "a child, by the path of its program": _by_path,
    "a time after 2038": lambda: time.strftime("%Y", time.gmtime(2**32)),
}


def answers() -> dict[str, dict[str, str]]:
    """All that this machine answers, by subject and by what was asked."""
    return {
        "socket options": {option.name: _answered(functools.partial(of_option, option)) for option in OPTIONS},
        "ancillary data": {name: _answered(ask) for name, ask in ANCILLARY.items()},
        "calls": {name: _answered(ask) for name, ask in CALLS.items()},
    }


def errnos() -> dict[str, int]:
    """Every name of an errno that this machine's Python has, with its number here."""
    return {name: number for name, number in sorted(vars(errno).items()) if name.startswith("E")}


def machine() -> dict[str, str | int]:
    """What this machine is."""
    release = ".".join(map(str, sys.version_info[:2]))
    return {
        "byteorder": sys.byteorder,
        "bits": sys.maxsize.bit_length() + 1,
        "cpu": os.uname().machine,
        "python": release,
    }


def main() -> None:
    command.Parser("python -m services.emulation.probe", description=__doc__).parse_args()
    print(json.dumps({"machine": machine(), "errno": errnos(), "answers": answers()}))


if __name__ == "__main__":
    main()
