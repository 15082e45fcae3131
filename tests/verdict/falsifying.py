"""Evidence that is made for one expectation of a drill: on which it holds, and, for each thing that it demands, not.

Nothing here is taken from the judge: what the evidence must be is said here a second time. The sockets come through
the reader of ss(8), so that a state which no kernel can show has no evidence either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from scenarios.evidence import sockets
from scenarios.evidence.frame import Frame
from scenarios.evidence.record import LegCapture, Seen
from scenarios.faults.catch import Caught
from scenarios.lab.lab import Lab
from scenarios.spec.cast import Cast
from scenarios.spec.counted import COUNTS, Counted
from scenarios.spec.drill import Drill
from scenarios.spec.expectations import Alike, Counters, Duration, Expectation, Hits, Log, Outcomes, Sockets
from scenarios.spec.outcome import Outcome
from scenarios.spec.packet_expectations import Bytes, Order, Packets
from scenarios.spec.roles import CLIENT_SIDE, CallerRole, LegName, Role
from scenarios.spec.service import Service, resolve
from scenarios.spec.units import Band
from scenarios.spec.validate import given_keys
from tests.verdict.test_judging import call, frame

LEGS: tuple[LegName, ...] = ("client-leg", "server-leg")  # those that the drills of the catalogue look at
SS: Mapping[str, str] = {"ESTABLISHED": "ESTAB", "SYN-RECEIVED": "SYN-RECV"}  # its words, where they are others
MS = 1_000_000
MATCHED = ("at", "where", "from_", "to", "family", "alone", "took", "during")
Evidence = tuple[str, Seen]  # what is wrong with it, and the evidence


class NoEvidence(Exception):
    """No evidence can be made on which an expectation holds."""


def bare(drill: Drill, known: Mapping[str, Service], *, armed: bool) -> Seen:
    """The evidence of a run in which nothing was seen."""
    chosen = resolve(drill.service, drill.client, known)
    cast = Cast(Lab(1).topology, "le-le", drill.family, chosen.server.runs_on)
    return Seen(
        armed=armed,
        port=chosen.port,
        addresses={role: cast.addresses(role) for role in get_args(Role)},
        client_side=cast.client_side,
        calls={name: [call() for _ in range(each.times)] for name, each in drill.calls.items()},
        caught={fault.name: Caught(1) for fault in (drill.faults if armed else drill.givens)},
        looks={},
        logs={},
        captures={leg: LegCapture(leg, b"", 0, 0) for leg in LEGS},
        frames={leg: [] for leg in LEGS},
        events=(),
    )


def right(expectation: Expectation, drill: Drill, seen: Seen) -> Seen:
    """The evidence `seen`, changed so that the expectation holds. Raises NoEvidence."""
    match expectation.value:
        case Hits() as hits:
            return _hits(seen, hits, min(_counts(hits)))
        case Outcomes() as outcome:
            return _outcomes(seen, outcome, _right_calls(outcome, drill), drill)
        case Packets() as packets:
            return _packets(seen, packets, min(_counts(packets)))
        case Bytes() as of_bytes:
            return _bytes(seen, of_bytes, min(_counts(of_bytes)))
        case Counters() as counters:
            return _counters(seen, counters, min(_counts(counters)))
        case Order() as order:
            return _order(seen, order, range(len(order.of)))
        case Sockets() as found:
            return _sockets(seen, found, min(_counts(found)))
        case Log() as log:
            return _log(seen, log, min(_counts(log)))
        case Duration() as duration:
            return _duration(seen, duration, _middle(duration.is_))
        case Alike() as alike:
            return _alike(seen, alike)


def wrong(expectation: Expectation, drill: Drill, seen: Seen) -> Iterator[Evidence]:
    """The evidence `seen`, changed so that the expectation does not hold: a change for each thing that it demands."""
    match expectation.value:
        case Hits() as hits:
            yield from _miscounted(hits, lambda count: _hits(seen, hits, count))
            yield "nobody knows how often", _hits(seen, hits, min(_counts(hits)), unsure="a packet could not be read")
            if hits.most == 0:
                none = {name: Caught(0) for name in drill.witnesses(hits.fault)}
                yield "its witness saw nothing", replace(seen, caught={**seen.caught, hits.fault: Caught(0), **none})
        case Outcomes() as outcome:
            yield from _wrong_outcomes(outcome, drill, seen)
        case Packets() as packets:
            yield from _wrong_packets(packets, seen)
        case Bytes() as of_bytes:
            yield from _miscounted(of_bytes, lambda count: _bytes(seen, of_bytes, count))
            if of_bytes.least:
                yield "that another filter keeps", _bytes(seen, of_bytes, of_bytes.least, where="another filter")
        case Counters() as counters:
            yield from _miscounted(counters, lambda count: _counters(seen, counters, count))
            yield "that could not be read", replace(seen, counters={})
            yield "that this kernel has not", replace(seen, counters={counters.on: {"TcpOther": counters.least}})
        case Order() as order:
            yield "the first two in the other order", _order(seen, order, [1, 0, *range(2, len(order.of))])
            yield "the last is missing", _order(seen, order, range(len(order.of) - 1))
        case Sockets() as found:
            yield from _miscounted(found, lambda count: _sockets(seen, found, count))
            if found.least:
                yield "in another state", _sockets(seen, found, found.least, state="SYN-SENT")
                if not found.any_port:
                    yield "of another port", _sockets(seen, found, found.least, port=seen.port + 1)
                for key in ("recv_q", "send_q"):
                    if least := getattr(found, key):
                        yield f"with less in {key}", _sockets(seen, found, found.least, **{key: least - 1})
                if found.timer:
                    yield (
                        "with longer to wait",
                        _sockets(seen, found, found.least, timer=f"{found.timer.most + 1:.0f}sec"),
                    )
                    yield "with no timer", _sockets(seen, found, found.least, timer="none")
        case Log() as log:
            yield from _miscounted(log, lambda count: _log(seen, log, count))
            if log.least:
                yield "another line", replace(seen, logs={**seen.logs, log.of: ["\x00"] * log.least})
        case Duration() as duration:
            yield "too long", _duration(seen, duration, float(duration.is_.most) + 0.001)
            if duration.is_.least:
                yield "too short", _duration(seen, duration, float(duration.is_.least) - 0.001)
            yield "never begun", _duration(seen, duration, None)
        case Alike() as alike:
            yield "a byte is another", _alike(seen, alike, answer=b"tolD")
            yield "one says nothing", _alike(seen, alike, answer=b"")
            yield "one has no connection", _alike(seen, alike, without=True)


def _counts(expected: Counted) -> Sequence[int]:
    """Some counts with which it holds."""
    return range(expected.least, expected.least + 1 if expected.most is None else expected.most + 1)


def _miscounted(expected: Counted, made: Callable[[int], Seen]) -> Iterator[Evidence]:
    if expected.least:
        yield f"{expected.least - 1} of them", made(expected.least - 1)
    if expected.most is not None:
        yield f"{expected.most + 1} of them", made(expected.most + 1)


def _middle(band: Band) -> float:
    return (float(band.least) + float(band.most)) / 2


def _hits(seen: Seen, hits: Hits, count: int, unsure: str = "") -> Seen:
    return replace(seen, caught={**seen.caught, hits.fault: Caught(count, unsure)})


def _right_calls(expected: Outcomes, drill: Drill) -> int:
    """How many of the calls are right."""
    if not given_keys(expected, COUNTS):
        return drill.calls[expected.call].times
    return max(min(_counts(expected)), 0)


def _outcomes(
    seen: Seen, expected: Outcomes, right_calls: int, drill: Drill, times: int | None = None, errno: str | None = None
) -> Seen:
    times = drill.calls[expected.call].times if times is None else times
    good = call(Outcome(expected.words[0]), errno or expected.errno)
    other = next(each for each in Outcome if each.value not in expected.words and each is not Outcome.UNSUPPORTED)
    made = [good] * right_calls + [call(other)] * (times - right_calls)
    return replace(seen, calls={**seen.calls, expected.call: made})


def _wrong_outcomes(expected: Outcomes, drill: Drill, seen: Seen) -> Iterator[Evidence]:
    times = drill.calls[expected.call].times
    if given_keys(expected, COUNTS):
        if expected.least:
            yield "one less of them", _outcomes(seen, expected, expected.least - 1, drill)
        if expected.most is not None:
            more = expected.most + 1  # perhaps more than are called: one by one, each is another's evidence
            yield "one more of them", _outcomes(seen, expected, more, drill, max(times, more))
    else:
        yield "one ends otherwise", _outcomes(seen, expected, times - 1, drill)
        yield "it was not called", _outcomes(seen, expected, 0, drill, 0)
    if expected.errno and (expected.least or not given_keys(expected, COUNTS)):
        yield "with another errno", _outcomes(seen, expected, _right_calls(expected, drill), drill, errno="EPROTO")


def _packets(seen: Seen, expected: Packets, count: int, late_s: float = 0, **other: object) -> Seen:
    """So many packets on the leg, in time, which cross, or are there alone; `other` are parts that are otherwise."""
    from_, to = _ends(expected, seen)
    family = other.get("family", expected.family or ("ipv4" if expected.from_ or expected.to else None))
    source, destination = (_address(seen, role, family) for role in (other.get("from_", from_), other.get("to", to)))
    took_ns = int(float(other.get("took_s", _middle(expected.took) if expected.took else 0.0005)) * 1e9)  # type: ignore[arg-type]
    mark = str(other.get("where", expected.where))
    here, there, at_ns = [], [], 10**18
    near = (source in seen.client_side) == (expected.at == "client-leg")
    for number in range(count):
        if number:
            gap = expected.gaps[min(number - 1, len(expected.gaps) - 1)] if expected.gaps else None
            late_ns = int(late_s * 1e9) if number == count - 1 else 0
            at_ns += (int(_middle(gap) * 1e9) if gap else MS) + late_ns
        one = replace(frame(number + 1, 0, mark, source=source, to=destination, ident=1000 + number), time_ns=at_ns)
        here.append(one)
        if not other.get("alone", expected.alone):
            there.append(replace(one, time_ns=at_ns + (took_ns if near else -took_ns), marks=frozenset()))
    kept = {leg: [each for each in frames if expected.where not in each.marks] for leg, frames in seen.frames.items()}
    crossed = {each: [] if expected.alone or expected.took else kept[each] for each in LEGS}
    (other_leg,) = (leg for leg in LEGS if leg != expected.at)
    frames: dict[str, Sequence[Frame]] = {
        expected.at: [*crossed[expected.at], *here],
        other_leg: [*crossed[other_leg], *there],
    }
    while_ns = (0, 2 * 10**18) if other.get("during", True) else (0, 1)
    during = {expected.during: [while_ns]} if expected.during else {}
    return replace(seen, frames=frames, spans={**seen.spans, **during})


def _bytes(seen: Seen, expected: Bytes, count: int, **other: object) -> Seen:
    """One packet with so many bytes of payload, or so long a frame."""
    like = Packets(**{key: getattr(expected, key) for key in MATCHED}, exactly=1)
    made = _packets(seen, like, 1, **other)  # type: ignore[arg-type]
    size = {"length": count} if expected.of == "frames" else {"payload": bytes(count)}
    frames = [replace(each, **size) if each.time_ns == 10**18 else each for each in made.frames[expected.at]]
    return replace(made, frames={**made.frames, expected.at: frames})


def _counters(seen: Seen, expected: Counters, count: int) -> Seen:
    return replace(seen, counters={**seen.counters, expected.on: {expected.of: count, "TcpOther": 7}})


def _ends(expected: Packets, seen: Seen) -> tuple[Role, Role]:  # noqa: ARG001
    """The roles that packets go between, where the expectation does not say them."""
    if expected.from_:
        return expected.from_, expected.to or ("server" if expected.from_ in CLIENT_SIDE else "client")
    return ("server" if expected.to in CLIENT_SIDE else "client"), expected.to or "server"


def _address(seen: Seen, role: object, family: object) -> str:
    addresses = seen.addresses[role]  # type: ignore[index]
    return next(each for each in addresses if (":" in each) == (family == "ipv6"))


def _wrong_packets(expected: Packets, seen: Seen) -> Iterator[Evidence]:
    yield from _miscounted(expected, lambda count: _packets(seen, expected, count))
    if not expected.least:
        return
    count = expected.least
    yield "that another filter keeps", _packets(seen, expected, count, where="another filter")
    for key in ("from_", "to"):
        if role := getattr(expected, key):
            roles = get_args(CallerRole)
            another = next(each for each in roles if each != role and (each in CLIENT_SIDE) == (role in CLIENT_SIDE))
            yield f"{key.rstrip('_')} {another}", _packets(seen, expected, count, **{key: another})
    if expected.family:
        family = "ipv4" if expected.family == "ipv6" else "ipv6"
        yield f"of {family}", _packets(seen, expected, count, family=family)
    if expected.alone:
        yield "that are on the other leg too", _packets(seen, expected, count, alone=False)
    if expected.took:
        yield "that took too long", _packets(seen, expected, count, took_s=float(expected.took.most) + 0.001)
    if expected.during:
        yield "at another time", _packets(seen, expected, count, during=False)
    for gap in expected.gaps[-1:]:
        yield "too far apart", _packets(seen, expected, count, late_s=float(gap.most))


def _order(seen: Seen, expected: Order, numbers: Sequence[int]) -> Seen:
    frames = [frame(10**6 + at, at, expected.of[number]) for at, number in enumerate(numbers)]
    kept = [each for each in seen.frames[expected.at] if not each.marks & set(expected.of)]
    return replace(seen, frames={**seen.frames, expected.at: [*kept, *frames]})


def _sockets(
    seen: Seen,
    expected: Sockets,
    count: int,
    *,
    state: str = "",
    port: int = 0,
    recv_q: int = -1,
    send_q: int = -1,
    timer: str = "",
) -> Seen:
    """So many sockets, as ss(8) prints them and as the lab reads that."""
    state = state or expected.state
    recv_q, send_q = (
        least if given < 0 else given for given, least in ((recv_q, expected.recv_q), (send_q, expected.send_q))
    )
    timer = timer or (f"{expected.timer.most:.0f}sec" if expected.timer else "none")
    more = "" if timer == "none" else f" timer:(timewait,{timer},0)"
    ends = f"198.18.1.138:{port or seen.port} 198.18.1.10"
    lines = [f"tcp {SS.get(state, state)} {recv_q} {send_q} {ends}:{40000 + number}{more}" for number in range(count)]
    found = sockets.parse("\n".join(lines), "server", "little")
    if state not in sockets_can_be():
        raise NoEvidence(f"no socket is ever in the state {state!r}")
    return replace(seen, looks={**seen.looks, expected.look: found})


def sockets_can_be() -> set[str]:
    """The states that a look can show: the words of ss(8), as the lab reads them."""
    words = "ESTAB SYN-SENT SYN-RECV FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSE-WAIT LAST-ACK LISTEN CLOSING".split()
    lines = "\n".join(f"tcp {word} 0 0 198.18.1.138:1 198.18.1.10:2" for word in words)
    return {each.state for each in sockets.parse(lines, "server", "little")}


def _log(seen: Seen, expected: Log, count: int) -> Seen:
    line = matched(re._parser.parse(expected.line))  # type: ignore[attr-defined]
    if not re.search(expected.line, line):
        raise NoEvidence(f"no line was found that has {expected.line!r}, but {line!r}")
    return replace(seen, logs={**seen.logs, expected.of: [line] * count})


def matched(parsed: Iterable[tuple[object, Any]]) -> str:
    """A text that a regular expression takes, from Python's own tree of it; of the kinds of nodes that drills have."""
    text = ""
    for kind, argument in parsed:
        match str(kind):
            case "LITERAL":
                text += chr(argument)
            case "ANY":
                text += "x"
            case "IN":
                text += matched(argument[:1])
            case "RANGE":
                text += chr(argument[0])
            case "CATEGORY":
                text += {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " "}.get(str(argument), "x")
            case "MAX_REPEAT" | "MIN_REPEAT":
                text += matched(argument[2]) * argument[0]
            case "SUBPATTERN":
                text += matched(argument[-1])
            case "BRANCH":
                text += matched(argument[1][0])
            case "AT":
                pass
            case other:
                raise NoEvidence(f"no text is made for {other} here")
    return text


def _duration(seen: Seen, expected: Duration, seconds: float | None) -> Seen:
    made = [replace(each, duration_s=seconds) for each in seen.calls[expected.call]]
    return replace(seen, calls={**seen.calls, expected.call: made})


def _alike(seen: Seen, expected: Alike, answer: bytes = b"told", *, without: bool = False) -> Seen:
    """A conversation of each pair, all the same; but the last one's answer is this, or it has none at all."""
    pairs = [(client, server) for client in expected.from_ for server in expected.to]
    frames: list[Frame] = []
    for number, (client, server) in enumerate(pairs):
        is_last = number == len(pairs) - 1
        ends = seen.addresses[client][0], seen.addresses[server][0]
        ports = 50000 + number, seen.port
        if is_last and without:
            continue
        said = (b"asks", ends, ports), (answer if is_last else b"told", ends[::-1], ports[::-1])
        for payload, (source, destination), (source_port, destination_port) in said:
            syn = frame(len(frames) + 1, number, source=source, to=destination)
            syn = replace(syn, source_port=source_port, destination_port=destination_port)
            frames.append(syn)
            frames.append(replace(syn, number=syn.number + 1, seq=2, payload=payload, flags=frozenset({"ACK"})))
    return replace(seen, frames={**seen.frames, expected.at: frames})
