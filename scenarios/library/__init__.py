"""The lab as a library: faults, calls and packets for a person's own tests, and the pytest plugin over it.

    from scenarios.library import Lab

    with Lab() as lab:
        with lab.serve("my-server {bind} {port}", image="mine", port=4000), lab.recording() as packets:
            with lab.fault(drop="syn", first=1, from_="client", to="server") as lost:
                call = lab.call("my-client {host} {port}", image="mine", within_s=20)
        assert lost.hits == 1
        assert call.outcome == "answered"
        assert packets.on("client-leg").where("tcp.flags.syn == 1 && tcp.flags.ack == 0").count == 2

It must not know what a test claims: a test asserts. A fault that took hold of nothing, and packets that a stall of the
machine may have made, are `Unproven`, which is an error. Names are looked up when they are first used: to import this
is to import neither Docker nor YAML, so pytest collects tests as quickly as without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from scenarios.lab.errors import DeadlinePassed, LabProblem, UsageError
    from scenarios.library.ended import Ended
    from scenarios.library.faulting import FaultBlock
    from scenarios.library.lab import Lab, Twice
    from scenarios.library.packets import Packets
    from scenarios.library.programs import Server
    from scenarios.library.started import Started
    from scenarios.library.unproven import Unproven

__all__ = (
    "DeadlinePassed",
    "Ended",
    "FaultBlock",
    "Lab",
    "LabProblem",
    "Packets",
    "Server",
    "Started",
    "Twice",
    "Unproven",
    "UsageError",
)
_MODULES: Final = {
    "DeadlinePassed": "..lab.errors",
    "Ended": ".ended",
    "FaultBlock": ".faulting",
    "Lab": ".lab",
    "LabProblem": "..lab.errors",
    "Packets": ".packets",
    "Server": ".programs",
    "Started": ".started",
    "Twice": ".lab",
    "Unproven": ".unproven",
    "UsageError": "..lab.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name], __name__), name)
