"""The words of what stays on a host: its loopback, which no leg of the firewall sees."""

from __future__ import annotations

from typing import Literal

from scenarios.spec.declaration import declaration
from scenarios.spec.roles import CallerRole, role_label

Kind = Literal["any", "tcp", "udp", "syn", "syn-ack", "data", "fin", "rst"]


@declaration
class Loopback:
    """Packets on the loopback interface of a host are captured and counted, as a `watch` counts those that cross.

    What a host sends to an address of its own goes this way, whichever address that is. The result has a
    line for each. Hits are the packets; a `given` counts them in both runs.
    """

    who: CallerRole
    of: Kind = "any"

    @property
    def says(self) -> str:
        which = "every packet" if self.of == "any" else f"every {self.of.upper()}"
        return f"{which} on the loopback of {role_label(self.who)} is counted"
