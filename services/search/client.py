"""Ask the search service one thing, print its answer, and exit with how the call ended.

    python -m services.search.client HOST PORT ACTION VALUE

The action `search` asks as text/json and prints the result; any other is a binary request, and prints the
answer's bytes as Python writes them. Every address of HOST is tried. Exit status: 0 answered, 10 refused,
11 reset, 12 timed out, 13 unreachable, 14 broken off (asked, not answered whole: what became of it cannot be known),
15 wrong answer, 64 usage, 68 name not resolved, 71 another error. All but 0 say why in one line on stderr.
"""

import socket
import sys
import threading
import time
from typing import Final

from services import command
from services.address import Address, resolved, spoken
from services.outcome import CallError, Outcome
from services.wire import (
    CONTENT_LIMIT,
    NEED_DATA,
    Connection,
    Finished,
    Message,
    RemoteProtocolError,
    content_json,
    encode_json,
    json_name,
)

READ_BYTES: Final = 256 * 1024


def request(action: str, value: str, connection: Connection) -> bytes:
    """The bytes that ask: send them all."""
    if action == "search":
        value.encode()  # JSON could carry what is no UTF-8, as escapes; but nobody means that
        content = encode_json({"action": action, "value": value}, "utf-8")
        return connection.send_message(content, "text/json", "utf-8")
    # An argument that is no UTF-8 came with surrogates for its bytes (PEP 383); it is sent as those bytes.
    content = (action + value).encode("utf-8", "surrogateescape")
    return connection.send_message(content, "binary/custom-client-binary-type", "binary")


def told(action: str, reply: Message) -> str:
    """What the answer says to a person. Raises CallError when it answers something else than was asked."""
    asked_type = "text/json" if action == "search" else "binary/custom-server-binary-type"
    if reply.header.content_type != asked_type:
        raise CallError(Outcome.WRONG_ANSWER, f"expected {asked_type}, got {reply.header.content_type!r}")
    if action != "search":
        return repr(reply.content)
    said = content_json(reply)
    result = said.get("result") if isinstance(said, dict) else None
    if not isinstance(result, str):
        raise CallError(Outcome.WRONG_ANSWER, f"expected an object with a string result, got {json_name(said)}")
    return result


class Call:
    """One connection, one deadline over all of it: resolving, connecting, sending, every byte of the answer."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self.host, self.port, self.timeout_s = host, port, timeout_s
        self.deadline_s = time.monotonic() + timeout_s

    def left_s(self, doing: str) -> float:
        left_s = self.deadline_s - time.monotonic()
        if left_s <= 0:
            raise CallError(Outcome.TIMED_OUT, f"not done within {self.timeout_s:g} s, {doing}")
        return left_s

    def resolve(self) -> list[tuple[int, Address]]:
        """All addresses of the host. In a thread, for getaddrinfo(3) takes no timeout."""
        found: list[tuple[int, Address]] = []
        errors: list[OSError] = []

        def ask() -> None:
            try:
                found.extend(resolved(self.host, self.port))
            except OSError as error:
                errors.append(error)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(self.left_s(f"resolving {self.host}"))
        if asking.is_alive():
            raise CallError(Outcome.TIMED_OUT, f"not done within {self.timeout_s:g} s, resolving {self.host}")
        for error in errors:
            raise CallError(Outcome.NOT_RESOLVED, f"{self.host}: {error.strerror}") from error
        return found

    def connect(self) -> socket.socket:
        """Connected to the first address that takes us; each has an equal share of the time that is left."""
        addresses = self.resolve()
        failures: list[CallError] = []
        for number, (family, address) in enumerate(addresses):
            doing = f"connecting to {spoken(address)}"
            share_s = self.left_s(doing) / (len(addresses) - number)
            made = socket.socket(family, socket.SOCK_STREAM)
            try:
                made.settimeout(share_s)
                made.connect(address)
                return made
            except OSError as error:
                made.close()
                failures.append(self.failed(error, doing))
        raise CallError(failures[-1].outcome, "; ".join(str(failure) for failure in failures))

    def ask(self, asking: bytes, connection: Connection) -> Message:
        """The one answer to `asking`. Raises CallError."""
        peer = f"{self.host} port {self.port}"
        ended = False
        with self.connect() as connected:
            try:
                connected.settimeout(self.left_s(f"sending to {peer}"))
                connected.sendall(asking)  # its timeout is over the whole, not over each send()
                while (event := connection.next_event()) is NEED_DATA:
                    connected.settimeout(self.left_s(f"waiting for the answer of {peer}"))
                    data = connected.recv(READ_BYTES)
                    ended = not data
                    connection.receive_data(data) if data else connection.receive_eof()
            except RemoteProtocolError as error:
                outcome = Outcome.BROKEN_OFF if ended else Outcome.WRONG_ANSWER
                raise CallError(outcome, f"{peer}: {error}") from error
            except OSError as error:
                raise self.failed(error, f"asking {peer}") from error
        if isinstance(event, Finished):
            raise CallError(Outcome.BROKEN_OFF, f"{peer} finished without an answer")
        return event

    def failed(self, error: OSError, doing: str) -> CallError:
        if isinstance(error, TimeoutError) and not error.errno:  # our timeout; the kernel's own is ETIMEDOUT
            return CallError(Outcome.TIMED_OUT, f"not done within {self.timeout_s:g} s, {doing}")
        return CallError.of(error, doing)


def main() -> None:
    parser = command.parser("services.search.client", __doc__)
    parser.add_argument("action", metavar="ACTION")
    parser.add_argument("value", metavar="VALUE")
    timeout = "for the whole call, every address included (%(default)s)"
    parser.add_argument("--timeout", metavar="SECONDS", type=command.seconds, default=10.0, help=timeout)
    parser.add_argument("--content-limit", metavar="BYTES", type=command.size, default=CONTENT_LIMIT)
    asked = parser.parse_args()
    if not asked.host:
        parser.error("HOST is empty: a client needs somewhere to go")
    connection = Connection(content_limit=asked.content_limit)
    try:
        asking = request(asked.action, asked.value, connection)
    except UnicodeEncodeError as error:
        parser.error(f"ACTION and VALUE: {error.reason}")
    try:
        reply = Call(asked.host, asked.port, asked.timeout).ask(asking, connection)
        line = told(asked.action, reply)
    except (CallError, RemoteProtocolError) as error:
        outcome = error.outcome if isinstance(error, CallError) else Outcome.WRONG_ANSWER
        print(f"{outcome.words}: {error}", file=sys.stderr)
        raise SystemExit(outcome.value) from None
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    print(line)


if __name__ == "__main__":
    main()
