"""The cable of a machine of a lab, pulled from outside, as no drill does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from scenarios.lab.lab import Lab

# `cables` is in the network of the machine that the lab runs on, where the other end of each cable is.
PULLS: Final = 'ip link set dev "$(ip -o link | sed -n "s/^$1: \\([^@:]*\\).*/\\1/p")" "$2"'


def pull(lab: Lab, machine: str) -> Callable[[], None]:
    """Pull the cable of a machine's first link; return what puts it back."""
    other_end = lab.run(machine, ["cat", "/sys/class/net/eth0/iflink"], timeout_s=10).stdout.strip()

    def become(state: str) -> None:
        ran = lab.run("cables", ["sh", "-euc", PULLS, "sh", other_end, state], timeout_s=10)
        assert ran.status == 0, ran.printed

    become("down")
    return lambda: become("up")
