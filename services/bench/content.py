"""How long one message takes through the search service, by the size of its content, as one line of JSON.

    python -m services.bench.content HOST PORT --kind text --sizes 1048576 67108864 --rounds 5

The sizes are asked in turn on one connection, in each round. `binary` is answered with its first 10 bytes, and so
crosses once; `text` is a search for a word of that length, that is said again in the answer, and so crosses twice and
is read and written as JSON. Every byte of the answer is compared. The server needs a --content-limit of that much.
"""

import json
import socket
import sys
import time
from typing import Final

from services import command
from services.address import resolved
from services.bench.exchanges import header, message

MOST_BYTES: Final = 128 * 1024 * 1024
STUCK_S: Final = 60.0


def request_and_answer(kind: str, size: int, byteorder: str) -> tuple[bytes, bytes]:
    """A message with `size` bytes of content, and its answer."""
    if kind == "text":
        value = "x" * (size - len('{"action": "search", "value": ""}'))
        request = message(f'{{"action": "search", "value": "{value}"}}'.encode(), byteorder)
        return request, message(f'{{"result": "No match for \'{value}\'."}}'.encode(), byteorder)
    content = b"0123456789abcdef" * (size // 16) + b"x" * (size % 16)
    answered = b"First 10 bytes of request: " + content[:10]
    request = header("binary/bench", "binary", size, byteorder) + content
    return request, header("binary/custom-server-binary-type", "binary", len(answered), byteorder) + answered


def took_s(connected: socket.socket, request: bytes, answer: bytes, came: bytearray) -> float:
    """The seconds from the first byte of the request to the last of the answer. Raises OSError, ValueError.

    `came` is as long as the answer and has been written to before: memory that is new would cost its time here.
    """
    began_s = time.perf_counter()
    connected.sendall(request)
    with memoryview(came) as view:
        at = 0
        while at < len(answer):
            if not (count := connected.recv_into(view[at:])):
                raise ValueError(f"the server finished after {at} of {len(answer)} bytes")
            at += count
    ended_s = time.perf_counter()
    if came != answer:
        raise ValueError("wrong answer")
    return ended_s - began_s


def main() -> int:
    made = command.parser("services.bench.content", __doc__)
    made.add_argument("--kind", choices=("binary", "text"), default="binary")
    made.add_argument("--sizes", metavar="BYTES", type=command.size, nargs="+", default=[1 << 20, 64 << 20])
    made.add_argument("--rounds", metavar="N", type=command.count, default=5)
    made.add_argument(
        "--byteorder", choices=("big", "little"), default=sys.byteorder, help="the server's (%(default)s)"
    )
    asked = made.parse_args()
    if not 64 <= min(asked.sizes) <= max(asked.sizes) <= MOST_BYTES or asked.rounds > 100:
        made.error(f"sizes are 64 to {MOST_BYTES} bytes, and rounds at most 100")
    exchanges = {size: request_and_answer(asked.kind, size, asked.byteorder) for size in asked.sizes}
    came = {size: bytearray(b"-") * len(answer) for size, (_, answer) in exchanges.items()}
    seconds: dict[int, list[float]] = {size: [] for size in asked.sizes}
    _, address = resolved(asked.host, asked.port)[0]
    try:
        with socket.create_connection(address[:2], timeout=STUCK_S) as connected:
            for _ in range(asked.rounds):
                for size in asked.sizes:
                    seconds[size].append(took_s(connected, *exchanges[size], came[size]))
    except (OSError, ValueError) as error:
        print(json.dumps({"kind": asked.kind, "seconds": seconds, "error": str(error)}), flush=True)
        return 1
    print(json.dumps({"kind": asked.kind, "seconds": seconds}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
