"""A fault as a drill declares it: its name, and exactly one effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

from scenarios.spec import capacity_faults as capacity
from scenarios.spec import injected_faults as injected
from scenarios.spec import kernel_faults as kernel
from scenarios.spec import mapping_faults as mapping
from scenarios.spec.clock_faults import Clock
from scenarios.spec.declaration import declaration
from scenarios.spec.forged_faults import After, Forge, Watch
from scenarios.spec.header_faults import ClampMss, Rewrite, Shift, Strip
from scenarios.spec.host_addresses import NoAddress, SecondAddress, SecondInterface
from scenarios.spec.host_settings import HostSettings
from scenarios.spec.loopback_faults import Loopback
from scenarios.spec.name_faults import NameAnswer, Resolver
from scenarios.spec.neighbour_faults import ForgedNeighbour, NoNeighbours, NoQuerier, OneNetwork, RogueRouter
from scenarios.spec.path_faults import PathBetween
from scenarios.spec.program_faults import Kill, Pause, Replace, Signal
from scenarios.spec.roles import Role
from scenarios.spec.validate import check_name, check_one, given_keys


@declaration
class Fault:
    """What goes wrong, from here on until it is healed or the script ends: a name, and exactly one effect."""

    name: str
    after: After | None = None
    drop: injected.Drop | None = None
    hold: injected.Hold | None = None
    delay: injected.Delay | None = None
    duplicate: injected.Duplicate | None = None
    reorder: injected.Reorder | None = None
    corrupt: injected.Corrupt | None = None
    alter: injected.Alter | None = None
    split: injected.Split | None = None
    cut: injected.Cut | None = None
    other_port: injected.OtherPort | None = None
    strip: Strip | None = None
    rewrite: Rewrite | None = None
    clamp_mss: ClampMss | None = None
    shift: Shift | None = None
    name_answer: NameAnswer | None = None
    queue: capacity.Queue | None = None
    watch: Watch | None = None
    loopback: Loopback | None = None
    forge: Forge | None = None
    path: PathBetween | None = None
    silence: kernel.Silence | None = None
    refuse: kernel.Refuse | None = None
    spend_ttl: kernel.SpendTtl | None = None
    mute: kernel.Mute | None = None
    mtu: kernel.Mtu | None = None
    rate: kernel.Rate | None = None
    stateful: kernel.Stateful | None = None
    forget: kernel.Forget | None = None
    idle_timeout: kernel.IdleTimeout | None = None
    limit: capacity.Limit | None = None
    police: capacity.Police | None = None
    syn_proxy: capacity.SynProxy | None = None
    nat: mapping.Nat | None = None
    rebind: mapping.Rebind | None = None
    vip: mapping.Vip | None = None
    link_down: kernel.LinkDown | None = None
    no_route: kernel.NoRoute | None = None
    no_neighbours: NoNeighbours | None = None
    forged_neighbour: ForgedNeighbour | None = None
    rogue_router: RogueRouter | None = None
    one_network: OneNetwork | None = None
    no_querier: NoQuerier | None = None
    answer: kernel.Answer | None = None
    resolver: Resolver | None = None
    host: HostSettings | None = None
    second_address: SecondAddress | None = None
    no_address: NoAddress | None = None
    second_interface: SecondInterface | None = None
    kill: Kill | None = None
    pause: Pause | None = None
    signal: Signal | None = None
    replace: Replace | None = None
    clock: Clock | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "fault")
        check_one(self, f"the fault {self.name}", tuple(EFFECTS))
        if self.after and (not self.is_picked or self.shift):
            kind, awaited = given_keys(self, tuple(EFFECTS))[0], self.after
            step = f"until: {{fault: {awaited.fault}, hits: {awaited.hits}}}"
            raise ValueError(f"after: a {kind} picks no packets one by one; expected a step before it, {step}")

    @property
    def effect(self) -> Any:
        """The one effect that it has."""
        return next(effect for name in EFFECTS if (effect := getattr(self, name)) is not None)

    @property
    def is_picked(self) -> bool:
        """Whether the injector makes it, of packets that it picks one by one."""
        return isinstance(self.effect, injected.Picked)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles whose packets it is about."""
        ends = getattr(self.effect, "from_", None), getattr(self.effect, "to", None)
        return (*getattr(self.effect, "between", ()), *(role for role in ends if role is not None))

    @property
    def says(self) -> str:
        return str(self.effect.says) + (f", {self.after.says}" if self.after else "")


EFFECTS: Mapping[str, type[Any]] = {
    name: get_args(hint)[0] for name, hint in get_type_hints(Fault).items() if name not in ("name", "after")
}
