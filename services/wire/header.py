"""The header: which keys it must have, of which type, within which limits, and the bytes it is written as."""

import struct
from collections.abc import Collection, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeVar

from .errors import LocalProtocolError, RemoteProtocolError, excerpt
from .events import Header
from .jsontext import decode_json, encode_json, json_name
from .text import ENCODINGS

LENGTH: Final = struct.Struct("!H")  # network order, whatever the machines are
HEADER_LIMIT: Final = 0xFFFF  # bytes: what the two bytes of length can say
CONTENT_LIMIT: Final = 16 * 1024 * 1024  # bytes, unless the connection is given another

KEPT_HEADERS: Final = 512  # the last ones read and written, each
KEPT_BYTES: Final = 256  # of one, at most

BYTEORDERS: Final = ("big", "little")
# In the order in which we write them.
REQUIRED: Final = ("byteorder", "content-type", "content-encoding", "content-length")

T = TypeVar("T", str, int)
_NAMES: Final[dict[type, str]] = {str: "a string", int: "an integer"}


def decode_header(raw: bytes, content_limit: int) -> Header:
    """The header that `raw` is. Raises RemoteProtocolError, its offset counted from raw's first byte."""
    if len(raw) <= KEPT_BYTES:
        return _decode_again(raw, content_limit)
    return _decode(raw, content_limit)


def encode_header(
    byteorder: str, content_type: str, content_encoding: str, content_length: int, further: Mapping[str, object]
) -> bytes:
    """The two bytes of length and the header. Raises LocalProtocolError for what no peer would take."""
    if further:
        return _encode(byteorder, content_type, content_encoding, content_length, further)
    return _encode_again(byteorder, content_type, content_encoding, content_length)


def required(found: Mapping[str, object], key: str, kind: type[T]) -> T:
    """The value of a name that must be there, of this type. Raises RemoteProtocolError about `key`."""
    if key not in found:
        raise RemoteProtocolError(key, _NAMES[kind], "no such name")
    value = found[key]
    if type(value) is not kind:  # not isinstance: True is an int to Python, and is none to JSON
        raise RemoteProtocolError(key, _NAMES[kind], f"{json_name(value)}, {excerpt(value)}")
    return value


def one_of(key: str, allowed: Collection[str], value: str) -> None:
    """Raises RemoteProtocolError about `key` for a value that is none of these."""
    if value not in allowed:
        raise RemoteProtocolError(key, f"one of {', '.join(allowed)}", excerpt(value))


def _decode(raw: bytes, content_limit: int) -> Header:
    found = decode_json(raw, "utf-8", "header")
    if type(found) is not dict:
        raise RemoteProtocolError("header", "an object", json_name(found))
    header = Header(
        byteorder=required(found, "byteorder", str),
        content_type=required(found, "content-type", str),
        content_encoding=required(found, "content-encoding", str),
        content_length=required(found, "content-length", int),
        further=MappingProxyType(found),
    )
    for name in REQUIRED:
        del found[name]  # what stays is what is further
    one_of("byteorder", BYTEORDERS, header.byteorder)
    one_of("content-encoding", ENCODINGS, header.content_encoding)
    if not 0 <= header.content_length <= content_limit:
        expected, limit = f"0 to {content_limit} bytes", f"content limit {content_limit}"
        raise RemoteProtocolError("content-length", expected, excerpt(header.content_length), limit=limit)
    return header


def _encode(
    byteorder: str,
    content_type: str,
    content_encoding: str,
    content_length: int,
    further: Mapping[str, object] = MappingProxyType({}),
) -> bytes:
    if content_encoding not in ENCODINGS:
        raise LocalProtocolError(f"expected one of {', '.join(ENCODINGS)}, got {content_encoding!r}")
    if taken := set(REQUIRED) & set(further):
        raise LocalProtocolError(f"{', '.join(sorted(taken))} among the further names too")
    values = (byteorder, content_type, content_encoding, content_length)
    raw = encode_json(dict(zip(REQUIRED, values, strict=True)) | dict(further), "utf-8")
    if len(raw) > HEADER_LIMIT:
        raise LocalProtocolError(f"a header of {len(raw)} bytes is over the header limit of {HEADER_LIMIT}")
    return LENGTH.pack(len(raw)) + raw


# A connection says the same header again and again, and JSON is most of what a message costs: 26 µs became 12 µs a
# request. Only short headers are kept, which bounds the memory, and no errors.
_decode_again: Final = lru_cache(KEPT_HEADERS)(_decode)
_encode_again: Final = lru_cache(KEPT_HEADERS)(_encode)
