"""The message protocol, sans-I/O. docs/protocol.md specifies it, and is made from here by `document`.

Imports no socket, no selectors, no asyncio and no clock: the same code serves every architecture, and every
test of it is a plain function call. Start reading at `connection`, and at the table in `states`.
"""

from .arrays import (
    ARRAY,
    ELEMENTS,
    Element,
    Numbers,
    array_of,
    array_pieces,
    content_array,
    element_of,
    send_array,
)
from .connection import Connection
from .content import content_json, content_text
from .errors import LocalProtocolError, RemoteProtocolError
from .events import NEED_DATA, Event, Finished, Header, Message
from .header import CONTENT_LIMIT, HEADER_LIMIT
from .jsontext import encode_json, json_name
from .states import State
from .text import ENCODINGS, encode_text

__all__ = [
    "ARRAY",
    "CONTENT_LIMIT",
    "ELEMENTS",
    "ENCODINGS",
    "HEADER_LIMIT",
    "NEED_DATA",
    "Connection",
    "Element",
    "Event",
    "Finished",
    "Header",
    "LocalProtocolError",
    "Message",
    "Numbers",
    "RemoteProtocolError",
    "State",
    "array_of",
    "array_pieces",
    "content_array",
    "content_json",
    "content_text",
    "element_of",
    "encode_json",
    "encode_text",
    "json_name",
    "send_array",
]
