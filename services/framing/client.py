"""Send messages framed in one of four ways, and print each answer, which must be its message reversed.

    python -m services.framing.client HOST PORT MESSAGE [MESSAGE ...] --framing fixed|delimited|length-prefixed|shutdown

All messages go at once, in one stream, and then its end: only the framing tells them apart. Exit status: 0 answered, 10
refused, 11 reset, 12 timed out, 13 unreachable, 14 broken off, 15 wrong answer, 64 usage, 68 name not resolved, 71
another error. All but 0 say why in one line on stderr.
"""

from services import calling
from services.calling import Call
from services.outcome import CallError, Outcome

from .framings import Framing, add_options, answer, chosen
from .receiving import FINISHED, NEED_DATA, FramingError, StreamEnded


def main() -> None:
    parser = calling.parser("services.framing.client", __doc__)
    parser.add_argument("messages", metavar="MESSAGE", nargs="+")
    add_options(parser)
    asked = calling.parse(parser)
    framing = chosen(asked.framing, asked.length, asked.limit)
    messages = [message.encode("utf-8", "surrogateescape") for message in asked.messages]
    if framing.name == "shutdown" and len(messages) > 1:
        parser.error(f"MESSAGE: a stream that its end delimits holds one message, not {len(messages)}")
    try:
        stream = b"".join(framing.send(message) for message in messages)
    except ValueError as error:
        parser.error(f"MESSAGE: {error}")
    with calling.reporting_errors():
        for reply in converse(Call(asked.host, asked.port, asked.timeout), framing, stream, messages):
            print(f"{reply!r}")


def converse(call: Call, framing: Framing, stream: bytes, messages: list[bytes]) -> list[bytes]:
    """The answers to `messages`, which `stream` carries: the right ones, and no more of them. Raises CallError."""
    receiver = framing.receiver()
    replies: list[bytes] = []
    with call.connect() as connected:
        call.send(connected, stream)
        call.send_eof(connected)
        try:
            while (reply := receiver.next_message()) is not FINISHED:
                if reply is NEED_DATA:
                    data = call.recv(connected)
                    receiver.receive_data(data) if data else receiver.receive_eof()
                    continue
                replies.append(reply)
                check(call.peer, replies, messages)
        except FramingError as error:
            outcome = Outcome.BROKEN_OFF if isinstance(error, StreamEnded) else Outcome.WRONG_ANSWER
            raise CallError(outcome, f"{call.peer}: {error}") from error
    if len(replies) < len(messages):
        why = f"{call.peer} finished after {len(replies)} of {len(messages)} answers"
        raise CallError(Outcome.BROKEN_OFF, why)
    return replies


def check(peer: str, replies: list[bytes], messages: list[bytes]) -> None:
    """Whether the newest answer is right."""
    number = len(replies)
    if number > len(messages):
        raise CallError(Outcome.WRONG_ANSWER, f"{peer}: expected {len(messages)} answers, got another")
    expected, got = answer(messages[number - 1]), replies[-1]
    if got != expected:
        why = f"{peer}: answer {number}: expected {excerpt(expected)}, got {excerpt(got)}"
        raise CallError(Outcome.WRONG_ANSWER, why)


def excerpt(message: bytes) -> str:
    return f"{message[:30]!r} ({len(message)} bytes)"


if __name__ == "__main__":
    main()
