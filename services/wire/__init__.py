"""The message protocol, sans-I/O. docs/protocol.md specifies it, and is made from here by `document`.

Imports no socket, no selectors, no asyncio and no clock: the same code serves every architecture, and every
test of it is a plain function call. Start reading at `connection`, and at the table in `states`.
"""

from .connection import Connection
from .content import content_json
from .errors import LocalProtocolError, RemoteProtocolError
from .events import NEED_DATA, Event, Finished, Header, Message
from .header import CONTENT_LIMIT, HEADER_LIMIT
from .jsontext import encode_json, json_name
from .states import State

__all__ = [
    "CONTENT_LIMIT",
    "HEADER_LIMIT",
    "NEED_DATA",
    "Connection",
    "Event",
    "Finished",
    "Header",
    "LocalProtocolError",
    "Message",
    "RemoteProtocolError",
    "State",
    "content_json",
    "encode_json",
    "json_name",
]
