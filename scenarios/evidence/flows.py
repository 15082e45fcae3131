"""Which TCP connections of a capture are of the script that ran, and which are older."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from scenarios.evidence.frame import Endpoint, Frame

# A connection that nobody answers is given up by Linux after tcp_orphan_retries, some 100 s (tcp(7)).
REMEMBERED_S = 130.0


class Flows:
    """Which TCP connections are of a script: an end that nobody answers sends for minutes after its own.

    A connection is of the script in whose captures its first SYN is: an end that is half-open repeats its SYN, or its
    SYN-ACK, for longer than a script takes (tcp(7), tcp_syn_retries and tcp_synack_retries). Only behind
    a NAT can one go on without having begun, from another port; that is of this script if no earlier capture had it,
    and if the end that the NAT hides, where that is known, began in this one. `translated` are the firewall's
    addresses.
    """

    def __init__(self, translated: Collection[str]) -> None:
        self._translated = frozenset(translated)
        self._seen: dict[frozenset[object], float] = {}
        self._syns: dict[tuple[object, ...], float] = {}

    def of_script(self, captures: Mapping[str, Sequence[Frame]]) -> dict[str, list[Frame]]:
        """Of the frames of both legs those that are of the script, and all that is neither TCP nor says so of TCP.

        An ICMP error is of the connection whose segment it quotes.
        """
        now_s = time.monotonic()
        segments = [frame for frames in captures.values() for frame in frames if frame.transport == "tcp"]
        syns = {_syn(frame): _flow(frame) for frame in segments if "SYN" in frame.flags and "ACK" not in frame.flags}
        earlier = {syn for syn, at_s in self._syns.items() if now_s - at_s < REMEMBERED_S}
        begun = {flow for syn, flow in syns.items() if syn not in earlier}
        goes_on = {_flow(frame) for frame in segments if self._translated & {frame.source, frame.destination}}
        old = {flow for flow, at_s in self._seen.items() if now_s - at_s < REMEMBERED_S}
        ends = {end for flow in begun for end in flow}
        older = {_flow(frame) for frame in segments for end in _hidden(frame) if end not in ends} - begun
        kept = begun | (goes_on - old - older)
        self._seen = {flow: self._seen[flow] for flow in old} | dict.fromkeys(goes_on, now_s)
        self._syns = {syn: self._syns[syn] for syn in earlier} | dict.fromkeys(syns, now_s)

        def is_kept(frame: Frame) -> bool:
            if frame.transport == "tcp":
                return _flow(frame) in kept
            if frame.quoted is None or frozenset(frame.quoted) in kept:
                return True
            behind_nat = self._translated & {address for address, _ in frame.quoted}
            return bool(behind_nat) and frozenset(frame.quoted) not in old | older

        return {leg: [frame for frame in frames if is_kept(frame)] for leg, frames in captures.items()}


def _flow(frame: Frame) -> frozenset[object]:
    return frozenset({(frame.source, frame.source_port), (frame.destination, frame.destination_port)})


def _hidden(frame: Frame) -> list[Endpoint]:
    """The end that a NAT hides, where it is known."""
    return [end for end in (frame.true_source, frame.true_destination) if end]


def _syn(frame: Frame) -> tuple[object, ...]:
    """What a SYN keeps when it is sent again."""
    return frame.source, frame.source_port, frame.destination, frame.destination_port, frame.seq
