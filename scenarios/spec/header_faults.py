"""The words of faults that a middlebox makes of headers: options, fields and sequence numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from images.firewall.inject import declared as injected
from images.firewall.inject import header_words
from scenarios.spec.declaration import declaration
from scenarios.spec.injected_faults import Picked
from scenarios.spec.roles import Role


@declaration
class Strip(Picked):
    """The option of TCP becomes as many NOPs. A packet that does not have it is no hit."""

    option: header_words.Option

    @property
    def action(self) -> injected.Action:
        return header_words.Strip(self.option)

    @property
    def says(self) -> str:
        return f"the firewall takes the option {self.option} out of {self.packets}"


@declaration
class Rewrite(Picked):
    """A field of a header becomes `becomes`, with right checksums. A packet that has that value already is no hit.

    `ecn` is 0 (not ECN-capable), 1 or 2 (ECT(1), ECT(0)) or 3 (congestion experienced). `ttl` is as the packet comes to
    the firewall. `urgent` is the urgent pointer, whose flag is set; of 0 it is cleared.
    """

    field: header_words.Field
    becomes: int

    @property
    def action(self) -> injected.Action:
        return header_words.Rewrite(self.field, self.becomes)

    @property
    def says(self) -> str:
        return f"the firewall makes the {self.field} of {self.packets} {self.becomes}"


@declaration
class ClampMss(Picked):
    """The MSS that a SYN or a SYN-ACK says is `most` where it was more."""

    most: int

    @property
    def action(self) -> injected.Action:
        return header_words.ClampMss(self.most)

    @property
    def says(self) -> str:
        return f"the firewall clamps the MSS of {self.packets} to {self.most}"


@declaration
class Shift(Picked):
    """Sequence numbers go on `by` higher, and what comes back acknowledges as much less; SACK blocks too, with `sack`.

    Hits are the segments on the way there. Every segment is shifted, so none is picked.
    """

    by: int
    sack: bool = True

    def __post_init__(self) -> None:
        if self.of != "any" or any(each is not None for each in (self.nth, self.first, self.byte, self.percent)):
            raise ValueError("of: every segment is shifted, or the connection breaks; leave out of, nth, first, …")
        Picked.__post_init__(self)

    @property
    def action(self) -> injected.Action:
        return header_words.ShiftSequence(self.by)

    @property
    def action_back(self) -> injected.Action:
        """What is done to the segments that come back."""
        return header_words.ShiftAcknowledgement(self.by, self.sack)

    def pick_back(self, address: Callable[[Role], str]) -> injected.Pick:
        """Those segments."""
        there = self.pick(address)
        return replace(there, from_=there.to, to=there.from_, from_port=there.to_port, to_port=None)

    @property
    def says(self) -> str:
        sack = "" if self.sack else ", but not those in SACK blocks"
        return f"the firewall makes sequence numbers of {self.packets} {self.by} higher, and back{sack}"
