"""What the search service answers. No I/O: a message in, the content of its answer out.

Rule: content that is wrong is answered, not punished: its framing was right, the next message can be found.
"""

from typing import Final

from services.wire import (
    ARRAY,
    Connection,
    Message,
    RemoteProtocolError,
    array_of,
    array_pieces,
    content_json,
    element_of,
    encode_json,
    json_name,
    send_array,
)

from .reckoning import NoDouble, Reckoning

PORT: Final = 65432
FOUND: Final = {
    "morpheus": "Follow the white rabbit. 🐰",
    "ring": "In the caves beneath the Misty Mountains. 💍",
    "🐶": "🐾 Playing ball! 🏐",
}


def answer(request: Message, connection: Connection) -> bytes:
    """The bytes that answer `request`: send them all."""
    if request.header.content_type == "text/json":
        said = result(request)
    elif request.header.content_type == ARRAY:
        try:
            return array_answer(request, connection)
        except RemoteProtocolError as error:
            said = f"Error: invalid request: {error.reason}."
        except NoDouble as error:
            said = f"Error: overflow: {error}."
    else:
        content = b"First 10 bytes of request: " + request.content[:10]
        return connection.send_message(content, "binary/custom-server-binary-type", "binary")
    # json has a quick way for a string, and makes a new encoder for each object.
    content = b'{"result": %b}' % encode_json(said, "utf-8")
    return connection.send_message(content, "text/json", "utf-8")


def array_answer(request: Message, connection: Connection) -> bytes:
    """The numbers of the request doubled, with their sum, minimum and maximum. Raises RemoteProtocolError, NoDouble.

    It holds the request and the doubled numbers, and then, a large request being let go, these and the message's bytes;
    what is in between is a piece long (PIECE_BYTES of wire.arrays).
    """
    reckoning = Reckoning(element_of(request))
    doubled = array_of(reckoning.element.name, ())
    for piece in array_pieces(request):
        doubled.extend(reckoning.doubled(piece))
    if isinstance(request.content, bytearray):
        request.content.clear()  # it has been read: its memory is the answer's now
    return send_array(connection, doubled, reckoning.results)


def result(request: Message) -> str:
    """The text that answers a text/json request, whatever is in it."""
    try:
        asked = content_json(request)
    except RemoteProtocolError as error:
        return f"Error: invalid request: {error.reason}."
    if not isinstance(asked, dict):
        return f"Error: invalid request: expected an object, got {json_name(asked)}."
    action, value = asked.get("action"), asked.get("value")
    if action == "search" and isinstance(value, str):
        return FOUND.get(value) or f"No match for '{value}'."
    for name in ("action", "value") if action == "search" else ("action",):
        if name not in asked:
            return f"Error: invalid request: {name} is missing."
        if not isinstance(asked[name], str):
            return f"Error: invalid request: {name}: expected a string, got {json_name(asked[name])}."
    return f"Error: invalid action '{action}'."
