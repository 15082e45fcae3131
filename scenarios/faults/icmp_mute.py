"""A firewall that drops its own ICMP errors: that makes a path a black hole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from scenarios.faults.kernel_fault import Chain, Standing
from scenarios.lab.lab import Lab
from scenarios.spec.kernel_faults import Error

# RFC 792 and RFC 1191, 4; RFC 4443, 3.
ERRORS: dict[Error, tuple[str, str]] = {
    "too-big": ("icmp type destination-unreachable icmp code frag-needed", "icmpv6 type packet-too-big"),
    "unreachable": (
        "icmp type destination-unreachable icmp code != frag-needed",
        "icmpv6 type destination-unreachable",
    ),
    "time-exceeded": ("icmp type time-exceeded", "icmpv6 type time-exceeded"),
    "parameter-problem": ("icmp type parameter-problem", "icmpv6 type parameter-problem"),
}
PRIORITY = 0


class Mute(Standing):
    """The firewall does not send its ICMP and ICMPv6 errors of the given kinds, or of any; hits are the unsent ones.

    Those that other machines send, and it forwards, go on. What a `Refuse` says by ICMP is an error of its own too.
    """

    def __init__(self, lab: Lab, name: str, *errors: Error) -> None:
        super().__init__(lab, name)
        self._errors: Sequence[Error] = errors or get_args(Error)

    def _chains(self) -> Sequence[Chain]:
        rules = [f"{match} counter drop" for error in self._errors for match in ERRORS[error]]
        return [Chain(self.name, f"output priority {PRIORITY}", rules)]
