"""The lines of an HTTP/1.1 message and what they say of its body, each by its rule in RFC 9112 and RFC 9110.

Rules: no I/O and no state; a line comes without its CRLF. Where the RFC leaves a recipient the choice between the
letter and leniency ("MAY"), it is the letter: what two readers could read differently is read by neither. Every
function raises RemoteProtocolError, whose status a server answers.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from .errors import RemoteProtocolError

LENGTH_DIGITS: Final = 18  # of a Content-Length, and of a chunk's size in hexadecimal: no real body has more

Fields = tuple[tuple[str, str], ...]  # (name, value) in order; as RFC 9110, 5.5 advises, bytes read as ISO 8859-1

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # RFC 9110, 5.6.2
_TEXT: Final = rb"[\t \x21-\x7e\x80-\xff]*"  # HTAB, SP, VCHAR and obs-text: no NUL, no bare CR, no control
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'  # RFC 9110, 5.6.4
_EXTENSION: Final = rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"

_STATUS_LINE: Final = re.compile(rb"HTTP/([0-9])\.([0-9]) ([0-9]{3}) (" + _TEXT + rb")")  # RFC 9112, 4
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")  # RFC 9112, 3
_FIELD_LINE: Final = re.compile(rb"(" + _TOKEN + rb"):(" + _TEXT + rb")")  # RFC 9112, 5
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]+)(?:" + _EXTENSION + rb")*")  # RFC 9112, 7.1
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*://.+")  # RFC 9112, 3.2.2
_HOST: Final = re.compile(  # RFC 9110, 7.2: uri-host [":" port], of RFC 3986
    r"(?:\[[0-9A-Fa-f:.]+\]|\[[vV][0-9A-Fa-f]+\.[\w\-.~!$&'()*+,;=:]+\]|(?:[\w\-.~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)"
    r"(?::[0-9]*)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Response:
    """A status line and the fields under it; an interim one (1xx) is followed by another."""

    version: str
    status: int
    reason: str
    fields: Fields = ()

    @property
    def interim(self) -> bool:
        return 100 <= self.status <= 199


@dataclass(frozen=True, slots=True)
class Request:
    """A request line and the fields under it. `target` is as it came."""

    method: str
    target: str
    version: str
    fields: Fields = ()

    @property
    def persists(self) -> bool:
        """Whether the connection goes on after the answer (RFC 9112, 9.3)."""
        options = [option.lower() for option in listed(self.fields, "connection")]
        return "close" not in options and (self.version != "1.0" or "keep-alive" in options)

    @property
    def awaits_continue(self) -> bool:
        """Whether the body comes only after a 100 (RFC 9110, 10.1.1)."""
        return self.version != "1.0" and "100-continue" in [it.lower() for it in listed(self.fields, "expect")]


class Framing(Enum):
    """How the end of a body is known (RFC 9112, 6.3)."""

    LENGTH = "so many bytes"
    CHUNKED = "chunked"
    UNTIL_CLOSED = "until closed"


def status_line(line: bytes) -> Response:
    """The reason may be empty; the space before it may not be missing."""
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise RemoteProtocolError("status line", "HTTP/, a version, 3 digits and a reason", line)
    major, minor, status, reason = match.groups()
    return Response(_version("status line", major, minor), int(status), reason.decode("latin-1"))


def request_line(line: bytes) -> Request:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise RemoteProtocolError("request line", "a method, a target and HTTP/ with a version", line)
    method, target, major, minor = match.groups()
    asked = Request(method.decode("ascii"), target.decode("ascii"), _version("request line", major, minor))
    if asked.method == "CONNECT":
        raise RemoteProtocolError("method", "any but CONNECT: this is no proxy", "CONNECT", status=501)
    asterisk = asked.method == "OPTIONS" and asked.target == "*"
    if not (asterisk or asked.target.startswith("/") or _ABSOLUTE.fullmatch(asked.target)) or "#" in asked.target:
        raise RemoteProtocolError("request target", "a path from / on, or a URI", asked.target.encode("ascii"))
    return asked


def field_line(line: bytes) -> tuple[str, str]:
    """Name and value. Space around the value is no part of it; space before the colon is an error (RFC 9112, 5.1)."""
    match = _FIELD_LINE.fullmatch(line)
    if match is None:
        raise RemoteProtocolError("field line", "a name, a colon and a value of printable characters", line)
    return match[1].decode("ascii"), match[2].strip(b" \t").decode("latin-1")


def folded(field: tuple[str, str], line: bytes) -> tuple[str, str]:
    """The field with one more line of an obs-fold, which becomes one space (RFC 9112, 5.2)."""
    name, value = field_line(f"{field[0]}:".encode("ascii") + line)
    return name, f"{field[1]} {value}".strip(" ")


def chunk_line(line: bytes) -> int:
    """The size of a chunk. Its extensions must be well-formed, and are ignored (RFC 9112, 7.1.1)."""
    match = _CHUNK_LINE.fullmatch(line)
    if match is None or len(match[1]) > LENGTH_DIGITS:
        raise RemoteProtocolError("chunk size", f"1 to {LENGTH_DIGITS} hexadecimal digits and ;extensions", line)
    return int(match[1], 16)


def values(fields: Fields, name: str) -> list[str]:
    return [value for found, value in fields if found.lower() == name]


def listed(fields: Fields, name: str) -> list[str]:
    """The members of a comma-separated list over all lines of that name, without empty ones (RFC 9110, 5.6.1.2)."""
    members = [member.strip(" \t") for value in values(fields, name) for member in value.split(",")]
    return [member for member in members if member]


def response_framing(asked: str, response: Response) -> tuple[Framing, int]:
    """How the body of the answer to the method `asked` ends, and its bytes if that is known."""
    if asked == "HEAD" or response.interim or response.status in (204, 304):
        return Framing.LENGTH, 0  # whatever its fields say
    if values(response.fields, "transfer-encoding"):
        _only_chunked(response.version, response.fields)  # and Content-Length is overridden
        return Framing.CHUNKED, 0
    if values(response.fields, "content-length"):
        return Framing.LENGTH, _content_length(response.fields)
    return Framing.UNTIL_CLOSED, 0


def request_framing(request: Request) -> tuple[Framing, int]:
    """How the request's body ends. What could be read in two ways is refused: it would be request smuggling (11.2)."""
    host = values(request.fields, "host")
    if len(host) > 1 or (not host and request.version != "1.0"):
        raise RemoteProtocolError("host", "one field line", f"{len(host)}")  # RFC 9112, 3.2
    if host and not _HOST.fullmatch(host[0]):
        raise RemoteProtocolError("host", "a name or an address, and a port", host[0])
    if values(request.fields, "transfer-encoding"):
        if values(request.fields, "content-length"):
            raise RemoteProtocolError("body", "either Transfer-Encoding or Content-Length", "both")
        _only_chunked(request.version, request.fields)
        return Framing.CHUNKED, 0
    if values(request.fields, "content-length"):
        return Framing.LENGTH, _content_length(request.fields)
    return Framing.LENGTH, 0


def _version(part: str, major: bytes, minor: bytes) -> str:
    if major != b"1":  # a later minor version is read as the latest that is known: RFC 9110, 2.5
        raise RemoteProtocolError(part, "HTTP/1.x", f"HTTP/{major.decode()}.{minor.decode()}", status=505)
    return f"1.{minor.decode()}"


def _only_chunked(version: str, fields: Fields) -> None:
    codings = [coding.lower() for coding in listed(fields, "transfer-encoding")]
    if version == "1.0":  # RFC 9112, 6.1: its framing is faulty
        raise RemoteProtocolError("transfer-encoding", "none in HTTP/1.0", ", ".join(codings).encode("latin-1"))
    if codings != ["chunked"]:
        # RFC 9112, 6.1 and 6.3: a coding before it that is unknown is 501; chunked twice, or not at the end, is 400.
        # In a response, other codings end as the RFC says; but without decoding them there is no body to hand on.
        status = 501 if codings.count("chunked") == 1 and codings[-1] == "chunked" else 400
        raise RemoteProtocolError("transfer-encoding", "chunked", ", ".join(codings).encode("latin-1"), status)


def _content_length(fields: Fields) -> int:
    """Several are as good as one if they are the same (RFC 9112, 6.3, 5)."""
    lengths = [length.strip(" \t") for value in values(fields, "content-length") for length in value.split(",")]
    length = lengths[0]
    if not (length.isascii() and length.isdigit()) or len(length) > LENGTH_DIGITS:
        raise RemoteProtocolError("content-length", f"1 to {LENGTH_DIGITS} digits", length)
    if set(lengths) != {length}:
        raise RemoteProtocolError("content-length", "one value", ", ".join(lengths))
    return int(length)
