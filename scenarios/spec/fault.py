"""A fault as a drill declares it: its name, and exactly one effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scenarios.spec.injected_faults import (
    Alter,
    Corrupt,
    Cut,
    Delay,
    Drop,
    Duplicate,
    Hold,
    OtherPort,
    Reorder,
    Split,
)
from scenarios.spec.kernel_faults import (
    Answer,
    Forget,
    IdleTimeout,
    LinkDown,
    Mtu,
    Mute,
    Nat,
    NoRoute,
    Rate,
    Rebind,
    Refuse,
    Silence,
    SpendTtl,
    Stateful,
)
from scenarios.spec.program_faults import Kill, Pause, Replace
from scenarios.spec.roles import Role
from scenarios.spec.validate import check_name, check_one

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
    "other_port": OtherPort,
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
    other_port: OtherPort | None = None
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
