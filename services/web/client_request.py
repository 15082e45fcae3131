"""One request to a web server and all that comes back, under one deadline. The request is written here, by hand.

Rule: the peer is read until it closes, as `Connection: close` asked it to. What it says after the response is whole
is not part of it (RFC 9112, 6.3), and is only counted.
"""

import os
import re
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Final

from services import calling
from services.calling import Call
from services.outcome import CallError, Outcome, errno_name

from .errors import Incomplete, RemoteProtocolError
from .http import NEED_DATA, Event, Finished, ResponseReader, State

PORT: Final = 80  # which Host does not name (RFC 9110, 4.2.1)
_NAME: Final = re.compile(r"[\w\-.~!$&'()*+,;=]+|[0-9A-Fa-f:.]+(%.*)?", re.ASCII)  # RFC 3986, 3.2.2
_PATH: Final = re.compile(r"/(?:[\w\-.~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*", re.ASCII)  # RFC 9112, 3.2.1: origin-form


def request(method: str, host: str, port: int, path: str) -> bytes:
    """The bytes that ask: send them all. There is no body."""
    name = f"[{host.partition('%')[0]}]" if ":" in host else host  # a zone has a meaning on this machine only
    authority = name if port == PORT else f"{name}:{port}"
    return (
        f"{method} {path} HTTP/1.1\r\n"
        f"Host: {authority}\r\n"
        "User-Agent: faultwire\r\n"
        "Accept: */*\r\n"
        "Connection: close\r\n"
        "\r\n"
    ).encode("ascii")


def parse(module: str, says: str | None) -> Namespace:
    """host, port, path and timeout. Exits 64 when the command line says something wrong."""
    parser = calling.parser(module, says)
    parser.add_argument("path", metavar="PATH", help="from its / on, with ?query, percent-encoded (RFC 3986)")
    asked = calling.parse(parser)
    if not _NAME.fullmatch(asked.host):
        parser.error(f"HOST: {asked.host!r} is not a host's name or address")
    if not _PATH.fullmatch(asked.path):
        parser.error(f"PATH: {asked.path!r} is not a path from / on, percent-encoded (RFC 3986)")
    return asked


def exchange(method: str, asked: Namespace) -> Iterator[Event]:
    """The events of the response, as they come, until the peer has closed. Raises CallError."""
    call = Call(asked.host, asked.port, asked.timeout)
    reader = ResponseReader(method)
    with call.connect() as connected:
        call.send(connected, request(method, asked.host, asked.port, asked.path))
        try:
            while not isinstance(event := reader.next_event(), Finished):
                if event is not NEED_DATA:
                    yield event
                elif data := call.recv(connected):
                    reader.receive_data(data)
                else:
                    reader.receive_eof()
        except RemoteProtocolError as error:
            outcome = Outcome.BROKEN_OFF if isinstance(error, Incomplete) else Outcome.WRONG_ANSWER
            raise CallError(outcome, f"{call.peer}: {error}") from error
        except CallError as error:
            if reader.state is not State.DONE:
                raise
            if error.outcome is not Outcome.RESET:  # which after the whole answer is one way to close
                raise CallError(error.outcome, f"{error}; the answer is whole, but not closed") from error
    if reader.excess:
        print(f"{call.peer}: {reader.excess} bytes after the end of the answer are not part of it", file=sys.stderr)


def write_out(data: bytes) -> None:
    """Onto standard output, all of it, at once. Raises CallError when that cannot be written."""
    left = memoryview(data)
    try:
        while left:  # past Python's buffer, which would be written again at the end if it cannot be written now
            left = left[os.write(sys.stdout.fileno(), left) :]
    except OSError as error:
        raise CallError(Outcome.FAILED, f"{errno_name(error)} writing to standard output") from error
