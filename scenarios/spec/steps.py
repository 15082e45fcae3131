"""The words of a drill's script: faults, calls, waits and looks, as frozen values that name roles and no addresses.

Each class is a mapping of a drill file, its fields are the keys, and its docstring is what the JSON Schema and
docs/drills.md say of it. `says` is a sentence for a person. Knows no lab.
"""

from __future__ import annotations

from typing import Literal, get_args

from images.firewall.inject import declared as injected
from scenarios.spec.command_line import check_command
from scenarios.spec.declaration import declaration
from scenarios.spec.fault import Fault
from scenarios.spec.injected_faults import KINDS_SAID
from scenarios.spec.one_of import OneOf
from scenarios.spec.roles import SERVER, CallerRole, HostRole, Role, program_label, role_label
from scenarios.spec.strict_yaml import check_pattern
from scenarios.spec.units import Seconds
from scenarios.spec.validate import check_least, check_name, check_one, check_words

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
LinkLocal = Literal["with-scope", "without-scope"]  # RFC 4007, 11: `fe80::2:10%eth0`, `fe80::2:10`


# Faults that the injector makes


# Faults that the firewall's kernel makes


# Faults of programs


# Calls, waits and looks


@declaration
class Call:
    """A client is run: the one of the service under drill, or another of its clients, or any command (`run`).

    `{host}` and `{port}` are the server's; `named` puts a name there in place of the address: that of the host which
    has a role (`server`), whichever it is in the pair, or any other (`many`); `link_local` its link-local address, with
    the scope id of the caller's interface or without. `times` are several, one after another, or all held at a barrier
    and released at once (`together`). It is given `within` to end by itself: then it hung.
    """

    name: str
    from_: CallerRole = "client"
    to: Role = "server"
    client: str | None = None
    run: str | None = None
    args: str = ""
    named: str | None = None
    link_local: LinkLocal | None = None
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
            check_command(self.run, "run")
        if self.link_local is not None and (self.named is not None or self.to not in get_args(CallerRole)):
            raise ValueError("link_local: expected a call `to` a host, and without `named`")
        if not 1 <= self.times <= 1000:
            raise ValueError(f"times: expected 1 to 1000, got {self.times}")
        if not self.within:
            raise ValueError("within: expected more than 0s")

    @property
    def says(self) -> str:
        there, where, whom = self.from_, role_label(self.from_), role_label(self.to)
        many = f", {self.times} times{' at once' if self.together else ''}" if self.times > 1 else ""
        if self.run:
            towards = "" if self.to == there else f", towards {whom}"
            return f"{self.name}: `{self.run}` runs on {where}{towards}{many}"
        program = f"the program {self.client!r}" if self.client else "its program"
        what = f"{program} on {where}" if self.client or there != "client" else "the client's program"
        name = f" by the name {self.named!r}" if self.named else ""
        if self.link_local:
            name = f" at its link-local address, {self.link_local.replace('-scope', '')} the scope id"
        return f"{self.name}: {what} calls {whom}{name}{many}"


@declaration
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
            return f"wait until {program_label(self.log)} prints {self.line!r}"
        return f"wait until {self.sockets} sockets on {role_label(self.on or 'server')} are in {self.state}"


@declaration
class Look:
    """Look at the sockets of a role, and keep what is seen under a name, for `sockets` expectations."""

    name: str
    on: HostRole

    def __post_init__(self) -> None:
        check_name(self.name, "look")

    @property
    def says(self) -> str:
        return f"look at the sockets of {role_label(self.on)}"


@declaration
class Step(OneOf):
    """One step: exactly one of these keys. `given` is as `fault`, but stands in the control run too."""

    WHAT = "a step"

    given: Fault | None = None  # a stateful firewall is a condition; that it forgets is the fault
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
        OneOf.__post_init__(self)
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


assert set(KINDS_SAID) == set(get_args(injected.Kind))  # noqa: S101 (a kind was added there, and not here)
