"""The ladder of a lesson has what a learner is asked about, and nothing that would have to be passed over."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Event, Seen, Socket
from scenarios.evidence.stalls import Stall, Stalls
from scenarios.report.read_run import Frame as Stored
from scenarios.teaching.answers import Evidence
from scenarios.teaching.lesson_ladder import FEW, MARGIN, MOST, WIDTH, ladder
from tests.report import making

BYSTANDER, NOBODY = "198.18.1.12", "198.18.1.180"


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., list[str]]:
    """Draw what was seen, as a lesson does: out of the stored files."""

    def draw(seen: Seen, counted: Callable[[Stored], bool] = lambda _: False) -> list[str]:
        made = making.result(tmp_path / str(len([*tmp_path.iterdir()])), of={"fault": seen})
        stored = Evidence.of(made.folder)
        return [line.plain.rstrip() for line in ladder(stored.result, stored.packets, counted)]

    return draw


Draw = Callable[..., list[str]]


def seen_of(client_leg: Sequence[Frame], server_leg: Sequence[Frame] = ()) -> Seen:
    roles = {**making.ROLES, "bystander": (BYSTANDER,), "nobody": (NOBODY,)}
    seen = making.evidence(client_leg, server_leg, events=[(-10, "hello: the client calls")])
    return replace(seen, addresses=roles, client_side=frozenset({making.CLIENT, BYSTANDER}))  # type: ignore[arg-type]


def arrows(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.count("│") == 3]


SYN = making.segment(1, 0, flags=frozenset({"SYN"}), seq=999, ack=0)


def test_the_heads_stand_over_the_uprights_and_every_arrow_is_as_wide(drawn: Draw) -> None:
    heads, addresses, *lines = drawn(making.evidence(*making.handshake_with_a_lost_syn()))
    assert heads.split() == ["client", "firewall", "server"]
    assert addresses.split() == [making.CLIENT, making.SERVER]
    assert {len(line) for line in arrows(lines)} == {MARGIN + 2 * WIDTH + 3}
    assert len(arrows(lines)) == 5


def test_a_segment_that_is_sent_again_says_so_in_words_that_fit(drawn: Draw) -> None:
    lines = arrows(drawn(making.evidence(*making.handshake_with_a_lost_syn())))
    assert "── SYN ─" in lines[0]
    assert "╳" in lines[0]
    assert "── SYN, sent again ─" in lines[1]
    beside = replace(SYN, source=BYSTANDER, notes=("This frame is a (suspected) retransmission",))
    (line,) = arrows(drawn(seen_of([beside])))
    assert "── bystander: SYN, sent again ─" in line


def test_who_is_not_the_client_or_the_server_is_named(drawn: Draw) -> None:
    (line,) = arrows(drawn(seen_of([replace(SYN, destination=NOBODY)])))
    assert "── to nobody: SYN ─" in line


def test_what_a_message_says_stands_below_it_whole(drawn: Draw) -> None:
    says = "Destination unreachable (Host unreachable)"
    icmp = making.segment(2, 5, back=True, transport="icmp", protocol="ICMP", info=says, flags=frozenset())
    lines = drawn(seen_of([replace(icmp, source=making.FIREWALL)]))
    assert f"{'':>{MARGIN}}│  {says}" in lines


def test_a_reset_has_its_ttl_on_both_sides_of_the_firewall(drawn: Draw) -> None:
    """One that the firewall made has not been handed on by it."""
    reset = making.segment(2, 1, back=True, flags=frozenset({"RST", "ACK"}), ttl=63)
    of_server, of_firewall = making.crossed(reset, 2), replace(reset, ttl=64)
    syn_there = making.crossed(SYN, 1)
    line = arrows(drawn(seen_of([SYN, reset], [syn_there, of_server])))[1]
    assert "─ TTL 63 ──│" in line
    assert "─ RST ACK, TTL 64 ──│" in line
    line = arrows(drawn(seen_of([SYN, of_firewall])))[1]
    assert "─ RST ACK, TTL 64 ──│" in line
    assert "TTL 63" not in line


def test_the_outcome_refused_is_not_contradicted_by_the_word_reset(drawn: Draw) -> None:
    reset = making.segment(2, 1, back=True, flags=frozenset({"RST", "ACK"}), notes=("Connection reset (RST)",))
    assert not any("reset" in line.lower() for line in drawn(seen_of([SYN, reset])))


def test_what_one_link_says_to_itself_is_left_out_but_for_what_is_counted(drawn: Draw) -> None:
    who_has = making.segment(
        2, 300, transport="arp", protocol="ARP", info=f"Who has {NOBODY}? Tell 198.18.1.190", flags=frozenset(),
        source=making.TRANSLATED, destination=NOBODY, source_port=None, destination_port=None, seq=None, ack=None,
    )  # fmt: skip
    of_ipv6 = replace(who_has, number=3, transport="other", protocol="ICMPv6", info="Neighbor Solicitation for fe80::1")
    seen = seen_of([SYN], [who_has, of_ipv6])
    assert len(arrows(drawn(seen))) == 1
    lines = arrows(drawn(seen, lambda frame: frame.transport == "arp"))
    assert len(lines) == 2
    assert f"Who has {NOBODY}" in lines[1]


def test_moments_in_which_the_machine_was_busy_and_the_start_of_programs_leave_one_pause(drawn: Draw) -> None:
    began = making.BEGAN_NS + 100_000_000
    stalls = Stalls((Stall("client", "starved", began, began + 40_000_000, "python"),))
    late = replace(SYN, number=2, time_ns=SYN.time_ns + 1_000_000_000)
    call = {"hello": [making.call_of(began_ms=500, took_ms=400)]}
    seen = replace(seen_of([SYN, late]), stalls=stalls, calls=call)
    lines = drawn(seen)
    assert not any("processor" in line or "begins" in line or "goes on" in line for line in lines)
    at = [number for number, line in enumerate(lines) if "│── SYN" in line]
    between = lines[at[0] + 1 : at[1]]
    assert [line.strip() for line in between] == [
        "⋮ 900.0 ms",
        "900.0 ms · hello: answered after 400.0 ms",
        "⋮ 100.0 ms",
    ]


def test_of_a_very_long_exchange_the_middle_is_left_out_but_never_what_opens_or_ends_a_connection(drawn: Draw) -> None:
    many = [making.segment(number, number, seq=number) for number in range(1, 3 * MOST)]
    reset = making.segment(3 * MOST, MOST + 0.5, flags=frozenset({"RST"}))
    lines = drawn(seen_of([*many, reset], [making.crossed(each, each.number) for each in [*many, reset]]))
    assert [line.split("│")[1].strip("─▶ ") for line in arrows(lines)] == [
        *["ACK"] * FEW,
        "RST, TTL 64",
        *["ACK"] * FEW,
    ]
    told = [int(number) for line in lines for number in re.findall(r"… (\d+) more packets, on the page", line)]
    assert sum(told) + 2 * FEW == len(many)


def test_what_the_firewall_altered_shows_both_and_what_is_notable_stands_whole(drawn: Draw) -> None:
    near = making.segment(1, 0, flags=frozenset({"PSH", "ACK"}), payload=b"Hello, world")
    far = making.crossed(near, 1, payload=b"Jello, world")
    lines = drawn(seen_of([near], [far]))
    assert f"{'':>{MARGIN}}│  (its bytes are altered)" in lines
    assert f"{'':>{MARGIN}}│  'Hello, world' became 'Jello, world'" in lines


def test_a_look_at_the_sockets_shows_them_and_no_line_is_wider_than_a_terminal(drawn: Draw) -> None:
    found = [
        Socket("server", "little", "tcp", "LISTEN", 0, 128, f"{making.SERVER}:65432", "0.0.0.0:*"),
        Socket("server", "little", "tcp", "ESTABLISHED", 1448, 0, f"{making.SERVER}:65432", f"{making.CLIENT}:40000"),
        Socket("server", "little", "tcp", "ESTABLISHED", 0, 0, f"{making.SERVER}:22", f"{making.CLIENT}:40001"),
    ]
    big = replace(SYN, number=2, flags=frozenset({"ACK"}), payload=bytes(1448))
    seen = replace(seen_of([SYN, big]), looks={"there": found})
    seen = replace(seen, events=[*seen.events, Event(making.BEGAN_NS + 1, "look at the sockets of the server")])
    lines = drawn(seen)
    assert [line.strip() for line in lines if line.strip().startswith("server: ")] == [
        "server: LISTEN",
        "server: ESTABLISHED, 1448 bytes unread, 0 sent and not acknowledged",
    ]
    assert max(len(line) for line in lines) <= 80
