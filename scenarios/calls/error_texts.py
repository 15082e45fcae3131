"""The errno, or another cause of a failure, in what a user's program prints, in the words of its language.

Languages print an errno in few forms. Their sources: errno(3) and strerror(3) of glibc; musl's src/errno/__strerror.h
(Alpine's images); Python's OSError ("[Errno 111] Connect call failed", and its repr, "ConnectionRefusedError(111, …");
Go's syscall.Errno ("connect: connection refused"); the JDK's NioSocketImpl ("java.net.SocketException: Connection
reset"); Node's SystemError ("connect ECONNREFUSED"); Rust's io::Error ("os error 111"); .NET's SocketException ("(111):
Connection refused"); the inet module of Erlang ("econnrefused").

A cause without an errno is mostly the program's own clock, or a name that has no address. "Connection timed out after
5001 milliseconds" is curl's clock, though its beginning is strerror(ETIMEDOUT): so these are looked for first.

The words of strerror(3) stand alone: behind a colon, in brackets or in quotes. Within a sentence ("The DNS operation
timed out") they are the program's own. A refusal or a reset of which a sentence tells is one all the same.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from typing import Final

from scenarios.calls import clock_texts
from scenarios.spec.errno_numbers import NATIVE, names_on
from scenarios.spec.outcome import OF_ERRNO, Outcome

# What the C library says of every errno (strerror(3)).
STRERROR: Final[Mapping[str, str]] = {os.strerror(number): name for number, name in errno.errorcode.items()}
# Other words for the same: musl's, and the JDK's for ECONNRESET. What musl says as glibc does is not here.
OTHER_WORDS: Final[Mapping[str, str]] = {
    "Host is unreachable": "EHOSTUNREACH",
    "Network unreachable": "ENETUNREACH",
    "Operation timed out": "ETIMEDOUT",
    "Connection reset": "ECONNRESET",
    "Address in use": "EADDRINUSE",
    "Address not available": "EADDRNOTAVAIL",
    "Connection aborted": "ECONNABORTED",
}
# Of these a sentence tells too. Any other errno must stand alone: a file may exist, and a host be down, without it.
OF_A_SENTENCE: Final = frozenset({"ECONNREFUSED", "ECONNRESET", "EPIPE", "EHOSTUNREACH", "ENETUNREACH", "EACCES"})
# A cause without an errno, by outcome.
CAUSES: Final[Mapping[Outcome, str]] = {
    Outcome.TIMED_OUT: "|".join(
        (
            r"(?:Connection|Operation|Resolving) timed out after \d+ m",  # curl
            *clock_texts.PATTERNS.values(),
            r"i/o timeout|context deadline exceeded|Client\.Timeout exceeded",  # Go
            r"SocketTimeoutException|Http(?:Connect)?TimeoutException|(?:Connect|Read) timed out",  # the JDK, requests
            r"(?:\A|(?<=\n)|(?<=: ))timed out(?=[.)]?\s*(?:\n|\Z))|socket\.timeout",  # Python's TimeoutError, as text
            r"TimeoutError: timed out|(?:Connect|Read|Write|Pool)Timeout\b"  # Python, httpx
            r"(?![\"']?\s*[=:]\s*[\"']?\d)",  # connectTimeout=3000 is a setting, in a URL of JDBC say
            # Python's asyncio.timeout(): alone, for the kernel's has a number behind the same name
            r"(?:\A|(?<=\n)|(?<=: )|(?<=\| ))(?:[\w.]+\.)?TimeoutError(?=:?[.)]?\s*(?:\n|\Z))|\bTimeoutError\(\)",
            r"(?:\A|(?<=\n)|(?<=[:)] ))(?:connection )?timeout expired(?=[.)]?\s*(?:\n|\Z))",  # libpq, psycopg
            r"Timeout (?:reading from|writing to|connecting to) (?:socket\b|server\b|\S+:\d)",  # redis-py
            r"\bnats: timeout(?=[.)]?\s*(?:\n|\Z))",
            r"DEADLINE_EXCEEDED|Deadline Exceeded",  # gRPC: its code, and its words
            r"UND_ERR_(?:CONNECT|HEADERS|BODY)_TIMEOUT|ESOCKETTIMEDOUT",  # Node
        )
    ),
    Outcome.NOT_RESOLVED: "|".join(
        (
            r"Name or service not known|Temporary failure in name resolution|Name does not resolve",  # gai_strerror(3)
            r"No address associated with (?:host)?name|nodename nor servname provided",
            r"Could not resolve host|no such host|UnknownHostException|\bENOTFOUND\b|\bEAI_[A-Z]+\b",
        )
    ),
}
_OTHER_WORDS: Final = frozenset(text.lower() for text in OTHER_WORDS)
_WORDS: Final[Mapping[str, str]] = {text.lower(): name for text, name in {**OTHER_WORDS, **STRERROR}.items()}
_LONGEST_FIRST: Final = sorted(_WORDS, key=len, reverse=True)
_PYTHON: Final = r"\b(?:OS|Timeout|BrokenPipe|Connection(?:Aborted|Refused|Reset)?)Error\("  # repr() of an OSError
_NUMBER: Final = (
    rf"(?:\[Errno|os error|errno[ :=]+|\bOs \{{ code:|SocketException \(|{_PYTHON})[ ]?(?P<number>\d{{1,3}})\b"
)
_OCAML: Final = "Sys_blocked_io"  # what its channels raise of EAGAIN
# Erlang's atoms, `econnrefused`. A short one may be any word (`eio`), and none is a part of a name or of a path.
_ATOMS: Final = [
    each.lower() for each in vars(errno) if each in OF_ERRNO or (each[0] == "E" and len(each) > len("EPERM"))
]
_ERRNO: Final = re.compile(
    rf"(?i:{_NUMBER})|(?P<words>(?i:{'|'.join(map(re.escape, _LONGEST_FIRST))})\b)|\b(?P<name>E[A-Z0-9]+|{_OCAML})\b"
    rf"|(?<![\w./-])(?P<atom>{'|'.join(_ATOMS)})(?![\w/-]|\.\w)"
)
_NO_ERRNO: Final = re.compile(
    r"ProtocolError\('Connection aborted\.'"  # urllib3's words for any end of a connection
    # MQTT 3.1.1, 3.2.2.3: what a broker answers, over a connection that stands
    r"|(?i:Connection refused[:,] (?:unacceptable protocol|identifier rejected|(?:server|broker) unavailable))"
    r"|(?i:Connection refused[:,] (?:bad user ?name|not authori[sz]ed))"
)
_CAUSE: Final = re.compile("|".join(f"(?P<{outcome.name}>(?i:{pattern}))" for outcome, pattern in CAUSES.items()))
# It may be the kernel's clock or the program's own.
_TIMED_OUT: Final = re.compile(r"\b(?:connection|operation) timed out\b", re.IGNORECASE)
_BEFORE_WORDS: Final = re.compile(r"(?:\A|[^\w\s])\s*\Z")
_BEHIND_WORDS: Final = re.compile(r"\s*(?:[^\w\s]|\Z)| at \S+ line \d| in \S+ on line \d| by \d")  # Perl, PHP; ssh
_NUMBER_OF_A_CPU: Final = re.compile(
    r"(?P<word>\[errno|os error|unknown error|\berrno|\berror|\b(?:os|timeout|connection[a-z]*)error(?=\())"
    r"[ :=#(]{0,3}(?P<number>\d{1,4})\b",
    re.IGNORECASE,
)
# EACCES is what connect() says of a prohibited IPv6 destination; of a file or a login that is refused the text is the
# same.
_OF_A_SOCKET: Final = re.compile(r"connect|dial|send|socket|\[errno 13\]|os error 13|\beacces\b", re.IGNORECASE)
_OF_A_RIGHT: Final = re.compile(r" (?:for|to) ", re.IGNORECASE)  # PostgreSQL's "permission denied for table …"


def with_names(text: str, cpu: str) -> str:
    """The text with the names of the errnos in the place of their numbers, by the table of the CPU that it comes from.

    `error 7` may be any program's own number; `error 146` of a program for mips is ECONNREFUSED, for only mips has it.
    The text of this machine's own programs is left as it is.
    """
    return text if cpu == NATIVE else _NUMBER_OF_A_CPU.sub(lambda found: _with_name(found, cpu), text)


def _with_name(found: re.Match[str], cpu: str) -> str:
    number = int(found["number"])
    name = names_on(cpu).get(number)
    if found["word"].lower() == "error" and (name not in OF_ERRNO or names_on().get(number) == name):
        return found[0]
    return f"{found['word']} {name or 'unknown'}"


def errnos(text: str) -> list[str]:
    """The names of the errnos that a text tells, in their order; what only looks like one is left out."""
    return [name for _, name in _errnos(text)]


def _errnos(text: str) -> Iterator[tuple[int, str]]:
    """The same, each with its place in the text."""
    at = 0
    for line in _blank(_CAUSE, _blank(_NO_ERRNO, text)).splitlines(keepends=True):
        for match in _ERRNO.finditer(line):
            name = _name(match)
            is_told = name != "EACCES" or (_OF_A_SOCKET.search(line) and not _OF_A_RIGHT.match(line, match.end()))
            if name and is_told and (not match["words"] or _stands_alone(name, line, match)):
                yield at + match.start(), name
        at += len(line)


def _stands_alone(name: str, line: str, match: re.Match[str]) -> bool:
    """Whether words are those of the C library, and not of a sentence; or are of an errno of which a sentence tells."""
    words = match["words"]
    if words == "operation timed out":  # strerror(3) has a capital letter; reqwest says this of its own clock
        return False
    if name in OF_A_SENTENCE and words.lower() not in _OTHER_WORDS:
        return True
    return bool(_BEFORE_WORDS.search(line[: match.start()]) and _BEHIND_WORDS.match(line, match.end()))


def _blank(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda found: " " * len(found[0]), text)


def _name(match: re.Match[str]) -> str | None:
    if match["number"]:
        return errno.errorcode.get(int(match["number"]))
    if match["words"]:
        return _WORDS[match["words"].lower()]
    name = "EAGAIN" if match["name"] == _OCAML else (match["name"] or match["atom"]).upper()
    return errno.errorcode.get(getattr(errno, name, None) or 0)


def errno_in(text: str, outcome: Outcome | None = None) -> str | None:
    """The errno that a text tells, by name; the last, if several, and only one that is this outcome, if one is given.

    One that is an outcome goes before any other: a file that is not there, say, is seldom why a call ended.
    """
    known = errnos(text)
    if outcome is not None:
        return next((name for name in reversed(known) if OF_ERRNO.get(name) is outcome), None)
    return next((name for name in reversed(known) if name in OF_ERRNO), known[-1] if known else None)


# What a program tells of on its way, and no end of a call: files that are not there, and calls that would wait.
_ON_THE_WAY: Final = frozenset("ENOENT EEXIST ENOTDIR EISDIR ENOTTY EAGAIN EINTR EINPROGRESS EALREADY".split())


def failure_in(text: str) -> str | None:
    """The last errno of a text that is no outcome of the network, and may be why a call ended: EPROTO, EMFILE."""
    return next((name for name in reversed(errnos(text)) if name not in OF_ERRNO and name not in _ON_THE_WAY), None)


def outcomes(text: str) -> list[Outcome]:
    """What a text says of how a call ended, in its order: by its errnos, and by causes that have none."""
    causes = [(match.start(), Outcome[kind]) for match in _CAUSE.finditer(text) if (kind := match.lastgroup)]
    causes += [(match.start(), Outcome.TIMED_OUT) for match in _TIMED_OUT.finditer(_blank(_CAUSE, text))]
    told = [(at, OF_ERRNO[name]) for at, name in _errnos(text) if name in OF_ERRNO]
    return [outcome for _, outcome in sorted([*causes, *told], key=lambda each: each[0])]
