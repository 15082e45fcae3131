"""Where the service's end of a client's conversations is: at its port, and over UDP also where it goes on with another.

A server may answer a datagram from a port of its own for each client, and the client goes on with that port (TFTP: RFC
1350, section 4). A port that the client asked before it had spoken is another service.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from scenarios.evidence.frame import Endpoint, Frame
from scenarios.lab.valueclass import valueclass

Flow = tuple[Endpoint, Endpoint]  # the end of the client, and the other one


@valueclass
class ServiceEnd:
    """Tells which frames of a capture are to and from the service."""

    clients: frozenset[str]  # their addresses
    port: int
    elsewhere: frozenset[Flow]  # over UDP, with another port of the service's host that answered

    @classmethod
    def shown_by(cls, frames: Iterable[Frame], clients: Collection[str], port: int) -> ServiceEnd:
        """Return the service's end in these frames, which are in the order of the capture."""
        asked: set[tuple[Endpoint, str]] = set()
        others: set[Flow] = set()  # with ports that the client asked first
        elsewhere: set[Flow] = set()
        for each in frames:
            if each.transport != "udp" or each.destination_port is None:  # of its fragments one alone has its ports
                continue
            if each.sender[0] in clients:
                if each.destination_port == port:
                    asked.add((each.sender, each.receiver[0]))
                elif (each.sender, each.receiver) not in elsewhere:
                    others.add((each.sender, each.receiver))
            elif each.source_port != port and (each.receiver, each.sender[0]) in asked:
                elsewhere |= {(each.receiver, each.sender)} - others
        return cls(frozenset(clients), port, frozenset(elsewhere))

    def is_to(self, frame: Frame) -> bool:
        """Whether a client sent it to the service."""
        at_port = frame.destination_port == self.port
        is_own = frame.sender[0] in self.clients
        return is_own and (at_port or self._goes_elsewhere(frame, frame.sender, frame.receiver))

    def is_from(self, frame: Frame) -> bool:
        """Whether the service sent it. A client over UDP may have the service's port too, as of NTP."""
        at_port = frame.source_port == self.port
        is_own = frame.sender[0] in self.clients
        return not is_own and (at_port or self._goes_elsewhere(frame, frame.receiver, frame.sender))

    def _goes_elsewhere(self, frame: Frame, client: Endpoint, other: Endpoint) -> bool:
        return frame.transport == "udp" and (client, other) in self.elsewhere
