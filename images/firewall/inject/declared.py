"""The words of a fault: which packets (Pick), and what becomes of them (an action), as frozen values and as JSON.

The injector on the firewall and the lab's program share them: scenarios/ imports this folder, for two schemas would
drift apart. (A drill names roles, not addresses: its words are in scenarios/spec/injected_faults.py.)
Every value is checked when it is made, and what is wrong raises ValueError with what would be right.

    {"from": "198.18.1.10", "to": "198.18.1.138", "of": "syn", "first": 1}         a Pick
    {"delay": {"by_s": 0.2, "jitter_s": 0.05}}                                     an action: one key, its name
"""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .content import check_content
from .forging_words import Forge, OfForging
from .header_words import OfHeaders, Option, is_of_tcp
from .icmp_errors import IcmpError
from .name_words import NameAnswer, RecordType, check_asked
from .path_words import Path
from .queueing import Queue

OfTcp = Literal["syn", "syn-with-data", "syn-ack", "handshake-ack", "ack", "data", "fin", "rst"]
Kind = Literal["any", OfTcp, "udp", "dns-query", "dns-answer", "icmp", "ecn"]
TCP_KINDS: tuple[OfTcp, ...] = get_args(OfTcp)
KINDS_SENT_AGAIN = ("syn", "syn-ack", "handshake-ack", "data", "fin")

COUNT_LIMIT = 1 << 31  # packets, or bytes of a stream: half of the sequence space
SECONDS_LIMIT = 600.0
COPIES_LIMIT = 1000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # of a fault; it stands in a comment of each of its rules

Declared = TypeVar("Declared")


def _check(is_right: bool, what: str) -> None:
    if not is_right:
        raise ValueError(what)


def _check_range(name: str, value: float | None, least: float, most: float) -> None:
    if value is not None:
        _check(least <= value <= most, f"{name} is {least} to {most}, not {value}")


@dataclass(frozen=True, slots=True)
class Pick:
    """Which packets: from one address to another, of one kind, and of those the nth, the first n, …, or every one.

    `nth` and `first` count the packets of the kind from 1, retransmissions included. `byte` picks, in each connection
    whose SYN crossed while the fault was in force, the first segment that carries that byte of the stream; the bytes
    are counted from 0 (ISN + 1). `percent` draws for each packet in order of arrival. With `again`, what TCP sends
    again of a packet that was picked is picked too.

    `name` and `type` pick, of questions and answers of DNS over UDP, those for this name (of answers: or any) and type.

    `with_option` picks, of the kind, segments whose header has that option of TCP.

    With `after`, the name of a fault in force, it picks and counts only what comes behind that one's `after_hits` hits.

    `holds` (text, as UTF-8) and `matches` (a regular expression for bytes) pick, of the kind, packets whose payload has
    that; with `across: stream`, the segment that ends it, where it may have begun in segments before.

    The addresses may be names of roles until the fault is applied. `behind` is the address that a NAT, where one is in
    force, puts in the place of `to`: what is sent there and is for `to` is picked too. So is what is sent to `virtual`,
    an address behind which `to` may be one of several hosts.
    """

    from_: str
    to: str
    of: Kind = "any"
    nth: int | None = None
    first: int | None = None
    byte: int | None = None
    percent: float | None = None
    again: bool = False
    from_port: int | None = None
    to_port: int | None = None
    name: str | None = None
    type_: RecordType | None = None
    behind: str | None = None
    virtual: str | None = None
    with_option: Option | None = None
    holds: str | None = None
    matches: str | None = None
    across: Literal["segment", "stream"] = "segment"
    after: str | None = None
    after_hits: int = 1

    def __post_init__(self) -> None:
        which = [key for key in ("nth", "first", "byte", "percent") if getattr(self, key) is not None]
        _check(len(which) <= 1, f"a pick has one of nth, first, byte and percent, not {' and '.join(which)}")
        _check_range("nth", self.nth, 1, COUNT_LIMIT)
        _check_range("first", self.first, 1, COUNT_LIMIT)
        _check_range("byte", self.byte, 0, COUNT_LIMIT - 1)
        _check_range("percent", self.percent, 0, 100)
        _check_range("from_port", self.from_port, 1, 65535)
        _check_range("to_port", self.to_port, 1, 65535)
        _check(self.byte is None or self.of in ("any", "data"), f"byte n is carried by data, not by {self.of}")
        check_asked(self.name, self.type_, self.of)
        if self.again:
            _check(
                which in (["nth"], ["first"], ["byte"]),
                "again goes with nth, first or byte: they pick one and leave others",
            )
            _check(self.byte is not None or self.of in KINDS_SENT_AGAIN, f"TCP sends nothing again that is {self.of}")
        if self.with_option is not None:
            _check(self.of == "any" or self.of in TCP_KINDS, f"with_option is of TCP, and {self.of} is not")
        _check_range("after_hits", self.after_hits, 1, COUNT_LIMIT)
        check_content(self.holds, self.matches, self.across, self.of)
        has_ports = self.from_port is not None or self.to_port is not None
        _check(not has_ports or self.of != "icmp", "ICMP has no ports")

    @property
    def at_port(self) -> int | None:
        """The port that the packets go to; None: any."""
        return 53 if self.of == "dns-query" and self.to_port is None else self.to_port

    @property
    def out_of_port(self) -> int | None:
        """The port that the packets come from; None: any."""
        return 53 if self.of == "dns-answer" and self.from_port is None else self.from_port


@dataclass(frozen=True, slots=True)
class Drop:
    """The packet goes no further."""


@dataclass(frozen=True, slots=True)
class Delay:
    """The packet goes on by_s seconds later, ± up to jitter_s (seeded, uniform).

    The packets that are picked keep their order, unless `reorder`; those that are not picked wait for nothing.
    """

    by_s: float
    jitter_s: float = 0.0
    reorder: bool = False

    def __post_init__(self) -> None:
        _check_range("by_s", self.by_s, 0, SECONDS_LIMIT)
        _check_range("jitter_s", self.jitter_s, 0, self.by_s)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The packet goes on, and `copies` more of it, each after_s seconds after the one before."""

    copies: int = 1
    after_s: float = 0.0

    def __post_init__(self) -> None:
        _check_range("copies", self.copies, 1, COPIES_LIMIT)
        _check_range("after_s", self.after_s, 0, SECONDS_LIMIT)


@dataclass(frozen=True, slots=True)
class Reorder:
    """The packet goes on behind the next `behind` of its kind that are not picked, or after within_s seconds."""

    behind: int
    within_s: float

    def __post_init__(self) -> None:
        _check_range("behind", self.behind, 1, COUNT_LIMIT)
        _check_range("within_s", self.within_s, 0, SECONDS_LIMIT)


@dataclass(frozen=True, slots=True)
class Corrupt:
    """One bit of the payload is flipped, and the checksum left: the receiver's kernel throws the packet away.

    `at` is the byte of the payload, `bit` the bit of it (0: the lowest); what is not said is drawn, seeded. A packet
    with no payload has its checksum damaged instead.
    """

    at: int | None = None
    bit: int | None = None

    def __post_init__(self) -> None:
        _check_range("at", self.at, 0, 65535)
        _check_range("bit", self.bit, 0, 7)


@dataclass(frozen=True, slots=True)
class Alter:
    """One byte becomes `to`, and the checksums are made right: only the application can see it.

    `at` counts from 0, in the payload of the packet or in the stream of the connection.
    """

    at: int
    to: int
    of: Literal["payload", "stream"] = "payload"

    def __post_init__(self) -> None:
        _check_range("at", self.at, 0, COUNT_LIMIT - 1)
        _check_range("to", self.to, 0, 255)


@dataclass(frozen=True, slots=True)
class Split:
    """The segment goes on as several, each of at most `size` bytes of payload, PSH and FIN on the last."""

    size: int

    def __post_init__(self) -> None:
        _check_range("size", self.size, 1, 65535)


@dataclass(frozen=True, slots=True)
class Cut:
    """Of the stream go on the bytes before byte `at` (from 0), and none from there on: the segment is made shorter.

    What the receiver has of it then is silence, or a FIN or a RST that stands behind the last byte, as if the sender
    had ended there. Of a datagram go on the bytes before byte `at`, and its length says so.
    """

    at: int
    then: Literal["silence", "fin", "rst"] = "silence"

    def __post_init__(self) -> None:
        _check_range("at", self.at, 0, COUNT_LIMIT - 1)


@dataclass(frozen=True, slots=True)
class OtherPort:
    """The datagram goes on as if it came from this port: the checksum is made right."""

    port: int

    def __post_init__(self) -> None:
        _check_range("port", self.port, 1, 65535)


@dataclass(frozen=True, slots=True)
class Hold:
    """The packet goes on when the fault is healed."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The packet goes no further, and its sender is told by an ICMP error of the firewall's. IPv4 only."""

    by: IcmpError


OfTransport = Drop | Delay | Duplicate | Reorder | Corrupt | Alter | Split | Cut | Hold | OtherPort | Refuse
Action = OfTransport | OfHeaders | NameAnswer | Queue | OfForging | Path
ACTIONS: Mapping[str, type[Action]] = {kind.__name__.lower(): kind for kind in get_args(Action)}


def check(action: Action, pick: Pick) -> None:
    """Raise ValueError when this cannot be done to such packets."""
    if isinstance(action, Reorder):
        every = pick.nth is None and pick.first is None and pick.byte is None and pick.percent is None
        _check(not every, "a reorder of every packet leaves none to be overtaken by")
    if isinstance(action, Refuse):
        _check(pick.of != "icmp", "by is an error, and no error is told of ICMP (RFC 1122, 3.2.2)")
    if isinstance(action, OfHeaders) and is_of_tcp(action):
        _check(pick.of == "any" or pick.of in TCP_KINDS, f"of is TCP where its header is changed, not {pick.of}")
    if isinstance(action, NameAnswer):
        _check(pick.of == "dns-answer", f"of is dns-answer where an answer is made another one, not {pick.of}")
    if isinstance(action, Forge) and action.what == "rst":
        _check(pick.of == "any" or pick.of in TCP_KINDS, f"of is TCP where it is reset, not {pick.of}")
    if isinstance(action, OtherPort):
        _check(pick.of == "udp", f"another port is given to udp, not to {pick.of}: to TCP it would be no answer at all")
    if isinstance(action, Cut) and pick.of == "udp":
        _check(action.then == "silence", f"then is silence where datagrams are cut: UDP has no {action.then}")
    elif isinstance(action, Split | Cut) or (isinstance(action, Alter) and action.of == "stream"):
        what = type(action).__name__.lower()
        _check(pick.of in ("any", "data"), f"{what} is done to data, not to {pick.of}")


def to_json(declared: Pick | Action) -> dict[str, Any]:
    """The JSON form, without what is as by default."""
    values = {
        field.name.rstrip("_"): getattr(declared, field.name)
        for field in dataclasses.fields(declared)
        if getattr(declared, field.name) != field.default
    }
    return values if isinstance(declared, Pick) else {type(declared).__name__.lower(): values}


def read_pick(value: object) -> Pick:
    """A Pick from its JSON form. Raises ValueError."""
    return _read(Pick, value, "pick")


def read_action(value: object) -> Action:
    """An action from its JSON form. Raises ValueError."""
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"an action is an object with one key, one of {', '.join(ACTIONS)}; not {value!r}")
    ((name, values),) = value.items()
    if name not in ACTIONS:
        raise ValueError(f"there is no action {name!r}; there are {', '.join(ACTIONS)}")
    return _read(ACTIONS[name], values, name)


def _read(kind: type[Declared], value: object, where: str) -> Declared:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is an object, not {value!r}")
    assert dataclasses.is_dataclass(kind)  # noqa: S101 (for mypy)
    fields = {field.name.rstrip("_"): field for field in dataclasses.fields(kind)}
    hints = get_type_hints(kind)
    given = {}
    for key, one in value.items():
        if key not in fields:
            raise ValueError(f"{where} has no key {key!r}; it has {', '.join(fields) or 'none'}")
        given[fields[key].name] = _value(one, hints[fields[key].name], f"{where}.{key}")
    for key, field in fields.items():
        if field.default is dataclasses.MISSING and field.name not in given:
            raise ValueError(f"{where} needs the key {key!r}")
    return kind(**given)


def _value(value: object, expected: Any, where: str) -> object:
    choices = get_args(expected) if get_origin(expected) in (types.UnionType, Union) else (expected,)
    for choice in choices:
        if get_origin(choice) is Literal and value in get_args(choice):
            return value
        if choice is float and type(value) is int:
            return float(value)
        if type(value) is choice:
            return value
    words = [
        " or ".join(get_args(choice)) if get_origin(choice) is Literal else choice.__name__
        for choice in choices
        if choice is not type(None)
    ]
    raise ValueError(f"{where} is {' or '.join(words)}, not {value!r}")
