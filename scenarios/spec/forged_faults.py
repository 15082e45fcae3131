"""The words of packets that nobody sent, of packets that are only counted, and of a fault that waits for another."""

from __future__ import annotations

from typing import Literal

from images.firewall.inject import declared as injected
from images.firewall.inject import forging_words
from scenarios.spec.declaration import declaration
from scenarios.spec.injected_faults import Picked
from scenarios.spec.roles import role_label
from scenarios.spec.validate import check_least


@declaration
class Watch(Picked):
    """The packets go on as they came, and are counted: for an `until`, and for the `after` of another fault."""

    action = forging_words.Watch()

    @property
    def says(self) -> str:
        return f"the firewall counts {self.packets}, and lets them pass"


@declaration
class Forge(Picked):
    """Behind each of the packets, which goes on, comes one as if an end had sent it: a RST, or an ICMP error.

    The RST goes `towards` the packet's `sender`, its `receiver` or `both`, with the sequence number that this end
    expects next, and `off_by` more: 1 is inside the window and not exact, 1000000000 is outside. An ICMP error goes to
    the sender, as if from the receiver, and quotes the packet with a sequence number that is `off_by` more.
    """

    what: forging_words.Forged
    towards: Literal["sender", "receiver", "both"] = "sender"
    off_by: int = 0

    def __post_init__(self) -> None:
        if self.what != "rst" and self.family == "ipv6":
            raise ValueError(f"family: a forged {self.what} is of IPv4; expected family: ipv4")
        Picked.__post_init__(self)

    @property
    def action(self) -> injected.Action:
        return forging_words.Forge(self.what, self.towards, self.off_by)

    @property
    def says(self) -> str:
        ends = {"sender": role_label(self.from_), "receiver": role_label(self.to)}
        who = ends.get(self.towards, " and ".join(ends.values()))
        off = f", {self.off_by} off the right sequence number" if self.off_by else ""
        what = "a RST" if self.what == "rst" else f"an ICMP error ({self.what})"
        return f"the firewall forges {what} for {who}{off}, behind {self.packets}"


@declaration
class After:
    """The fault takes hold of what comes behind the nth hit (`hits`) of another, which a step before makes.

    Both are faults of packets that are picked one by one. Before another kind of fault, write an `until`.
    """

    fault: str
    hits: int = 1

    def __post_init__(self) -> None:
        check_least(self.hits, 1, "hits")

    @property
    def says(self) -> str:
        return f"behind {'a hit' if self.hits == 1 else f'{self.hits} hits'} of {self.fault}"
