"""What the web servers answer: the request itself, as text. No I/O: a request in, bytes out.

Rule: every answer says how long it is, and whether the connection goes on (RFC 9112, 9.3 and 9.6).
"""

import time
from typing import Final

from .grammar import Request

REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    413: "Content Too Large",
    414: "URI Too Long",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    505: "HTTP Version Not Supported",
}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def echo(request: Request, body: bytes, persists: bool, wall_s: float) -> bytes:
    """The answer: request line, fields and body as they were understood."""
    head = request.method == "HEAD"
    method = "GET" if head else request.method  # a HEAD's Content-Length must be that of a GET: RFC 9110, 8.6
    lines = [f"{method} {request.target} HTTP/{request.version}"]
    lines += [f"{name}: {value}" for name, value in request.fields]
    content = "\n".join([*lines, "", ""]).encode("latin-1") + body
    if not persists:
        connection = ["Connection: close"]
    else:  # in HTTP/1.1 nothing need be said
        connection = ["Connection: keep-alive"] if request.version == "1.0" else []
    return _written(200, connection, content, wall_s, head=head)


def refusal(status: int, why: str, wall_s: float, *, head: bool) -> bytes:
    """The answer to what is no request; it is the last one on its connection."""
    content = f"{why}\n".encode("latin-1", "replace")
    return _written(status, ["Connection: close"], content, wall_s, head=head)


def _written(status: int, connection: list[str], content: bytes, wall_s: float, *, head: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {REASONS[status]}",
        f"Date: {http_date(wall_s)}",
        "Content-Type: text/plain",
        f"Content-Length: {len(content)}",
        *connection,
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (b"" if head else content)


def http_date(wall_s: float) -> str:
    """`Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), whatever the machine's language is."""
    at = time.gmtime(wall_s)
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{DAYS[at.tm_wday]}, {at.tm_mday:02} {MONTHS[at.tm_mon - 1]} {at.tm_year} {clock} GMT"
