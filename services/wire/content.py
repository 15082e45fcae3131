"""What a content means. The connection hands over bytes unread; whoever wants their meaning asks here."""

from .errors import RemoteProtocolError
from .events import Message
from .jsontext import decode_json
from .text import UTF_8_MARK_BEGINS, codec_of, decode_text


def content_json(message: Message) -> object:
    """The value of a text/json message. Raises RemoteProtocolError, with its place in the peer's stream."""
    codec, content, start = message.header.content_encoding, message.content, 0
    try:
        if codec != "utf-8" or content.startswith(
            UTF_8_MARK_BEGINS
        ):  # most are utf-8 without a mark: no call for those
            codec, start = codec_of(content, codec, "content")
            content = content[start:]
        return decode_json(content, codec, "content")
    except RemoteProtocolError as error:
        raise error.placed(message.number, message.offset + start) from error.__cause__


def content_text(message: Message) -> str:
    """The text of a message of any type, without its mark. Raises RemoteProtocolError, with its place in the stream."""
    try:
        return decode_text(message.content, message.header.content_encoding, "content")
    except RemoteProtocolError as error:
        raise error.placed(message.number, message.offset) from error.__cause__
