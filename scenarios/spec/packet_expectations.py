"""The words of expectations that are about packets: how many, how many bytes, and in which order."""

from __future__ import annotations

from typing import Literal, get_args

from scenarios.lab.topology import Family
from scenarios.spec.counted import Counted
from scenarios.spec.declaration import declaration
from scenarios.spec.declaration_error import quoted
from scenarios.spec.roles import HostRole, LegName, Role, check_crosses, check_leg, role_label
from scenarios.spec.units import Band, Seconds

HOSTS: tuple[Role | None, ...] = get_args(HostRole)


@declaration
class Matched(Counted):
    """The packets that a display filter keeps on a leg, some of them; the classes below say what of them counts."""

    at: LegName
    where: str
    from_: Role | None = None
    to: Role | None = None
    family: Family | None = None
    alone: bool = False
    took: Band | None = None
    during: str | None = None

    def __post_init__(self) -> None:
        Counted.__post_init__(self)
        if not self.where.strip():
            raise ValueError("where: the display filter is empty")
        if self.alone and self.took is not None:
            raise ValueError("took: a packet that is alone on its leg took no time to the other")
        if self.from_ is not None and self.to is not None and self.from_ in HOSTS and self.to in HOSTS:
            check_crosses(self.from_, self.to, "to")
        elif self.from_ is not None and self.from_ == self.to:
            raise ValueError(f"to: packets from {self.to} to itself are on no leg; expected another role")
        check_leg(self.at, self.from_, self.to)

    @property
    def which(self) -> str:
        between = f" from {role_label(self.from_)}" if self.from_ else ""
        between += f" to {role_label(self.to)}" if self.to else ""
        crossed = ", there alone" if self.alone else f", {self.took} from leg to leg" if self.took else ""
        meanwhile = f", during {self.during}" if self.during else ""
        return f"packets{between} on the {self.at} where {self.where}{crossed}{meanwhile}"

    @property
    def rule(self) -> str:
        """What of them counts."""
        return self.which

    @property
    def right(self) -> str:
        """How many of that there must be."""
        return self.amount

    @property
    def says(self) -> str:
        return f"{self.rule}: {self.right}"


@declaration
class Packets(Matched):
    """How many packets a Wireshark display filter keeps on a leg, and how far `apart` in time they are.

    `from` and `to` are roles, the filter's addresses. `apart` is one band for all, or one for each gap. `alone` counts
    only those that were on this leg and not on the other: they died at the firewall, or were made there. `took` counts
    only those that took so long from one leg to the other. `during` counts only those while a fault of this name was in
    force, or a call of this name ran. With `in_any: 1s` the count is of the second with the most of them, whichever.
    """

    apart: Band | tuple[Band, ...] | None = None
    in_any: Seconds | None = None

    def __post_init__(self) -> None:
        Matched.__post_init__(self)
        if self.in_any is not None and not self.in_any:
            raise ValueError("in_any: expected more than 0s")
        if self.in_any is not None and self.apart is not None:
            raise ValueError("in_any: it counts the packets of a time, and `apart` is of all; expected one of them")
        if isinstance(self.apart, tuple) and not isinstance(self.apart, Band) and self.most != len(self.apart) + 1:
            raise ValueError(f"apart: of {len(self.apart)} gaps, exactly or at_most must be {len(self.apart) + 1}")
        if self.apart is not None and self.least < 2:
            raise ValueError("apart: one packet has no gap, so this may hold unseen; expected exactly or at_least of 2")

    @property
    def gaps(self) -> tuple[Band, ...]:
        """The bands of the gaps, the last of which is for all that follow."""
        if self.apart is None:
            return ()
        return (self.apart,) if isinstance(self.apart, Band) else self.apart

    @property
    def rule(self) -> str:
        return self.which + (f", the most in any {self.in_any}" if self.in_any else "")

    @property
    def right(self) -> str:
        apart = f", {', then '.join(map(str, self.gaps))} apart" if self.gaps else ""
        return self.amount + apart


@declaration
class Bytes(Matched):
    """How many bytes the packets have in all that a display filter keeps on a leg; which packets, as `packets` has it.

    Counted are those of their payload over TCP or UDP, or with `of: frames` of the whole frames. What is sent again
    counts again.
    """

    of: Literal["payload", "frames"] = "payload"

    @property
    def rule(self) -> str:
        return f"bytes of the {'payload' if self.of == 'payload' else 'frames'} of {self.which}"


@declaration
class Order:
    """On a leg, the first packet that each display filter keeps comes before the first that the next one keeps."""

    at: LegName
    of: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.of) < 2:
            raise ValueError(f"of: an order needs two filters at least, got {len(self.of)}")
        for number, where in enumerate(self.of, 1):
            if not where.strip():
                raise ValueError(f"of.{number}: the display filter is empty")
            if where in self.of[: number - 1]:
                raise ValueError(f"of.{number}: {quoted(where)} stands twice; no packet comes before itself")

    @property
    def says(self) -> str:
        return f"on the {self.at}, in this order: {'; then '.join(self.of)}"
