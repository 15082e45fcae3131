"""Runs made by hand: a folder as a run leaves it, with packets, programs' words and verdicts that a test chooses.

What is written is written by the code that writes it in a real run; only the packets and the calls are made up.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scenarios.calls.call import Call
from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Event, LegCapture, Seen
from scenarios.evidence.run_folder import folder_of
from scenarios.faults.catch import Caught
from scenarios.run import cell as running
from scenarios.run import summary
from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.cell import Cell
from scenarios.spec.outcome import Outcome
from scenarios.spec.pairs import Pair
from scenarios.spec.service import services
from scenarios.verdict.check import Check, Verdict
from scenarios.verdict.result import Result
from scenarios.verdict.survival import Survival

CLIENT, SERVER = "198.18.1.11", "198.18.1.138"
FIREWALL, TRANSLATED = "198.18.1.62", "198.18.1.190"  # its addresses on the client's leg and on the server's
BEGAN_NS = 1_795_281_029_000_000_000
# What a program or the wire may say: markup, what ends markup, controls, and what turns the direction of the text.
HOSTILE = "<script>window.hit=1</script><img src=x onerror='window.hit=1'>\"'`&amp;{{7*7}}"
HOSTILE += "\x00\x1b[31m\x7f\u202e</pre></td>|*a*"
ROLES: Mapping[str, tuple[str, ...]] = {"client": (CLIENT,), "server": (SERVER,), "firewall": (FIREWALL, TRANSLATED)}


# Reading them takes half a second of a processor, and they are the same for every result.
catalogue = functools.cache(drills)
offered = functools.cache(services)


def segment(number: int, time_ms: float, *, back: bool = False, **changes: object) -> Frame:
    """A segment from the client (or back to it) as the client's leg shows it, `time_ms` after the beginning."""
    source, destination = (SERVER, CLIENT) if back else (CLIENT, SERVER)
    ports = (65432, 40000) if back else (40000, 65432)
    frame = Frame(
        number=number, time_ns=BEGAN_NS + round(time_ms * 1e6), length=66, transport="tcp",
        source=source, destination=destination, source_port=ports[0], destination_port=ports[1],
        identification=number, ttl=63 if back else 64, flags=frozenset({"ACK"}), seq=1, ack=1, window=500, options="",
        payload=b"", protocol="TCP", info="", notes=(), messages=(), byteorders=(), checksum_good=True,
    )  # fmt: skip
    return replace(frame, **changes)  # type: ignore[arg-type]


def crossed(frame: Frame, number: int, **changes: object) -> Frame:
    """The same packet on the other leg."""
    later = -10_000 if frame.source == SERVER else 10_000  # an answer passes the server's leg first
    found = replace(frame, number=number, time_ns=frame.time_ns + later, ttl=127 - frame.ttl)
    return replace(found, **changes)  # type: ignore[arg-type]


def handshake_with_a_lost_syn() -> tuple[list[Frame], list[Frame]]:
    """The frames of both legs: a SYN that is lost, the same again after a second, and the rest of the exchange."""
    syn = segment(1, 0, flags=frozenset({"SYN"}), seq=999, ack=0)
    again = replace(syn, number=2, time_ns=syn.time_ns + 1_014_000_000, identification=2)
    again = replace(again, notes=("This frame is a (suspected) retransmission",))
    answer = segment(3, 1014.2, back=True, flags=frozenset({"SYN", "ACK"}), seq=4999, ack=1000)
    ack = segment(4, 1014.3, seq=1000, ack=5000)
    data = segment(
        5, 1014.8, flags=frozenset({"PSH", "ACK"}), seq=1000, ack=5000, payload=b"question", protocol="JSONMSG"
    )
    data = replace(data, messages=("little text/json: question",))
    client_leg = [syn, again, answer, ack, data]
    server_leg = [crossed(each, number) for number, each in enumerate(client_leg[1:], start=1)]
    return client_leg, server_leg


def call_of(ended: Outcome = Outcome.ANSWERED, *, began_ms: float = -5, took_ms: float = 1030, said: str = "") -> Call:
    """A call of the client's program."""
    return Call(
        host="client-be", argv=("client", HOSTILE), outcome=ended, errno=None, status=0, signal=None, stdout=said,
        stderr="", dropped_bytes=0, started_s=(BEGAN_NS + began_ms * 1e6) / 1e9, duration_s=took_ms / 1e3, cpu_s=0.01,
        warm=True,
    )  # fmt: skip


def evidence(
    client_leg: Sequence[Frame],
    server_leg: Sequence[Frame],
    *,
    armed: bool = True,
    calls: Mapping[str, Sequence[Call]] | None = None,
    logs: Mapping[str, Sequence[str]] | None = None,
    events: Sequence[tuple[float, str]] | None = None,
) -> Seen:
    """What one run of a script left; events with their milliseconds after the beginning."""
    if events is None:
        of_fault = [(-20.0, "fault lose-one: the firewall drops the first SYN"), (-15.0, "lose-one is in force")]
        events = [*(of_fault if armed else []), (-10, "hello: the client calls"), (1030, "hello ended: answered")]
        events += [(1031, "heal lose-one"), (1032, "wait 1ms")] if armed else []
    frames = {"client-leg": list(client_leg), "server-leg": list(server_leg)}
    return Seen(
        armed=armed,
        port=65432,
        addresses=ROLES,  # type: ignore[arg-type]
        client_side=frozenset({CLIENT, TRANSLATED}),
        calls=calls if calls is not None else {"hello": [call_of()]},
        caught={"lose-one": Caught(1, details=("tcp client to server",))} if armed else {},
        looks={},
        logs=logs if logs is not None else {"server": ["listening on"], "hello": [HOSTILE]},
        captures={leg: LegCapture(leg, b"", len(each), 0) for leg, each in frames.items()},
        frames=frames,
        events=[Event(BEGAN_NS + round(at_ms * 1e6), what) for at_ms, what in events],
        timings_s={"calls": 1.03},
    )


def survival(
    word: str = "survived", *, as_promised: bool = True, others: str = "served", after: str = "well"
) -> Survival:
    """A cell's word; others and afterwards are promised to be served and well."""
    return Survival(
        word=word, kind=word.partition(" ")[0], promised="survived", as_promised=as_promised,
        others=others, others_promised="served", others_as_promised=others == "served",
        after=after, after_promised="well", after_as_promised=after == "well",
    )  # fmt: skip


def result(
    run_folder: Path,
    *,
    drill: str = "lost-syn",
    service: str | None = None,
    pair: Pair = "be-le",
    verdict: Verdict = Verdict.PASS,
    sentence: str = "",
    of: Mapping[str, Seen] | None = None,
    word: Survival | None = None,
    repeat: int = 1,
) -> Result:
    """A cell's result, with its folder, as running.run leaves it."""
    known = catalogue()[drill]
    cell = Cell(known, chosen_service(known, service, offered()), pair, repeat=repeat)
    folder = folder_of(run_folder, cell)
    if of is None:
        client_leg, server_leg = handshake_with_a_lost_syn()
        of = {"control": evidence(client_leg[1:], server_leg, armed=False), "fault": evidence(client_leg, server_leg)}
    checks = [
        Check("hits of the fault lose-one", "exactly 1", "1", Verdict.PASS),
        Check("packets with SYN on the client-leg", "exactly 2", HOSTILE, verdict, {"client-leg": [1, 2]}),
    ]
    control = [Check("control: outcome of hello", "answered", "answered", Verdict.PASS)]
    made = Result(cell, verdict, sentence or known.claim, control, checks if of else [], of, folder, 1.25, False)
    made = replace(made, survival=word)
    running._store(made)
    return made


def run(run_folder: Path, results: Sequence[Result], not_run: int = 0) -> Path:
    """The end of a run: its summary and its report; the path of its first page. `not_run`: after an interrupt."""
    summary.write(run_folder, results, len(results) + not_run, 9.0)
    return run_folder / "index.html"


BACKEND = "198.18.1.96"


def of_backend(number: int, time_ms: float, *, back: bool = False, **changes: object) -> Frame:
    """A segment from the server to its backend (or back from it) as the server's leg shows it."""
    ends: tuple[object, ...] = (SERVER, 50000, BACKEND, 9000)
    if back:
        ends = (*ends[2:], *ends[:2])
    frame = segment(number, time_ms)
    keys = ("source", "source_port", "destination", "destination_port")
    return replace(frame, **{**dict(zip(keys, ends, strict=True)), **changes})  # type: ignore[arg-type]


def _through_a_proxy() -> tuple[Frame, Frame, Frame]:
    asked = segment(1, 0, payload=b"question", flags=frozenset({"PSH", "ACK"}))
    on = of_backend(2, 5, payload=b"question", flags=frozenset({"PSH", "ACK"}))
    return asked, on, of_backend(3, 7, back=True, payload=b"answer", flags=frozenset({"PSH", "ACK"}))


def through_a_proxy() -> Seen:
    """A request through a server in the middle: to it, on to its backend, and the backend's answer, which is lost."""
    asked, on, answered = _through_a_proxy()
    found = evidence([asked], [crossed(asked, 1), on])
    behind = [replace(on, number=1, time_ns=on.time_ns + 10_000), replace(answered, number=2)]
    return replace(
        found,
        addresses={**found.addresses, "backend": (BACKEND,)},
        backend_side=frozenset({BACKEND}),
        frames={**found.frames, "backend-leg": behind},
        captures={**found.captures, "backend-leg": LegCapture("backend-leg", b"", 2, 0)},
    )


def of_a_day_with_two_legs() -> Seen:
    """The same, of a run that was made while a backend stood on the client's side of the firewall."""
    asked, on, answered = _through_a_proxy()
    found = evidence([asked, replace(on, number=2, time_ns=on.time_ns + 10_000), answered], [crossed(asked, 1), on])
    return replace(
        found, addresses={**found.addresses, "backend": (BACKEND,)}, client_side=found.client_side | {BACKEND}
    )
