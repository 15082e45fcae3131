"""What programs print when a clock of their own ends a call, where that is no errno: by language or program.

Only words that can mean nothing else stand here; for all others there is `says` in service.yaml. Each is a regular
expression, found without regard to case unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# The whole message: a line of its own, or what stands behind the last colon of one. Perl adds where it died.
_TIMEOUT: Final = r"(?-i:(?:\A|(?<=\n)|(?<=: ))timeout(?: at \S+ line \d+)?(?=[.)]?\s*(?:\n|\Z)))"

PATTERNS: Final[Mapping[str, str]] = {
    "Lua": _TIMEOUT,  # LuaSocket
    "Perl": r"500 read timeout|Can't connect to \S+ \(timeout\)",  # LWP; IO::Socket's is `connect: timeout`
    # inet's and gen_tcp's reasons; httpc's; gen_server:call()
    "Erlang": r"\{error,timeout\}|\{inet,\[inet6?\],timeout\}|\{timeout,\s*\{gen_(?:server|statem),call",
    "Elixir": r"\{:error, :(?:connect_)?timeout\}|reason: :(?:connect_)?timeout\b|\*\* \(EXIT\) time out",
    "Ruby": "|".join(
        (
            r"(?:(?<![^\n])|(?<=: )|(?<=\())execution expired(?![^\S\n]+\w)",
            r"Timeout::(?:Error|ExitException)|Net::(?:Open|Read|Write)Timeout|IO::TimeoutError",
            # Socket.tcp() raises the errno itself, without one of the kernel
            r"(?:Errno::ETIMEDOUT: )?Connection timed out - user specified timeout(?: \(Errno::ETIMEDOUT\))?",
        )
    ),
    # connect_timeout(), where what the kernel said would be `Os { code: 110, …`; Tokio; reqwest
    "Rust": r"(?-i:Error \{ kind: TimedOut, message: \"connection timed out\"|source: TimedOut\b|\bElapsed\(\(\)\))"
    r"|deadline has elapsed",
    # java.util.concurrent; Netty, Apache's client: Cassandra's ReadTimeoutException is the word of a server
    "Java": r"(?-i:\b(?:Connect)?TimeoutException\b|\bio\.netty[\w.]*\.\w+TimeoutException\b)",
    "Kotlin": r"Timed out waiting for \d+ ms",
    ".NET": r"HttpClient\.Timeout of [\d.,]+ seconds elapsing|\boperation has timed out\b",
    # Axios, AbortSignal.timeout(), Got, node-fetch
    "Node.js": r"\btimeout of \d+ ?ms exceeded|operation was aborted due to timeout|Timeout awaiting '\w+' for \d+ms"
    r"|network timeout at: ",
    # http-client, whose text of any failure has a field responseTimeout; System.Timeout
    "Haskell": r"(?-i:(?<=\}\n )(?:Response|Connection)Timeout(?=\s*(?:\n|\Z)))|<<timeout>>",
    "OCaml": r"(?-i:\bLwt_unix\.Timeout\b)",
    "Dart": r"Connection timed out, host: ",
    "Go": r"TLS handshake timeout|timeout awaiting response headers",  # beside those of error_texts.py
    # urllib3, aiohttp, dnspython, beside those of error_texts.py
    "Python": r"\b(?:Connect|Read)TimeoutError\b|Connection timeout to host |Timeout on reading data from socket"
    r"|resolution lifetime expired",
    "dig": r"connection timed out; no servers could be reached",
    "BusyBox": r"download timed out",
    "Net-SNMP": r"Timeout: No Response from ",
    "swaks": r"Timeout \(\d+ secs\) waiting for server response",
}
