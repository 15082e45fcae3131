"""The words of the addresses of a host that change while it runs: one that it gets, and those that it loses."""

from __future__ import annotations

from scenarios.lab.topology import Family
from scenarios.spec.declaration import declaration
from scenarios.spec.roles import CallerRole, HostRole, addresses_label, leg_of, role_label


@declaration
class SecondAddress:
    """A host of the server's side has the address of `nobody` too, of each family, or of one `family`.

    A `call: {to: nobody}` calls it there. What the kernel sends by itself, and what an unbound socket sends, comes from
    the address that the kernel prefers: over IPv4 from the first. Hits are the addresses that it got.
    """

    who: HostRole
    family: Family | None = None

    def __post_init__(self) -> None:
        if leg_of(self.who) != "server-leg":
            raise ValueError(f"who: expected a host of the server's side, got {self.who}")

    @property
    def says(self) -> str:
        return f"{role_label(self.who)} has {addresses_label('the', self.family)} of nobody too"


@declaration
class NoAddress:
    """A host has lost its own address, of each family, or of one `family`, and its routes with it; it has it again at
    the end.

    Sockets that are open stay open, as the kernel has it. Hits are the addresses that are gone.
    """

    who: CallerRole
    family: Family | None = None

    @property
    def says(self) -> str:
        return f"{role_label(self.who)} has lost {addresses_label('its', self.family)}"


@declaration
class SecondInterface:
    """A host has a second interface, `lan1`, on a network of its own, where the firewall is the only other machine.

    It has an address of each family there; what the host sends to other networks goes by the first, as before. What
    crosses the second is not captured: only the legs are. Hits are the interfaces that it got.
    """

    who: CallerRole

    @property
    def says(self) -> str:
        return f"{role_label(self.who)} has a second interface, on another network"
