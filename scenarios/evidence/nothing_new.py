"""Which datagrams of a service brought its client nothing new, though no sequence number says so.

A copy that the network made is the same packet: IPv4's identification tells, or that the service's leg had fewer of
them. An equal datagram of the service's own is an answer of its own, as the third PONG of three; unless the question
was sent again, or doubled by the network, for then it may answer that.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from scenarios.evidence.frame import Endpoint, Frame
from scenarios.evidence.service_end import ServiceEnd

Flow = tuple[Endpoint, str]  # the end of a client, and the address of the service, whatever its port


def nothing_new(
    sent: Sequence[Frame], beyond: Sequence[Frame], addresses: Collection[str], port: int
) -> Collection[int]:
    """The numbers, among the frames of a call, of those datagrams; `beyond` are the frames of the service's leg."""
    service = ServiceEnd.shown_by(sent, addresses, port)
    datagrams = [each for each in sent if each.transport == "udp"]
    questions = [each for each in datagrams if service.is_to(each)]
    answers = [each for each in datagrams if service.is_from(each)]
    copies = _copies(answers, Counter(_content(each) for each in beyond))
    usual = Counter(_content(each) for each in questions)
    doubled = _copies([each for each in beyond if _content(each) in usual], usual)
    again = _sent_again(datagrams, service)
    repeated = Counter(_of_client(each) for each in [*doubled, *again])
    asked = Counter(_of_client(each) for each in questions)
    asked.subtract(_of_client(each) for each in again)
    found = {each.number for each in copies}
    equal: dict[object, list[Frame]] = defaultdict(list)
    for each in answers:
        if each.number not in found:
            equal[_content(each)].append(each)
    for those in equal.values():
        flow = _of_service(those[0])
        own = max(asked[flow], len(those) - repeated[flow])
        found |= {each.number for each in those[own:]}
    return found


def _copies(frames: Sequence[Frame], sent: Counter[object]) -> list[Frame]:
    """Those that the network made: `sent` counts what was sent, for those without an identification."""
    known: set[object] = set()
    came: Counter[object] = Counter()
    found = []
    for each in frames:
        content = _content(each)
        came[content] += 1
        of_packet = (content, each.identification)
        if of_packet in known if each.identification else 0 < sent[content] < came[content]:
            found.append(each)
        known.add(of_packet)
    return found


def _sent_again(datagrams: Sequence[Frame], service: ServiceEnd) -> list[Frame]:
    """The questions that the client had sent before, and to which nothing had come since."""
    waiting: dict[Flow, set[bytes]] = defaultdict(set)
    found = []
    for each in datagrams:
        if service.is_from(each):
            waiting.pop(_of_service(each), None)
        elif not service.is_to(each):
            continue
        elif each.payload in waiting[_of_client(each)]:
            found.append(each)
        else:
            waiting[_of_client(each)].add(each.payload)
    return found


def _content(frame: Frame) -> object:
    return frame.sender, frame.receiver, frame.payload


def _of_client(frame: Frame) -> Flow:
    return frame.sender, frame.receiver[0]


def _of_service(frame: Frame) -> Flow:
    return frame.receiver, frame.sender[0]
