"""A server whose program was killed, and which answers all the same: a process that it had forked has the connection.

A signal reaches one process (kill(2)). A server that forks one for each client, or has workers, lives on in these with
their connections, and a claim of what follows on a server's end says nothing of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from scenarios.evidence.frame import Endpoint, Frame
from scenarios.evidence.record import Seen
from scenarios.lab.valueclass import valueclass
from scenarios.spec.drill import Drill
from scenarios.spec.roles import SERVER
from scenarios.verdict.check import Check, Verdict, proof


def unless_served_on(checks: Sequence[Check], drill: Drill, armed: Seen) -> list[Check]:
    """The checks of the run with the fault; none is refuted where the server lived on after it was killed.

    Nor is the claim proven, where it answered. That is of drills for any program: another drill knows its server.
    """
    if not drill.is_general:
        return [*checks]
    killed = [each.name for each in drill.faults if each.kill and each.kill.who == SERVER]
    had = [each for name in killed for each in _had_when_killed(armed, name)]
    if any(each.answers for each in had):
        what = "it answered on a connection that it had: another of its processes goes on"
    elif any(each.is_kept for each in had) and any(each.holds is Verdict.FAIL for each in checks):
        what = "a connection that it had was not closed: another of its processes has it"
    else:
        return [*checks]
    gone = proof("the server was gone with the program that was killed", "", what, proven=False)
    open_ones = (
        dataclasses.replace(each, holds=Verdict.UNPROVEN) if each.holds is Verdict.FAIL else each for each in checks
    )
    return [gone, *open_ones]


@valueclass
class _Had:
    """A connection that the server had when it was killed: the segments of client and server on the server's leg."""

    there: Sequence[Frame]
    back: Sequence[Frame]
    killed_ns: int

    @property
    def answers(self) -> bool:
        """Whether data of the server acknowledges what first came to it after that.

        The kernel alone sends what was waiting, and a RST to what comes then.
        """
        had = max(_end(each) for each in self.there if each.time_ns < self.killed_ns)
        came = (each for each in self.there if each.time_ns > self.killed_ns and each.payload and _end(each) > had)
        if (new := next(came, None)) is None:
            return False
        return any(each.payload and each.time_ns > new.time_ns and (each.ack or 0) >= _end(new) for each in self.back)

    @property
    def is_kept(self) -> bool:
        """Whether it was whole, and no end of it has closed it: the kernel closes what no process has (close(2))."""
        whole = any("SYN" not in each.flags and each.time_ns < self.killed_ns for each in self.there)
        return whole and not any({"FIN", "RST"} & each.flags for each in (*self.there, *self.back))


def _had_when_killed(seen: Seen, fault: str) -> Iterator[_Had]:
    """The connections to the server that had begun when this fault ended it."""
    if not (spans := seen.spans.get(fault)):
        return
    killed_ns = spans[0][0]
    frames = [each for each in seen.frames.get("server-leg", ()) if each.transport == "tcp"]
    begun = [each for each in frames if each.flags == {"SYN"} and each.time_ns < killed_ns]
    for syn in begun:
        if syn.destination_port == seen.port:
            there = [each for each in frames if (_from(each), _to(each)) == (_from(syn), _to(syn))]
            back = [each for each in frames if (_from(each), _to(each)) == (_to(syn), _from(syn))]
            yield _Had(there, back, killed_ns)


def _from(frame: Frame) -> Endpoint:
    return frame.source, frame.source_port


def _to(frame: Frame) -> Endpoint:
    return frame.destination, frame.destination_port


def _end(frame: Frame) -> int:
    """The sequence number behind what a segment carries."""
    return (frame.seq or 0) + len(frame.payload)
