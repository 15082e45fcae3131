"""Answers to the questions of a lesson, read from what a cell left in its folder: result.json, frames.json and what
programs printed. No answer is written down anywhere; the same code reads a run of a minute ago and one of last year.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from scenarios.lab.valueclass import valueclass
from scenarios.report import read_run
from scenarios.report.packet_fates import joined
from scenarios.report.read_run import Frame, Packet, Packets
from scenarios.spec.roles import CLIENT_SIDE, SERVER, LegName, Role
from scenarios.teaching import question as asked
from scenarios.teaching.question import Count, InState, Made, PacketKind, Printed, Question, Sent

RUN, CONTROL = "fault", "control"  # of the two runs of a cell, the one that is asked about, and the one without
# What the lab's own servers write at the end of a connection with which nothing was wrong.
WELL: Final = frozenset({"finished", "answered", "server stopped"})
JOURNAL: Final = re.compile(r"^\S+ port \d+: (?P<what>.+?); \d+ bytes in, \d+ bytes out, ")


class NotThere(Exception):
    """The evidence does not answer the question; the message says what is lacking."""


@valueclass
class Answer:
    """The right answer, and the figure behind it where there is one."""

    value: str
    figure: str = ""

    @property
    def words(self) -> str:
        return f"{self.value} ({self.figure})" if self.figure else self.value


@valueclass
class Evidence:
    """What a cell left of one of its runs."""

    result: Mapping[str, Any]
    packets: Packets
    printed: Mapping[str, Sequence[str]]  # by program

    @classmethod
    def of(cls, folder: Path, which: str = RUN) -> Evidence:
        """Read the folder of a cell. Raise NotThere where it has no such run that can be read."""
        try:
            stored = read_run.result(folder)
            run = stored["runs"][which]
            packets = read_run.packets(folder / which)
            files = (folder / which).glob("*.txt")
            printed = {each.stem: each.read_text("utf-8").splitlines() for each in files}
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise NotThere(f"{folder} has no {which} run that can be read: {error}") from error
        if packets is None:
            raise NotThere(f"{folder} has no packets")
        return cls(run, packets, printed)


def answer(question: Question, evidence: Evidence) -> Answer:
    """Read the answer. Raise NotThere."""
    if question.outcome is not None:
        word = _same([each["outcome"] for each in _calls(evidence, question.outcome)], question.outcome)
        return _chosen(word, question)
    if question.errno is not None:
        errno = _same([each["errno"] or "no errno" for each in _calls(evidence, question.errno)], question.errno)
        return _chosen(errno, question)
    if question.takes is not None:
        return _takes(_calls(evidence, question.takes), question.takes)
    if question.notices is not None:
        return _notices(evidence, question.notices)
    if question.count:
        return Answer(str(len(_counted(question.count, evidence.packets))))
    if question.reaches:
        return _reaches(question.reaches, evidence.packets)
    if question.made_by:
        return _made_by(question.made_by, evidence.packets)
    if question.printed:
        return _printed(question.printed, evidence)
    assert question.sockets  # noqa: S101 (exactly one is given)
    return _sockets(question.sockets, evidence)


def _chosen(word: str, question: Question) -> Answer:
    """The word; one that nobody can choose is `something else`, and is told."""
    if word in {each.value for each in question.choices}:
        return Answer(word)
    return Answer(asked.OTHER, word)


def _calls(evidence: Evidence, name: str) -> Sequence[Mapping[str, Any]]:
    made = [each["call"] for each in evidence.result["calls"].get(name, ())]
    if not made:
        raise NotThere(f"the call {name} was not made")
    return made


def _same(words: Sequence[str], call: str) -> str:
    if len(set(words)) > 1:
        raise NotThere(f"the calls {call} did not all end alike: {', '.join(words)}")
    return words[0]


def _takes(calls: Sequence[Mapping[str, Any]], name: str) -> Answer:
    lengths = [each["duration_s"] for each in calls]
    if None in lengths:
        raise NotThere(f"the call {name} did not begin")
    longest_s = max(lengths)
    choice = next(choice for limit_s, choice in asked.TIMES if longest_s < limit_s)
    return Answer(choice.value, f"{longest_s:.2f} s")


def _notices(evidence: Evidence, call: str) -> Answer:
    client = any(each["outcome"] != "answered" for each in _calls(evidence, call))
    lines = [found["what"] for line in evidence.printed.get(SERVER, ()) if (found := JOURNAL.match(line))]
    problems = [what for what in lines if what not in WELL]
    words = {
        (True, True): asked.BOTH,
        (True, False): asked.CLIENT_ALONE,
        (False, True): asked.SERVER_ALONE,
        (False, False): asked.NEITHER,
    }
    return Answer(words[client, bool(problems)], f"the server wrote: {problems[0]}" if problems else "")


def is_of(kind: PacketKind, frame: Frame) -> bool:
    """Whether a frame is a packet of this kind."""
    flags = {*frame.flags}
    of_tcp = {
        "syn": "SYN" in flags and "ACK" not in flags,
        "syn-ack": {"SYN", "ACK"} <= flags,
        "data": frame.payload_bytes > 0,
        "fin": "FIN" in flags,
        "reset": "RST" in flags,
    }
    if kind in of_tcp:
        return frame.transport == "tcp" and of_tcp[kind]
    return frame.transport == ("udp" if kind == "datagram" else kind)


def _on(leg: LegName, packet: Packet) -> Frame | None:
    return packet.client_leg if leg == "client-leg" else packet.server_leg


def is_counted(count: Count, frame: Frame, packets: Packets) -> bool:
    """Whether a question counts a frame, if it is on the leg that the question is about."""
    return (
        is_of(count.of, frame)
        and (not count.from_ or frame.source in packets.addresses[count.from_])
        and (not count.to or frame.destination in packets.addresses[count.to])
    )


def _counted(count: Count, packets: Packets) -> list[Frame]:
    frames = [frame for each in packets.packets if (frame := _on(count.at, each))]
    return [each for each in frames if is_counted(count, each, packets)]


def _reaches(sent: Sent, packets: Packets) -> Answer:
    near, far = _legs(sent.from_)
    of_it = [
        each
        for each in joined(packets)  # what the firewall altered, or cut into pieces, has crossed it
        if (frame := _on(near, each.packet)) and is_of(sent.of, frame) and frame.source in packets.addresses[sent.from_]
    ]
    crossed = [each for each in of_it if _on(far, each.packet) or each.cut]
    if not of_it:
        return Answer(asked.NONE_SENT)
    word = asked.CROSSES if len(crossed) == len(of_it) else asked.SOME_CROSS if crossed else asked.ENDS_THERE
    return Answer(word, f"{len(crossed)} of {len(of_it)}")


def _legs(role: Role) -> tuple[LegName, LegName]:
    """The leg on which a role is, and the other one."""
    return ("client-leg", "server-leg") if role in CLIENT_SIDE else ("server-leg", "client-leg")


def _made_by(made: Made, packets: Packets) -> Answer:
    other: LegName = "server-leg" if made.at == "client-leg" else "client-leg"
    makers: set[str] = set()
    for each in (rung.packet for rung in joined(packets)):
        frame = _on(made.at, each)
        if not frame or not is_of(made.of, frame):
            continue
        from_client_side = frame.source in packets.client_side
        comes_over = from_client_side is not (made.at == "client-leg")
        if frame.source in packets.addresses["firewall"] or (comes_over and not _on(other, each)):
            makers.add(asked.FIREWALL)
        else:
            makers.add("the client" if from_client_side else "the server")
    return Answer(makers.pop() if len(makers) == 1 else asked.SEVERAL if makers else asked.NOBODY)


def _printed(printed: Printed, evidence: Evidence) -> Answer:
    lines = evidence.printed.get(printed.of, ())
    found = next((match for line in lines if (match := re.search(printed.line, line))), None)
    if not found:
        raise NotThere(f"{printed.of} printed no line with {printed.line!r}")
    return Answer(found[1].replace(",", ""))


def _sockets(sockets: InState, evidence: Evidence) -> Answer:
    ports = {str(evidence.packets.port)}
    found = [
        each
        for each in evidence.result["looks"].get(sockets.look, ())
        if each["state"] == sockets.state and ports & {each[end].rpartition(":")[2] for end in ("local", "peer")}
    ]
    return Answer(str(len(found)))
