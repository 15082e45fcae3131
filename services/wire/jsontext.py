"""JSON as this protocol takes it: RFC 8259, minus what two parsers would read differently or pay dearly for.

Refused, beyond what RFC 8259 refuses: a name twice in one object (section 4 leaves its meaning open), more
than CONTAINER_LIMIT objects and arrays, more than INTEGER_LIMIT digits, a byte order mark (section 8.1).
"""

import json
import re
import sys
from json.encoder import encode_basestring
from typing import Final, Never

from .errors import LocalProtocolError, RemoteProtocolError, excerpt
from .text import UNICODE, encode_text, undecodable, writing

# Objects and arrays in one text: bounds its depth and its memory. Counted before the text is parsed, so that the
# recursion limit of a version of Python does not matter.
CONTAINER_LIMIT: Final = 100
INTEGER_LIMIT: Final = 4300  # digits: what int(str) takes by default, its cost being quadratic

# One run of C over the text, strings skipped; the quantifiers are possessive, so that nothing is tried twice.
_TO_NEXT: Final = r'(?:[^"\[{]++|"(?:[^"\\]++|\\.)*+"?)*+[\[{]'
_TOO_MANY: Final = re.compile(f"(?:{_TO_NEXT}){{{CONTAINER_LIMIT + 1}}}", re.DOTALL)
_NAMES: Final = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}


def decode_json(raw: bytes | bytearray, encoding: str, part: str) -> object:
    """The value of `raw`. Raises RemoteProtocolError about `part`, its offset from raw's first byte."""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise undecodable(error, encoding, part) from error
    if len(text) > CONTAINER_LIMIT and text.count("{") + text.count("[") > CONTAINER_LIMIT and _TOO_MANY.match(text):
        limit = f"container limit {CONTAINER_LIMIT}"
        raise RemoteProtocolError(part, f"at most {CONTAINER_LIMIT} objects and arrays", "more", limit=limit)
    try:
        return _decode(text)
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode(encoding))
        got = f"{error.msg!r} at {excerpt(text[error.pos : error.pos + 8])}"
        raise RemoteProtocolError(part, "JSON", got, offset=offset) from error
    except RemoteProtocolError as error:  # from the hooks below, which do not know what they are reading
        error.part = part
        raise


def encode_json(value: object, encoding: str, byteorder: str = sys.byteorder) -> bytes:
    """`value` as JSON text, not ASCII-escaped; but in UTF a lone surrogate has no other form than its escape.

    `encoding` and `byteorder` are as of `text.encode_text`. Raises LocalProtocolError for what has no form.
    """
    try:
        text = encode_basestring(value) if type(value) is str else _ENCODER.encode(value)
    except (ValueError, TypeError) as error:
        raise LocalProtocolError(f"this has no form in JSON: {error}") from error
    if encoding == "utf-8":
        return text.encode("utf-8", "backslashreplace")  # which writes a surrogate as JSON does
    if encoding not in UNICODE:
        return encode_text(text, encoding, byteorder)
    codec, mark = writing(encoding, byteorder)
    return mark + text.encode(codec, "backslashreplace")


def json_name(value: object) -> str:
    """What JSON calls the value's type, with its article: `an array`, `a number`."""
    return _NAMES.get(type(value), "a number")


def _decode(text: str) -> object:
    """What _DECODER.decode gives; but it looks for whitespace on both sides, which takes as long as the value."""
    if text.startswith("{"):
        value, end = _DECODER.raw_decode(text)
        if end == len(text):
            return value
    return _DECODER.decode(text)


def _refuse_constant(name: str) -> Never:
    raise RemoteProtocolError("", "JSON (RFC 8259, 6, has no such number)", name)


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > INTEGER_LIMIT:
        limit = f"integer limit {INTEGER_LIMIT}"
        raise RemoteProtocolError("", f"integers of at most {INTEGER_LIMIT} digits", "more", limit=limit)
    return int(digits)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise RemoteProtocolError("", "each name once in an object", f"{excerpt(name)} twice")
            seen.add(name)
    return found


# One of each, made once: json.loads and json.dumps make a new one at every call that has an option.
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_integer, object_pairs_hook=_unique)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
