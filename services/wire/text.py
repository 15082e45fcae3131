"""Text as bytes: the character encodings that content-encoding may name, and their byte order marks.

Rules: what has no form in an encoding is an error of the sender, and never a `?`; the byte order of UTF-16 and UTF-32
is said by the mark, or by the name, and never guessed from the machine or from the bytes.
"""

import sys
from collections.abc import Mapping
from typing import Final

from .errors import LocalProtocolError, RemoteProtocolError, excerpt

# content-encoding -> Python's codec; None: bytes with no meaning as text. Exact and case-sensitive.
ENCODINGS: Final[dict[str, str | None]] = {
    "utf-8": "utf-8",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "utf-32": "utf-32",
    "latin-1": "latin-1",
    "binary": None,
}
# content-encoding -> mark -> the codec of what follows it (Unicode 15.0, section 23.8).
MARKS: Final[Mapping[str, Mapping[bytes, str]]] = {
    "utf-8": {b"\xef\xbb\xbf": "utf-8"},
    "utf-16": {b"\xfe\xff": "utf-16-be", b"\xff\xfe": "utf-16-le"},
    "utf-32": {b"\0\0\xfe\xff": "utf-32-be", b"\xff\xfe\0\0": "utf-32-le"},
}
MARK: Final = "\ufeff"  # as a character; written first in utf-8 it would be lost
UNICODE: Final = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32")  # only a lone surrogate has no form in them
# RFC 2781 would have UTF-16 without a mark big-endian, Python would have it of its own machine. A guess that is right
# between machines of one byte order is the fault that this lab exists to find.
MUST_BE_MARKED: Final = ("utf-16", "utf-32")
UTF_8_MARK_BEGINS: Final = b"\xef"  # a content without this has none


def decode_text(raw: bytes | bytearray, named: str, part: str) -> str:
    """The text that `raw` is, without its mark. Raises RemoteProtocolError about `part`, offset from raw's start."""
    codec, start = codec_of(raw, named, part)
    try:
        return raw[start:].decode(codec) if start else raw.decode(codec)
    except UnicodeDecodeError as error:
        raise undecodable(error, named, part, start) from error


def codec_of(raw: bytes | bytearray, named: str, part: str) -> tuple[str, int]:
    """Python's codec for this content, and how many bytes of it are the mark. Raises RemoteProtocolError."""
    codec = ENCODINGS[named]
    if codec is None:
        raise RemoteProtocolError("content-encoding", "a character encoding", excerpt(named))
    for mark, marked in MARKS.get(named, {}).items():
        if raw.startswith(mark):
            return marked, len(mark)
    if named in MUST_BE_MARKED:
        marks = " or ".join(mark.hex(" ") for mark in MARKS[named])
        raise RemoteProtocolError(part, f"the byte order mark of {named}, {marks}", raw[:4].hex(" ") or "nothing")
    return codec, 0


def undecodable(error: UnicodeDecodeError, named: str, part: str, start: int = 0) -> RemoteProtocolError:
    """What codecs say of bytes that are no text. `start`: where in the part the codec began."""
    got = f"{error.reason} at {excerpt(bytes(error.object[error.start : error.start + 4]))}"
    return RemoteProtocolError(part, f"text in {named}", got, offset=start + error.start)


def encode_text(text: str, named: str, byteorder: str = sys.byteorder) -> bytes:
    """`text` in this encoding; in utf-16 and utf-32 in this byte order, after its mark; elsewhere without a mark.

    Raises LocalProtocolError, which names the first character that has no form in it, and its place from 0.
    """
    codec, mark = writing(named, byteorder)
    if named == "utf-8" and text.startswith(MARK):
        raise LocalProtocolError(f"character 0, {MARK!r} (U+FEFF), would be read as a byte order mark in utf-8")
    try:
        return mark + text.encode(codec)
    except UnicodeEncodeError as error:
        character = text[error.start]
        what = f"character {error.start}, {character!r} (U+{ord(character):04X})"
        raise LocalProtocolError(f"{what}, has no form in {named}") from error


def writing(named: str, byteorder: str) -> tuple[str, bytes]:
    """Python's codec with which a machine of this byte order writes, and the mark before. Raises LocalProtocolError."""
    codec = ENCODINGS.get(named)
    if codec is None:
        raise LocalProtocolError(f"unknown character encoding {named!r}")
    if named not in MUST_BE_MARKED:
        return codec, b""
    codec = f"{named}-{'be' if byteorder == 'big' else 'le'}"
    return next((codec, mark) for mark, marked in MARKS[named].items() if marked == codec)
