"""Ask the search service one thing, print its answer, and exit with how the call ended.

    python -m services.search.client HOST PORT ACTION VALUE

The action `search` asks as text/json, in the --encoding, and prints the result; any other is a binary request, and
prints the answer's bytes as Python writes them. Every address of HOST is tried. Exit status: 0 answered, 10 refused,
11 reset, 12 timed out, 13 unreachable, 14 broken off (asked, not answered whole: what became of it cannot be known),
15 wrong answer, 64 usage, 68 name not resolved, 71 another error. All but 0 say why in one line on stderr.
"""

import socket
import sys
from typing import Final

from services import calling, command
from services.calling import Call
from services.outcome import CallError, Outcome
from services.wire import (
    CONTENT_LIMIT,
    ENCODINGS,
    NEED_DATA,
    Connection,
    Finished,
    LocalProtocolError,
    Message,
    RemoteProtocolError,
    content_json,
    encode_json,
    encode_text,
    json_name,
)

TEXT_ENCODINGS: Final = [name for name, codec in ENCODINGS.items() if codec]


def request(action: str, value: str, connection: Connection, encoding: str = "utf-8") -> bytes:
    """The bytes that ask: send them all. Raises UnicodeEncodeError for no text, LocalProtocolError for an encoding."""
    if action == "search":
        value.encode()  # JSON could carry what is no UTF-8, as escapes; but nobody means that
        encode_text(value, encoding)  # its error counts the characters of the value, and not of the JSON text
        content = encode_json({"action": action, "value": value}, encoding, connection.byteorder)
        return connection.send_message(content, "text/json", encoding)
    # An argument that is no UTF-8 came with surrogates for its bytes (PEP 383); it is sent as those bytes.
    content = (action + value).encode("utf-8", "surrogateescape")
    return connection.send_message(content, "binary/custom-client-binary-type", "binary")


def printable_answer(action: str, reply: Message) -> str:
    """What the answer says to a person. Raises CallError when it answers something else than was asked."""
    asked_type = "text/json" if action == "search" else "binary/custom-server-binary-type"
    if reply.header.content_type != asked_type:
        raise CallError(Outcome.WRONG_ANSWER, f"expected {asked_type}, got {reply.header.content_type!r}")
    if action != "search":
        return repr(bytes(reply.content))
    try:
        said = content_json(reply)
    except RemoteProtocolError as error:
        raise CallError(Outcome.WRONG_ANSWER, str(error)) from error
    result = said.get("result") if isinstance(said, dict) else None
    if not isinstance(result, str):
        raise CallError(Outcome.WRONG_ANSWER, f"expected an object with a string result, got {json_name(said)}")
    return result


def ask(call: Call, asking: bytes, connection: Connection) -> Message:
    """The one answer to `asking`. Raises CallError."""
    with call.connect() as connected:
        call.send(connected, asking)
        return next_answer(call, connected, connection)


def next_answer(call: Call, connected: socket.socket, connection: Connection) -> Message:
    """The next answer of those that were asked for. Raises CallError."""
    ended = False
    try:
        while (event := connection.next_event()) is NEED_DATA:
            data = call.recv(connected)
            ended = not data
            connection.receive_data(data) if data else connection.receive_eof()
    except RemoteProtocolError as error:
        outcome = Outcome.BROKEN_OFF if ended else Outcome.WRONG_ANSWER
        raise CallError(outcome, f"{call.peer}: {error}") from error
    if isinstance(event, Finished):
        raise CallError(Outcome.BROKEN_OFF, f"{call.peer} finished without an answer")
    return event


def main() -> None:
    parser = calling.parser("services.search.client", __doc__)
    parser.add_argument("action", metavar="ACTION")
    parser.add_argument("value", metavar="VALUE")
    parser.add_argument("--content-limit", metavar="BYTES", type=command.size, default=CONTENT_LIMIT)
    parser.add_argument("--encoding", choices=TEXT_ENCODINGS, default="utf-8", help="of the request (%(default)s)")
    asked = calling.parse(parser)
    connection = Connection(content_limit=asked.content_limit)
    try:
        asking = request(asked.action, asked.value, connection, asked.encoding)
    except UnicodeEncodeError as error:
        parser.error(f"ACTION and VALUE: {error.reason}")
    except LocalProtocolError as error:
        parser.error(f"VALUE: {error}")
    with calling.reporting_errors():
        line = printable_answer(asked.action, ask(Call(asked.host, asked.port, asked.timeout), asking, connection))
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    print(line)


if __name__ == "__main__":
    main()
