"""The words of a drill's script: faults, calls, waits and looks, as frozen values that name roles and no addresses.

Each class is a mapping of a drill file, its fields are the keys, and its docstring is what the JSON Schema and
docs/drills.md say of it. `says` is a sentence for a person. Knows no lab.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeGuard, get_args

from images.firewall.inject import declared as injected
from scenarios.lab.topology import Family
from scenarios.spec.kernel_faults import (
    IN_PIECES,
    Error,
    Otherwise,
    Protocol,
    Refusal,
    Route,
    check_idle_time,
    check_mtu,
    check_rate,
    check_refusal,
    check_selected_port,
)
from scenarios.spec.kernel_faults import Kind as RuleKind
from scenarios.spec.strict_yaml import advice, check_pattern, quoted
from scenarios.spec.units import Seconds

# Who can play what: programs run on a caller's host; a host has a name and sockets; an address may be nobody's.
CallerRole = Literal["client", "server", "bystander", "other-server"]
HostRole = Literal["client", "server", "bystander", "other-server", "names", "web"]
AddressRole = Literal["client", "server", "bystander", "other-server", "names", "web", "nobody"]
Role = Literal["client", "server", "bystander", "other-server", "firewall", "names", "web", "nobody"]
CLIENT_SIDE: tuple[Role, ...] = ("client", "bystander")  # the others are behind the firewall's other leg
# RFC 9293, 3.3.2, without CLOSED: that is the state of no socket, so no look can show it.
State = Literal[
    "LISTEN",
    "SYN-SENT",
    "SYN-RECEIVED",
    "ESTABLISHED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "CLOSE-WAIT",
    "CLOSING",
    "LAST-ACK",
    "TIME-WAIT",
]
LegName = Literal["client-leg", "server-leg"]
Signal = Literal["KILL", "TERM", "INT", "HUP"]
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
DNS_NAME = re.compile(r"(?=.{1,253}\Z)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")  # RFC 1035, 2.3.4
SERVER = "server"  # what the program of the server's side is called, where a script speaks of programs
PLACEHOLDERS = ("host", "port", "bind")
SERVICE_PLACE = "{service}"


def is_host(name: str) -> TypeGuard[HostRole]:
    """Whether it is a role that a host has, and so has a name."""
    return name in get_args(HostRole)


def check_crosses(one: Role, other: Role, key: str) -> None:
    """Raise ValueError unless the firewall stands between two roles: it sees no other packets."""
    if (one in CLIENT_SIDE) == (other in CLIENT_SIDE):
        side = [each for each in get_args(HostRole) if (each in CLIENT_SIDE) != (one in CLIENT_SIDE)]
        raise ValueError(
            f"{key}: packets between {one} and {other} do not cross the firewall; expected one of: {', '.join(side)}"
        )


def check_least(value: int, least: int, key: str) -> None:
    """Raise ValueError for a number that is too small."""
    if value < least:
        raise ValueError(f"{key}: expected at least {least}, got {value}")


def check_words(text: str, key: str) -> None:
    """Raise ValueError unless a shell could split it into words."""
    try:
        shlex.split(text)
    except ValueError as error:
        raise ValueError(f"{key}: {quoted(text)} cannot be split into words: {str(error).lower()}") from error


def check_name(name: str, what: str) -> None:
    """Raise ValueError unless it is a name: small letters, digits and hyphens."""
    if not NAME.fullmatch(name):
        raise ValueError(f"name: expected small letters, digits and hyphens for a {what}, got {quoted(name)}")


def given_keys(value: object, among: tuple[str, ...] = ()) -> list[str]:
    """The fields of a dataclass that were given (that are not None), as a file writes them."""
    names = among or tuple(field.name for field in fields(value))  # type: ignore[arg-type]
    return [name.rstrip("_") for name in names if getattr(value, name) is not None]


def check_one(value: object, what: str, among: tuple[str, ...] = ()) -> None:
    """Raise ValueError unless exactly one of the fields was given."""
    names = among or tuple(field.name for field in fields(value))  # type: ignore[arg-type]
    given = given_keys(value, among)
    if len(given) != 1:
        there_are = ", ".join(name.rstrip("_") for name in names)
        raise ValueError(f"{what} has exactly one of {there_are}; this has {' and '.join(given) or 'none of them'}")


def _check_command(command: str, key: str, places: tuple[str, ...] = PLACEHOLDERS) -> None:
    check_words(command, key)
    for place in re.findall(r"\{(\w*)\}", command):
        if place not in places:
            raise ValueError(f"{key}: unknown placeholder {{{place}}}{advice(place, places)}")
    if not shlex.split(command):
        raise ValueError(f"{key}: the command is empty")


# Faults that the injector makes


@dataclass(frozen=True, slots=True, kw_only=True)
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
    family: Family | None = None

    def __post_init__(self) -> None:
        check_crosses(self.from_, self.to, "to")
        if self.percent == 0:
            raise ValueError("percent: 0 percent of the packets are none; expected more than 0, at most 100")
        if self.name is not None and not DNS_NAME.fullmatch(self.name):
            raise ValueError(f"name: expected a name to ask the name server for, got {quoted(self.name)}")
        try:
            injected.check(self.action, self.pick(str))
        except ValueError as error:
            raise ValueError(self._with_key(str(error))) from error

    def _with_key(self, problem: str) -> str:
        """What the injector's words say of a value, `by_s is 0 to 600, …`, behind the key that a drill has for it."""
        word = problem.partition(" is ")[0].removesuffix("_s")
        key = "becomes" if word == "to" else word
        return f"{key}: {problem}" if key in {each.name for each in fields(self)} else problem

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
        )

    @property
    def packets(self) -> str:
        """`the first SYN from the client to the server`."""
        kind = KINDS_SAID[self.of] + (f" for {self.name}" if self.name else "")
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
        return f"{which}{again} from {said(self.from_)} to {said(self.to)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(Picked):
    """The packets go no further than the firewall."""

    @property
    def action(self) -> injected.Action:
        return injected.Drop()

    @property
    def says(self) -> str:
        return f"the firewall drops {self.packets}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Picked):
    """The packets wait at the firewall until the fault is healed."""

    @property
    def action(self) -> injected.Action:
        return injected.Hold()

    @property
    def says(self) -> str:
        return f"the firewall holds {self.packets} until it is healed"


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Split(Picked):
    """The segments go on as several, each of at most `size` bytes of payload."""

    size: int

    @property
    def action(self) -> injected.Action:
        return injected.Split(self.size)

    @property
    def says(self) -> str:
        return f"the firewall cuts {self.packets} into segments of {self.size} bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Picked):
    """Of the stream go on the bytes before byte `at`, and none from there on."""

    at: int

    @property
    def action(self) -> injected.Action:
        return injected.Cut(self.at)

    @property
    def says(self) -> str:
        return f"the firewall lets the first {self.at} bytes of the stream pass from {said(self.from_)}, and no more"


# Faults that the firewall's kernel makes


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """Packets that a rule of the kernel selects; what is done to them is said below."""

    from_: HostRole
    to: HostRole
    of: RuleKind = "any"
    port: int | None = None
    family: Family | None = None

    def __post_init__(self) -> None:
        check_crosses(self.from_, self.to, "to")
        check_selected_port(self.of, self.port)

    @property
    def kind(self) -> str:
        """`everything`, or `every SYN`."""
        return "everything" if self.of == "any" else f"every {self.of.upper()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Selected):
    """The firewall drops the packets without a word; `both_ways`: also those back."""

    both_ways: bool = False

    @property
    def says(self) -> str:
        ways = "in both directions between {} and {}" if self.both_ways else "from {} to {}"
        return f"the firewall silently drops {self.kind} {ways.format(said(self.from_), said(self.to))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse(Selected):
    """The firewall drops the packets, and tells their sender by an ICMP error or a TCP reset."""

    by: Refusal

    def __post_init__(self) -> None:
        Selected.__post_init__(self)
        check_refusal(self.by, self.of)

    @property
    def says(self) -> str:
        return f"the firewall refuses {self.kind} from {said(self.from_)} to {said(self.to)} by {self.by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendTtl(Selected):
    """The packets come to the firewall with a TTL of 1, so that it answers "time exceeded"."""

    def __post_init__(self) -> None:
        Selected.__post_init__(self)
        if self.of in IN_PIECES:
            raise ValueError(f"of: packets of the kind {self.of} can be dropped only, by a `silence`")

    @property
    def says(self) -> str:
        return f"packets from {said(self.from_)} to {said(self.to)} have one hop left at the firewall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """The firewall does not send these ICMP errors of its own, in neither family."""

    errors: tuple[Error, ...]

    def __post_init__(self) -> None:
        if not self.errors:
            raise ValueError(f"errors: expected one or more of: {', '.join(get_args(Error))}")

    @property
    def says(self) -> str:
        return f"the firewall sends no ICMP errors of the kinds {', '.join(self.errors)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mtu:
    """The MTU of a leg is `bytes`; hits are the "fragmentation needed" and "packet too big" that the firewall makes."""

    at: LegName
    bytes: int

    def __post_init__(self) -> None:
        check_mtu(self.bytes)

    @property
    def says(self) -> str:
        return f"the MTU of the {self.at} is {self.bytes} bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Out of a leg goes so much in a second, `burst_bytes` at once after a pause; what cannot wait is dropped."""

    at: LegName
    bits_per_s: int
    burst_bytes: int = 3028
    limit_bytes: int = 65536

    def __post_init__(self) -> None:
        check_rate(self.bits_per_s, self.burst_bytes, self.limit_bytes)

    @property
    def says(self) -> str:
        return f"{self.bits_per_s} bits a second go out of the {self.at}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stateful:
    """The firewall lets only segments pass that belong to a connection whose SYN it saw; others meet `by`."""

    by: Otherwise = "silence"

    @property
    def says(self) -> str:
        return f"the firewall lets only connections pass that it knows, and answers others by {self.by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """The firewall forgets every connection between the client and the server: with a `stateful`, that is their end.

    `of`: only those over TCP, or UDP; hits are the entries of connection tracking that go.
    """

    between: tuple[HostRole, ...] = ("client", "server")
    of: Protocol | None = None

    def __post_init__(self) -> None:
        if len(self.between) != 2:
            raise ValueError(f"between: expected two roles, got {len(self.between)}")
        check_crosses(*self.between, "between")

    @property
    def says(self) -> str:
        return f"the firewall forgets the connections between {' and '.join(map(said, self.between))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleTimeout:
    """The firewall forgets a connection when no segment of it came for `after`; then segments meet `by`.

    With `of: udp` it forgets a conversation over UDP, which the client's side begins, and may go on with at any time;
    what the other side sends later than that is dropped.
    """

    after: Seconds
    by: Otherwise = "silence"
    of: Protocol = "tcp"

    def __post_init__(self) -> None:
        check_idle_time(float(self.after))
        if self.of == "udp" and self.by != "silence":
            raise ValueError(f"by: {self.by} answers TCP only; over UDP it is silence")

    @property
    def says(self) -> str:
        what = "a conversation over UDP" if self.of == "udp" else "a connection"
        return f"the firewall forgets {what} that is idle for {self.after}, and answers by {self.by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nat:
    """The firewall puts its own address in the place of the client side's (source NAT)."""

    @property
    def says(self) -> str:
        return "the firewall translates the addresses of the client's side (source NAT)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebind:
    """The translation of every connection changes to another port; `nat` is the name of the NAT, a step before.

    `of`: only of those over TCP, or UDP; hits are the mappings that end.
    """

    nat: str
    of: Protocol | None = None

    @property
    def says(self) -> str:
        return f"the translations of {self.nat} change to other ports"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDown:
    """A leg of the firewall has no link."""

    at: LegName

    @property
    def says(self) -> str:
        return f"the link of the {self.at} is down"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRoute:
    """The firewall has no route to a host; `kind` is ip-route(8)'s word for what it says to the sender."""

    to: HostRole
    kind: Route = "unreachable"

    @property
    def says(self) -> str:
        return f"the firewall has no route to {said(self.to)} ({self.kind})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The name server gives the addresses of other roles for the name of a role; of none: the name does not exist.

    `nobody` is an address of the server's network that no machine has. With a `family` it gives those addresses only.
    """

    name_of: HostRole
    gives: tuple[AddressRole, ...] = ()
    family: Family | None = None

    @property
    def says(self) -> str:
        address = f"the {said_family(self.family)} address" if self.family else "the address"
        gives = " and ".join(f"{address} of {said(role)}" for role in self.gives) or "no address: it does not exist"
        return f"the name server gives for the name of {said(self.name_of)} {gives}"


# Faults of programs


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """The server's program is ended by a signal."""

    who: Literal["server"]
    by: Signal = "KILL"

    @property
    def says(self) -> str:
        return f"{said_program(self.who)} is ended by SIG{self.by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The server's program is stopped (SIGSTOP) until the fault is healed; its kernel goes on acknowledging."""

    who: Literal["server"]

    @property
    def says(self) -> str:
        return f"{said_program(self.who)} is paused (SIGSTOP)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """Another program stands in the place of one: of the `server`, or of the client of a call. Of two, the last counts.

    It is there from the start; the server's, where calls came before this step, from the next `restart` on. It took
    hold when it printed a line that matches `proof`; each such line is a hit. `{service}` in the server's command is
    the command of the service's own server, for a program that runs another.
    """

    who: str
    run: str
    proof: str = "^did: "
    ready: str = "listening on"

    def __post_init__(self) -> None:
        _check_command(self.run, "run", (*PLACEHOLDERS, "service") if self.who == SERVER else PLACEHOLDERS)
        check_pattern(self.proof, "proof")
        check_pattern(self.ready, "ready")

    @property
    def says(self) -> str:
        return f"{said_program(self.who)} is `{self.run}`"


EFFECTS: Mapping[str, type[Any]] = {
    "drop": Drop,
    "hold": Hold,
    "delay": Delay,
    "duplicate": Duplicate,
    "reorder": Reorder,
    "corrupt": Corrupt,
    "alter": Alter,
    "split": Split,
    "cut": Cut,
    "silence": Silence,
    "refuse": Refuse,
    "spend_ttl": SpendTtl,
    "mute": Mute,
    "mtu": Mtu,
    "rate": Rate,
    "stateful": Stateful,
    "forget": Forget,
    "idle_timeout": IdleTimeout,
    "nat": Nat,
    "rebind": Rebind,
    "link_down": LinkDown,
    "no_route": NoRoute,
    "answer": Answer,
    "kill": Kill,
    "pause": Pause,
    "replace": Replace,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong, from here on until it is healed or the script ends: a name, and exactly one effect."""

    name: str
    drop: Drop | None = None
    hold: Hold | None = None
    delay: Delay | None = None
    duplicate: Duplicate | None = None
    reorder: Reorder | None = None
    corrupt: Corrupt | None = None
    alter: Alter | None = None
    split: Split | None = None
    cut: Cut | None = None
    silence: Silence | None = None
    refuse: Refuse | None = None
    spend_ttl: SpendTtl | None = None
    mute: Mute | None = None
    mtu: Mtu | None = None
    rate: Rate | None = None
    stateful: Stateful | None = None
    forget: Forget | None = None
    idle_timeout: IdleTimeout | None = None
    nat: Nat | None = None
    rebind: Rebind | None = None
    link_down: LinkDown | None = None
    no_route: NoRoute | None = None
    answer: Answer | None = None
    kill: Kill | None = None
    pause: Pause | None = None
    replace: Replace | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "fault")
        check_one(self, f"the fault {self.name}", tuple(EFFECTS))

    @property
    def effect(self) -> Any:
        """The one effect that it has."""
        return next(effect for name in EFFECTS if (effect := getattr(self, name)) is not None)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles whose packets it is about."""
        ends = getattr(self.effect, "from_", None), getattr(self.effect, "to", None)
        return (*getattr(self.effect, "between", ()), *(role for role in ends if role is not None))

    @property
    def says(self) -> str:
        return str(self.effect.says)


# Calls, waits and looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A client is run: the one of the service under drill, or another of its clients, or any command (`run`).

    `{host}` and `{port}` are the server's; `named` puts a name there in place of the address: that of the host which
    has a role (`server`), whichever it is in the pair, or any other (`many`). `times` are several,
    one after another, or all held at a barrier and released at once (`together`). It is given `within` to end by
    itself: then it hung.
    """

    name: str
    from_: CallerRole = "client"
    to: Role = "server"
    client: str | None = None
    run: str | None = None
    args: str = ""
    named: str | None = None
    times: int = 1
    together: bool = False
    within: Seconds = Seconds(30)

    def __post_init__(self) -> None:
        check_name(self.name, "call")
        if self.name in (SERVER, "other-server"):
            raise ValueError(f"name: a call cannot be named {self.name}: that is a program on the other side")
        if self.run is not None and self.client is not None:
            raise ValueError("run: use either `client`, a client of the service, or `run`, a command")
        for key in ("client", "named"):
            if getattr(self, key) == "":
                raise ValueError(f"{key}: expected a name, got an empty string")
        check_words(self.args, "args")
        if self.run is not None:
            _check_command(self.run, "run")
        if not 1 <= self.times <= 1000:
            raise ValueError(f"times: expected 1 to 1000, got {self.times}")
        if not self.within:
            raise ValueError("within: expected more than 0s")

    @property
    def says(self) -> str:
        what = f"`{self.run}`" if self.run else f"the client {self.client!r}" if self.client else "the client"
        many = f", {self.times} times{' at once' if self.together else ''}" if self.times > 1 else ""
        name = f" by the name {self.named}" if self.named else ""
        return f"{self.name}: {what} on {said(self.from_)} calls {said(self.to)}{name}{many}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """Wait for a condition: `hits` of a `fault`; a `line` (regular expression) in the `log` of a program; or as many
    (`sockets`) in a `state` as said, on a role.

    What waits for a fault is left out where the fault is.
    """

    fault: str | None = None
    hits: int = 1
    log: str | None = None
    line: str = ""
    on: HostRole | None = None
    state: State | None = None
    sockets: int = 1
    within: Seconds = Seconds(10)

    def __post_init__(self) -> None:
        check_one(self, "a condition", ("fault", "log", "on"))
        for key, kind in (("hits", "fault"), ("line", "log"), ("state", "on"), ("sockets", "on")):
            if getattr(self, kind) is None and getattr(self, key) not in (None, "", 1):
                raise ValueError(f"{key}: it goes with `{kind}`, which is not here")
        check_least(self.hits, 1, "hits")
        check_least(self.sockets, 1, "sockets")
        check_pattern(self.line, "line")
        if self.log is not None and not self.line:
            raise ValueError("line: expected a regular expression for the line that `log` is read for")
        if self.on is not None and self.state is None:
            raise ValueError(f"state: the sockets of `on` need one. Expected one of: {', '.join(get_args(State))}")
        if not self.within:
            raise ValueError("within: expected more than 0s")

    @property
    def says(self) -> str:
        if self.fault:
            return f"wait until {self.fault} took hold of {self.hits} packets"
        if self.log:
            return f"wait until {said_program(self.log)} prints {self.line!r}"
        return f"wait until {self.sockets} sockets on {said(self.on or 'server')} are in {self.state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Look at the sockets of a role, and keep what is seen under a name, for `sockets` expectations."""

    name: str
    on: HostRole

    def __post_init__(self) -> None:
        check_name(self.name, "look")

    @property
    def says(self) -> str:
        return f"look at the sockets of {said(self.on)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: exactly one of these keys. `given` is as `fault`, but stands in the control run too."""

    given: Fault | None = None
    fault: Fault | None = None
    heal: str | None = None
    call: Call | None = None
    start: Call | None = None
    await_: str | None = None
    wait: Seconds | None = None
    until: Until | None = None
    look: Look | None = None
    restart: Literal["server"] | None = None

    def __post_init__(self) -> None:
        check_one(self, "a step")
        if self.wait is not None and not self.wait:
            raise ValueError("wait: expected more than 0s")

    @property
    def says(self) -> str:
        if self.given:
            return f"given that {self.given.says} ({self.given.name})"
        if self.fault:
            return f"fault {self.fault.name}: {self.fault.says}"
        if self.start:
            return f"start {self.start.says}"
        if self.heal or self.await_ or self.wait is not None:
            return f"heal {self.heal}" if self.heal else f"await {self.await_}" if self.await_ else f"wait {self.wait}"
        if self.restart:
            return "stop the server (SIGTERM), and start it again"
        what = self.call or self.until or self.look
        assert what is not None  # noqa: S101 (exactly one is given)
        return what.says


KINDS_SAID: Mapping[injected.Kind, str] = {
    "any": "packet",
    "syn": "SYN",
    "syn-ack": "SYN-ACK",
    "handshake-ack": "last ACK of a handshake",
    "ack": "bare ACK",
    "data": "data segment",
    "fin": "FIN",
    "rst": "RST",
    "udp": "datagram",
    "dns-query": "DNS query",
    "icmp": "ICMP packet",
}
assert set(KINDS_SAID) == set(get_args(injected.Kind))  # noqa: S101 (a kind was added there, and not here)


def said(role: Role) -> str:
    """A role, for a person."""
    words = {"bystander": "a bystander", "other-server": "the other server", "names": "the name server"}
    return {**words, "nobody": "nobody"}.get(role, f"the {role}")


def said_family(family: Family) -> str:
    """A family of addresses, for a person."""
    return {"ipv4": "IPv4", "ipv6": "IPv6"}[family]


def said_program(who: str) -> str:
    found = {SERVER: "the server's program", "other-server": "the other server's program"}
    return found.get(who, f"the program of the call {who}")
