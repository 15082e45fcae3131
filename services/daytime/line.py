"""The line that tells the time, and what makes bytes a line. No I/O; the time is passed in.

RFC 867 gives no syntax: "just one line" of printing ASCII. Ours is ISO 8601 in UTC, with the line's end, CR LF. The end
matters over TCP: by the RFC the line ends where the connection does, and then a connection that broke off in the middle
looks the same as one that is done. With CR LF as its last bytes a line can be known to be whole.
"""

import time
from typing import Final

LIMIT: Final = 128  # bytes; RFC 867 sets none


def line(now_s: float) -> bytes:
    """The line of `now_s`, seconds since 1970. After 2038-01-19T03:14:07Z too: our PowerPC's time_t has 64 bits."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ\r\n", time.gmtime(now_s)).encode("ascii")


def fault(answer: bytes) -> str:
    """Why these bytes are not one line; "" when they are, with CR LF at the end, LF alone or (so far) none."""
    if len(answer) > LIMIT:
        return f"expected at most {LIMIT} bytes, got {len(answer)}"
    text = answer.removesuffix(b"\n").removesuffix(b"\r")
    for offset, byte in enumerate(text):
        if not 0x20 <= byte <= 0x7E:
            return f"byte {offset}: expected printing ASCII in one line, got 0x{byte:02x}"
    return "" if text else "expected a line, got none"
