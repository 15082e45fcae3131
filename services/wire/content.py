"""What a content means. The connection hands over bytes unread; whoever wants their meaning asks here."""

from .errors import RemoteProtocolError, shown
from .events import Message
from .header import ENCODINGS
from .jsontext import decode_json


def content_json(message: Message) -> object:
    """The value of a text/json message. Raises RemoteProtocolError, with its place in the peer's stream."""
    named = message.header.content_encoding
    codec = ENCODINGS[named]
    try:
        if codec is None:
            raise RemoteProtocolError("content-encoding", "a character encoding for text/json", shown(named))
        return decode_json(message.content, codec, "content")
    except RemoteProtocolError as error:
        raise error.placed(message.number, message.offset) from error.__cause__
