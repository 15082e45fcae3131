"""The words of faults that the injector makes, on packets that are picked one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Literal

from images.firewall.inject import declared as injected
from images.firewall.inject.header_words import Option
from images.firewall.inject.name_words import RecordType
from scenarios.lab.topology import Family
from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import quoted
from scenarios.spec.roles import AddressRole, HostRole, Role, check_crosses, role_label
from scenarios.spec.units import Seconds
from scenarios.spec.validate import DNS_NAME


@declaration
class Picked:
    """Packets that the injector picks by what they are, as its own Pick says; what is done to them is said below."""

    from_: HostRole
    to: AddressRole
    of: injected.Kind = "any"
    nth: int | None = None
    first: int | None = None
    byte: int | None = None
    percent: float | None = None
    again: bool = False
    to_port: int | None = None
    name: str | None = None
    type_: RecordType | None = None
    family: Family | None = None
    with_option: Option | None = None
    holds: str | None = None
    matches: str | None = None
    across: Literal["segment", "stream"] = "segment"

    def __post_init__(self) -> None:
        check_crosses(self.from_, self.to, "to")
        if self.percent == 0:
            raise ValueError("percent: expected more than 0, at most 100, got 0")
        if self.name is not None and not DNS_NAME.fullmatch(self.name):
            raise ValueError(f"name: expected a name to ask the name server for, got {quoted(self.name)}")
        try:
            injected.check(self.action, self.pick(str))
        except ValueError as error:
            raise ValueError(self._with_key(str(error))) from error

    def _with_key(self, problem: str) -> str:
        """What the injector's words say of a value, `by_s is 0 to 600, …`, behind the key that a drill has for it."""
        word, keys = problem.partition(" is ")[0], {each.name.rstrip("_") for each in fields(self)}
        word = word if word in keys else word.removesuffix("_s")
        key = "becomes" if word == "to" else word
        return f"{key}: {problem}" if key in keys else problem

    @property
    def action(self) -> injected.Action:
        """What is done to them, for the injector."""
        raise NotImplementedError

    def pick(self, address: Callable[[Role], str]) -> injected.Pick:
        """Which packets, for the injector; `address` gives the address of a role."""
        return injected.Pick(
            address(self.from_),
            address(self.to),
            of=self.of,
            nth=self.nth,
            first=self.first,
            byte=self.byte,
            percent=self.percent,
            again=self.again,
            to_port=self.to_port,
            name=self.name,
            type_=self.type_,
            with_option=self.with_option,
            holds=self.holds,
            matches=self.matches,
            across=self.across,
        )

    @property
    def packets(self) -> str:
        """`the first SYN from the client to the server`."""
        asked = [f"for {self.name}"] if self.name else []
        kind = " ".join([KINDS_SAID[self.of], *asked, *([f"of the type {self.type_}"] if self.type_ else [])])
        kind += f" with the option {self.with_option}" if self.with_option else ""
        if sought := self.holds or self.matches:
            kind += f" that {'holds' if self.holds else 'matches'} {quoted(sought)}"
            kind += " across the stream" if self.across == "stream" else ""
        which = f"every {kind}"
        if self.nth is not None:
            which = f"{kind} number {self.nth}"
        elif self.first is not None:
            which = f"the first {kind}" if self.first == 1 else f"the first {self.first} {kind}s"
        elif self.byte is not None:
            which = f"the segment with byte {self.byte} of the stream"
        elif self.percent is not None:
            which = f"{self.percent:g} percent (seeded) of {kind}s"
        again = ", and what TCP sends again of it," if self.again else ""
        return f"{which}{again} from {role_label(self.from_)} to {role_label(self.to)}"


@declaration
class Drop(Picked):
    """The packets go no further than the firewall."""

    action = injected.Drop()

    @property
    def says(self) -> str:
        return f"the firewall drops {self.packets}"


@declaration
class Hold(Picked):
    """The packets wait at the firewall until the fault is healed."""

    action = injected.Hold()

    @property
    def says(self) -> str:
        return f"the firewall holds {self.packets} until it is healed"


@declaration
class Delay(Picked):
    """The packets go on `by` later, plus or minus up to `jitter`; in their order, unless `reorder`."""

    by: Seconds
    jitter: Seconds = Seconds(0)
    reorder: bool = False

    def __post_init__(self) -> None:
        if not self.by:
            raise ValueError("by: expected more than 0s: a delay of 0s delays nothing")
        Picked.__post_init__(self)

    @property
    def action(self) -> injected.Action:
        return injected.Delay(float(self.by), float(self.jitter), self.reorder)

    @property
    def says(self) -> str:
        jitter = f" ± {self.jitter}" if self.jitter else ""
        return f"the firewall delays {self.packets} by {self.by}{jitter}"


@declaration
class Duplicate(Picked):
    """The packets go on, and `copies` more of each, each `after` the one before."""

    copies: int = 1
    after: Seconds = Seconds(0)

    @property
    def action(self) -> injected.Action:
        return injected.Duplicate(self.copies, float(self.after))

    @property
    def says(self) -> str:
        return f"the firewall sends {self.copies} more of {self.packets}"


@declaration
class Reorder(Picked):
    """The packets go on behind the next `behind` of their kind, or after `within`."""

    behind: int = 1
    within: Seconds = Seconds(1)

    @property
    def action(self) -> injected.Action:
        return injected.Reorder(self.behind, float(self.within))

    @property
    def says(self) -> str:
        return f"the firewall lets {self.behind} others overtake {self.packets}"


@declaration
class Corrupt(Picked):
    """One bit of the payload is flipped (`at`: which byte, `bit`: which bit; else seeded), the checksum is left."""

    at: int | None = None
    bit: int | None = None

    @property
    def action(self) -> injected.Action:
        return injected.Corrupt(self.at, self.bit)

    @property
    def says(self) -> str:
        return f"the firewall flips a bit of {self.packets}, and leaves the checksum"


@declaration
class Alter(Picked):
    """Byte `at` (of the payload, or of the stream) becomes `becomes`, and the checksums are made right."""

    at: int
    becomes: int
    counted_in: Literal["payload", "stream"] = "payload"

    @property
    def action(self) -> injected.Action:
        return injected.Alter(self.at, self.becomes, self.counted_in)

    @property
    def says(self) -> str:
        return f"the firewall makes byte {self.at} of {self.packets} a {self.becomes:#04x}, with right checksums"


@declaration
class Split(Picked):
    """The segments go on as several, each of at most `size` bytes of payload."""

    size: int

    @property
    def action(self) -> injected.Action:
        return injected.Split(self.size)

    @property
    def says(self) -> str:
        return f"the firewall cuts {self.packets} into segments of {self.size} bytes"


@declaration
class Cut(Picked):
    """Of the stream go on the bytes before byte `at`, and none from there on; behind them comes `then`: nothing, or a
    FIN or a RST as if the sender had ended there. Of a datagram (`of: udp`) go on the bytes before byte `at`.
    """

    at: int
    then: Literal["silence", "fin", "rst"] = "silence"

    @property
    def action(self) -> injected.Action:
        return injected.Cut(self.at, self.then)

    @property
    def says(self) -> str:
        if self.of == "udp":
            return f"the firewall lets the first {self.at} bytes pass of {self.packets}"
        behind = "no more" if self.then == "silence" else f"a {self.then.upper()} behind them"
        first = f"the first {self.at} bytes of the stream"
        return f"the firewall lets {first} pass from {role_label(self.from_)}, and {behind}"


@declaration
class OtherPort(Picked):
    """The datagrams go on as if they came from `port`, and not from the one that was asked."""

    port: int

    @property
    def action(self) -> injected.Action:
        return injected.OtherPort(self.port)

    @property
    def says(self) -> str:
        return f"the firewall sends {self.packets} on as if from port {self.port}"


KINDS_SAID: Mapping[injected.Kind, str] = {
    "any": "packet",
    "syn": "SYN",
    "syn-with-data": "SYN with data",
    "syn-ack": "SYN-ACK",
    "handshake-ack": "last ACK of a handshake",
    "ack": "bare ACK",
    "data": "data segment",
    "fin": "FIN",
    "rst": "RST",
    "udp": "datagram",
    "dns-query": "DNS query",
    "dns-answer": "DNS answer",
    "icmp": "ICMP packet",
    "ecn": "packet with ECN",
}
