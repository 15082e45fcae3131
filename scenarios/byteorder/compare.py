"""The same conversations between every mix of machines, side by side: what each end sent, what differs, and why.

Every client host calls every server host, over IPv4 and with nothing in the way; the bytes are those of the captures.
What differs is told beside the first mix, of two little-endian machines, part by part (evidence/conversation.py). That
table, and what tshark makes of some messages, are the figures of docs/byte-order.md, whose words are written by hand.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.table import Table

from scenarios.calls import port_holders
from scenarios.calls.call import Call
from scenarios.calls.caller import Caller
from scenarios.evidence import run_folder, tshark
from scenarios.evidence.capture import Capture
from scenarios.evidence.conversation import WHY, Conversation, Direction, Kind, Part, conversations, differences
from scenarios.evidence.record import LegCapture
from scenarios.lab.architecture import query_architecture
from scenarios.lab.errors import LabProblem
from scenarios.lab.heartbeat import under_way
from scenarios.lab.lab import Lab
from scenarios.lab.markup import escape
from scenarios.lab.topology import ROOT, Host
from scenarios.lab.valueclass import valueclass
from scenarios.report import markdown_table
from scenarios.spec.cast import CLIENT_NET, SERVER_NET
from scenarios.spec.command_line import words
from scenarios.spec.outcome import Outcome
from scenarios.spec.service import ServiceChoice, resolve
from scenarios.verdict.check import Verdict, check_architecture

Say = Callable[[str], None]
TSHARK_WITHIN_S = 60.0
LEG = "client-leg"
DOCUMENT = ROOT / "docs" / "byte-order.md"
FIGURE = re.compile(r"(<!-- figure: (?P<name>[a-z0-9-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
# What is asked: a server, and those of its clients that ask it, one after another.
ASKED: Mapping[str, tuple[str, ...]] = {
    "search/selectors": ("search", "utf16", "array", "floats"),
    "echo/selectors": ("blocking",),
    "framing/length-prefixed": ("length-prefixed",),
}
SHOWN_BYTES = 24  # of a part that does not differ
SHOWN_PAIRS = ("be-le", "le-be64")
SHOWN_LINES = ("Header length:", "Header:", "Content:", "Integer:")  # of what tshark prints of a message


@valueclass
class Talk:
    """One call, and the bytes that crossed the client's leg for it."""

    chosen: ServiceChoice
    client: Host
    server: Host
    call: Call
    conversation: Conversation

    @property
    def pair(self) -> str:
        """The machine of the client, then of the server: `be-le`."""
        return f"{self.client.end}-{self.server.end}"

    @property
    def call_name(self) -> str:
        """`search/selectors array`."""
        return f"{self.chosen.name} {self.chosen.client_name}"


@valueclass
class Row:
    """A talk beside the first of its service: in which kinds of parts each direction differs, or why it is wrong."""

    talk: Talk
    request: tuple[Kind, ...] = ()
    answer: tuple[Kind, ...] = ()
    wrong: str = ""

    @property
    def differs(self) -> str:
        """`request: byte order, elements; answer: byte order`, or `nothing`."""
        if self.wrong:
            return self.wrong
        if not self.request and not self.answer:
            return "nothing"
        ways = (("request", self.request), ("answer", self.answer))
        return "; ".join(f"{way}: {', '.join(kinds)}" for way, kinds in ways if kinds)


@valueclass
class Compared:
    """All of it: what the machines said that they are, the rows in the order of the calls, tshark's words, and where
    the captures are.
    """

    machines: Mapping[str, str]
    rows: Sequence[Row]
    trees: Mapping[str, Sequence[str]]  # of the request and the answer of one mix, by a name
    folder: Path

    @property
    def verdict(self) -> Verdict:
        return Verdict.FAIL if any(row.wrong for row in self.rows) else Verdict.PASS


def compare(lab: Lab, say: Say) -> Compared:
    """Hold all the conversations in a lab that is up and held, with the machines of every kind. Raises LabProblem."""
    folder = run_folder.new_run()
    clients, servers = (
        [host for host in lab.topology.usual_hosts.values() if host.network == network]
        for network in (CLIENT_NET, SERVER_NET)
    )
    rows: list[Row] = []
    trees: dict[str, Sequence[str]] = {}
    with Caller(lab) as caller:
        hosts = [*clients, *servers]
        with ThreadPoolExecutor() as pool:
            machines = dict(
                zip(
                    (host.name for host in hosts),
                    pool.map(lambda host: query_architecture(lab, host), hosts),
                    strict=True,
                )
            )
        for host in hosts:
            if (check := check_architecture(host, machines[host.name])).holds is not Verdict.PASS:
                raise LabProblem(check.sentence)
        for service, asking in ASKED.items():
            chosen = [resolve(service, client) for client in asking]
            with under_way(f"{service}: every client calls every server"):
                talks, captures = _talk(lab, caller, chosen, clients, servers)
            place = run_folder.cell(folder, "endian", service.replace("/", "-"), "every-mix")
            for leg, capture in captures.items():
                (place / f"{leg}.pcapng").write_bytes(capture.pcapng)
            rows += [row for each in chosen for row in _beside([talk for talk in talks if talk.chosen is each])]
            trees |= _trees(lab, captures[LEG], talks)
            say(f"{service}: {len(talks)} conversations between {len(clients)} clients and {len(servers)} servers")
    return Compared(machines, rows, trees, folder)


def _talk(
    lab: Lab, caller: Caller, chosen: Sequence[ServiceChoice], clients: Sequence[Host], servers: Sequence[Host]
) -> tuple[list[Talk], Mapping[str, LegCapture]]:
    service = chosen[0]
    calls: dict[tuple[str, str], list[Call]] = {}
    with contextlib.ExitStack() as stack:
        for server in servers:
            assert service.server.run is not None  # noqa: S101 (those of ASKED are started)
            argv = words(service.server.run, bind=server.ipv4, host=server.ipv4, port=service.port)
            program = stack.enter_context(caller.running(server.name, argv))
            try:
                program.wait_for_line(service.server.ready or "listening on")
            except LabProblem as problem:
                program.stop()  # so that it is not found itself
                raise port_holders.explained(lab, server.name, service, problem) from problem
        capture = stack.enter_context(Capture(lab))
        for client in clients:
            for server in servers:
                calls[client.name, server.name] = [
                    caller.call(
                        client.name,
                        words(each.client.run, host=server.ipv4, bind=server.ipv4, port=each.port),
                        timeout_s=each.client.timeout_s,
                    )
                    for each in chosen
                ]
        captures = capture.stop()
    read = {leg: tshark.frames(lab, each.pcapng) for leg, each in captures.items()}
    found: list[Talk] = []
    for client in clients:
        for server in servers:
            here, there = (
                conversations(frames, [client.ipv4], [server.ipv4], service.port) for frames in read.values()
            )
            called = calls[client.name, server.name]
            if [each.request.raw + each.answer.raw for each in here] != [
                each.request.raw + each.answer.raw for each in there
            ] or len(here) != len(called):
                raise LabProblem(f"{client.name} and {server.name}: expected the same {len(called)} calls on both legs")
            found += [
                Talk(each, client, server, ended, conversation)
                for each, ended, conversation in zip(chosen, called, here, strict=True)
            ]
    return found, captures


def _beside(talks: Sequence[Talk]) -> Iterator[Row]:
    first = talks[0]
    for talk in talks:
        if talk.call.outcome is not Outcome.ANSWERED or not re.search(
            talk.chosen.client.prints, talk.call.printed, re.MULTILINE
        ):
            yield Row(talk, wrong=f"expected the right answer, and the client printed: {talk.call.printed}")
            continue
        try:
            one, other = first.conversation, talk.conversation
            yield Row(
                talk,
                tuple(_check_byte_order(differences(one.request, other.request), other.request, talk.client)),
                tuple(_check_byte_order(differences(one.answer, other.answer), other.answer, talk.server)),
            )
        except ValueError as error:
            yield Row(talk, wrong=str(error))


def _check_byte_order(kinds: list[Kind], by: Direction, host: Host) -> list[Kind]:
    """The kinds, if the messages name the byte order of the host that sent them. Raises ValueError."""
    if wrong := [order for order in by.orders if order != host.byteorder]:
        raise ValueError(f"{host.name}: expected {host.byteorder}-endian in its headers, got {wrong[0]}-endian")
    return kinds


def _trees(lab: Lab, capture: LegCapture, talks: Sequence[Talk]) -> dict[str, Sequence[str]]:
    """What tshark prints of the request and of the answer of the array, in the mixes that the document shows."""
    found: dict[str, Sequence[str]] = {}
    for talk in talks:
        if talk.chosen.client_name == "array" and talk.pair in SHOWN_PAIRS:
            request, answer = (
                _tree(lab, capture.pcapng, talk.conversation.frames, source) for source in (talk.client, talk.server)
            )
            found |= {f"{talk.pair}-request": request, f"{talk.pair}-answer": answer}
    return found


def _tree(lab: Lab, pcapng: bytes, numbers: Sequence[int], source: Host) -> list[str]:
    """The lines of tshark's detailed output that give a message's parts, of the frames of one sender."""
    chosen = " || ".join(f"frame.number == {number}" for number in numbers)
    command = ["tshark", "-r", "-", "-O", "jsonmsg", "-Y", f"jsonmsg && ip.src == {source.ipv4} && ({chosen})"]
    status, out, err = lab.feed("firewall", command, pcapng, TSHARK_WITHIN_S)
    if status != 0:
        raise LabProblem(f"tshark: {err.strip()}")
    lines = [line.removeprefix("    ") for line in out.decode("utf-8").splitlines()]
    return [line for line in lines if line.lstrip().startswith(SHOWN_LINES)]


def brief(by: Direction) -> str:
    """What one end sent, on one line: the parts that tell its byte order whole, the others as far as there is room.

    `150 bytes: 00 88 {… "big" …} 00000001 fffffffe 0000012c`
    """
    return f"{len(by.raw)} bytes: {' '.join(_brief(part) for part in by.parts)}"


def _brief(part: Part) -> str:
    raw = part.raw
    match part.kind:
        case "header length":
            return raw.hex(" ")
        case "header":
            return "{…" if raw.startswith(b"{") else "…}"
        case "byte order":
            return f'"{raw.decode("ascii")}"'
        case "elements":
            return raw.hex(" ", part.unit)
    more = " …" if len(raw) > SHOWN_BYTES else ""
    if part.kind == "text":
        return raw[:SHOWN_BYTES].hex(" ", part.unit) + more
    with contextlib.suppress(UnicodeDecodeError):
        if (text := raw.decode("utf-8")).isprintable():
            return text[:SHOWN_BYTES] + more
    return raw[:SHOWN_BYTES].hex(" ") + more


def why(rows: Sequence[Row]) -> list[str]:
    """A line for each kind of part that differs somewhere: what it is, and why."""
    kinds = {kind for row in rows for kind in (*row.request, *row.answer)}
    return [f"{kind}: {reason}" for kind, reason in WHY.items() if kind in kinds]


def by_service(rows: Sequence[Row]) -> Iterator[tuple[Talk, list[Row]]]:
    """The rows of each service and client together, with the first talk of them."""
    for asked in dict.fromkeys(row.talk.call_name for row in rows):
        found = [row for row in rows if row.talk.call_name == asked]
        yield found[0].talk, found


def on_a_terminal(compared: Compared) -> Iterator[Table]:
    """A table for each service, and client of it."""
    for first, rows in by_service(compared.rows):
        table = Table(
            title=escape(f"{first.call_name}: {first.chosen.client.about}"),
            title_justify="left",
            box=None,
            pad_edge=False,
        )
        for column in ("pair", "request", "answer", f"differs from {first.pair} in"):
            table.add_column(column, overflow="fold", no_wrap=column == "pair")
        for row in rows:
            made = row.talk.conversation
            style = "bold red" if row.wrong else ""
            cells = (row.talk.pair, brief(made.request), brief(made.answer), row.differs)
            table.add_row(*map(escape, cells), style=style)
        yield table


def figures(compared: Compared) -> dict[str, str]:
    """The figures of the document, by name, as Markdown."""
    found = {"machines": _table(("host", "says that it is"), list(compared.machines.items()))}
    for first, rows in by_service(compared.rows):
        cells = [
            (
                row.talk.pair,
                f"`{brief(row.talk.conversation.request)}`",
                f"`{brief(row.talk.conversation.answer)}`",
                row.differs,
            )
            for row in rows
        ]
        heads = ("pair", "request", "answer", f"differs from {first.pair} in")
        found[first.call_name.replace("/", "-").replace(" ", "-")] = _table(heads, cells)
    for name, lines in compared.trees.items():
        found[name] = "".join(f"    {line}\n" for line in lines)
    found["why"] = "".join(f"- {line}\n" for line in why(compared.rows))
    return found


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"{line}\n" for line in markdown_table.table(heads, rows))


def with_figures(text: str, made: Mapping[str, str]) -> str:
    """The document with its figures made anew. Raises ValueError for one that there is not, or that is not shown."""
    named_there = [found["name"] for found in FIGURE.finditer(text)]
    if unknown := [name for name in named_there if name not in made]:
        raise ValueError(f"{DOCUMENT.name}: unknown figure {unknown[0]!r}; there are: {', '.join(made)}")
    if missing := [name for name in made if name not in named_there]:
        raise ValueError(f"{DOCUMENT.name}: expected the figure {missing[0]!r} in it, too")
    return FIGURE.sub(lambda found: f"{found[1]}{made[found['name']]}{found[4]}", text)


def write(compared: Compared, path: Path = DOCUMENT) -> bool:
    """Make the figures of the document anew; whether it has changed. Raises ValueError as `with_figures` does."""
    before = path.read_text(encoding="utf-8")
    after = with_figures(before, figures(compared))
    path.write_text(after, encoding="utf-8")
    return after != before
