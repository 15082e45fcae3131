"""The rows of the picture: every packet once, where it died, what the firewall made of it, when the fault was there."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from scenarios.evidence import frames_json, pairing
from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Seen
from scenarios.evidence.stalls import Stall, Stalls
from scenarios.lab.topology import ROOT
from scenarios.report import ladder_text, read_run
from scenarios.report.ladder import PAUSE_NS, LadderRow, Picture, Row, picture
from scenarios.spec.outcome import Outcome
from tests.report.making import (
    BACKEND,
    BEGAN_NS,
    CLIENT,
    FIREWALL,
    SERVER,
    TRANSLATED,
    call_of,
    crossed,
    evidence,
    handshake_with_a_lost_syn,
    of_a_day_with_two_legs,
    result,
    segment,
    through_a_proxy,
)


def draw(folder: Path, client_leg: list[Frame], server_leg: list[Frame], **changes: object) -> Picture:
    """The picture of these packets, by way of the folder of a run."""
    made = result(folder, of={"fault": evidence(client_leg, server_leg, **changes)})  # type: ignore[arg-type]
    stored = read_run.result(made.folder)["runs"]["fault"]
    return picture(stored, read_run.packets(made.folder / "fault"))


def packets(of: Picture) -> list[LadderRow]:
    return [row.packet for row in of.rows if row.packet]


def words_of_rows(of: Picture) -> list[str]:
    return [row.says for row in of.rows if row.says]


@pytest.fixture
def lost_syn(tmp_path: Path) -> Picture:
    return draw(tmp_path, *handshake_with_a_lost_syn())


def test_a_lost_packet_ends_at_the_firewall_and_its_retransmission_crosses_it(lost_syn: Picture) -> None:
    first, again = packets(lost_syn)[:2]
    assert (first.left, first.right, first.fate) == (1, None, "lost")
    assert (again.left, again.right, again.fate) == (2, 1, "crossed")
    assert (first.marks, again.marks) == ((), ("retransmission",))
    assert again.crossing_us == 10.0


def test_sequence_and_acknowledgement_numbers_are_relative_to_the_syn_of_their_direction(lost_syn: Picture) -> None:
    assert [each.numbers for each in packets(lost_syn)] == [
        "seq 0",
        "seq 0",
        "seq 0 ack 1",
        "seq 1 ack 1",
        "seq 1 ack 1",
    ]
    assert [each.flags for each in packets(lost_syn)] == ["SYN", "SYN", "SYN ACK", "ACK", "PSH ACK"]
    assert packets(lost_syn)[-1].size == "8 bytes"
    assert packets(lost_syn)[-1].carries == ("✉ little text/json: question",)


def test_sequence_numbers_that_wrap_stay_relative(tmp_path: Path) -> None:
    syn = segment(1, 0, flags=frozenset({"SYN"}), seq=2**32 - 1, ack=0)
    data = segment(2, 1, seq=0, ack=0, payload=b"x")
    assert packets(draw(tmp_path, [syn, data], []))[1].numbers.startswith("seq 1 ")


def test_a_connection_that_uses_the_same_ports_again_begins_anew(tmp_path: Path) -> None:
    one = segment(1, 0, flags=frozenset({"SYN"}), seq=100, ack=0)
    other = segment(2, 1, flags=frozenset({"SYN"}), seq=700, ack=0)
    of = draw(tmp_path, [one, other], [])
    assert [(each.connection, each.numbers) for each in packets(of)] == [(1, "seq 0"), (2, "seq 0")]
    assert len(of.connections) == 2


def test_time_begins_with_the_first_packet_and_a_pause_says_how_long_it_was(lost_syn: Picture) -> None:
    rows = list(lost_syn.rows)
    at = next(number for number, row in enumerate(rows) if row.packet)
    assert rows[at].at_ms == 0
    assert rows[at + 1].pause_s == pytest.approx(1.014)
    assert rows[at + 2].at_ms == pytest.approx(1014)
    assert [row.at_ms for row in rows if row.pause_s is None] == sorted(
        row.at_ms for row in rows if row.pause_s is None
    )


def test_a_longer_pause_is_drawn_higher_by_the_logarithm_of_its_time() -> None:
    heights = [Row(0, pause_s=seconds).height_em for seconds in (PAUSE_NS / 1e9, 0.1, 1.0, 10.0)]
    steps = {round(later - earlier, 2) for earlier, later in itertools.pairwise(heights)}
    assert steps == {0.9}


def test_rows_are_shaded_from_the_moment_of_the_fault_to_its_heal(lost_syn: Picture) -> None:
    shaded = {row.says: row.in_force for row in lost_syn.rows if row.says}
    assert shaded["lose-one is in force"]
    assert shaded["heal lose-one"]
    assert not shaded["wait 1ms"]
    assert not shaded["fault lose-one: the firewall drops the first SYN"]
    assert all(row.in_force for row in lost_syn.rows if row.packet)
    assert lost_syn.windows == ("lose-one",)


def test_a_fault_that_nobody_heals_is_in_force_to_the_end(tmp_path: Path) -> None:
    events = [(-2.0, "fault x: it"), (-1.0, "x is in force"), (3000.0, "wait 1ms")]
    of = draw(tmp_path, *handshake_with_a_lost_syn(), events=events)
    assert [row.in_force for row in of.rows if row.says == "wait 1ms"] == [True]


def test_what_is_given_is_no_fault_and_shades_nothing(tmp_path: Path) -> None:
    events = [(-2.0, "given that the firewall delays (distance)"), (-1.0, "distance is in force")]
    of = draw(tmp_path, *handshake_with_a_lost_syn(), events=events)
    assert not any(row.in_force for row in of.rows)
    assert {row.kind for row in of.rows if row.says == "distance is in force"} == {"step"}


def test_a_call_stands_beside_the_packets_from_its_begin_to_its_end_with_its_outcome(lost_syn: Picture) -> None:
    assert "hello: the program begins on client-be" in words_of_rows(lost_syn)
    assert "hello: answered after 1.030 s" in words_of_rows(lost_syn)
    assert "hello ended: answered" not in words_of_rows(lost_syn), "the call's own record says it, with a better time"
    bars = [row.lanes[0] for row in lost_syn.rows]
    assert bars.count("begins answered") == bars.count("ends answered") == 1
    begins, ends = bars.index("begins answered"), bars.index("ends answered")
    assert set(bars[begins + 1 : ends]) == {"on answered"}
    assert set(bars[:begins] + bars[ends + 1 :]) <= {""}


def test_of_a_program_that_was_started_for_a_call_the_time_is_called_the_programs(tmp_path: Path) -> None:
    cold = {"hello": [replace(call_of(), warm=False)]}
    words = words_of_rows(draw(tmp_path, *handshake_with_a_lost_syn(), calls=cold))
    assert "hello: answered; its program ran for 1.030 s" in words


def test_a_call_that_never_began_keeps_its_event(tmp_path: Path) -> None:
    cancelled = replace(call_of(Outcome.TIMED_OUT), started_s=None, duration_s=None)
    events = [(1.0, "hello ended: timed out")]
    of = draw(tmp_path, [segment(1, 0)], [], calls={"hello": [cancelled]}, events=events)
    assert "hello ended: timed out" in words_of_rows(of)
    assert of.lanes == 0


def test_calls_at_the_same_time_stand_side_by_side_and_others_one_below_the_other(tmp_path: Path) -> None:
    together = [call_of(began_ms=0, took_ms=10), call_of(began_ms=5, took_ms=10), call_of(began_ms=20, took_ms=10)]
    assert draw(tmp_path, [segment(1, 0)], [], calls={"crowd": together}).lanes == 2


def test_a_translated_packet_is_one_packet_and_says_how_its_address_changed(tmp_path: Path) -> None:
    here = segment(1, 0, seq=7, ack=7)
    there = crossed(here, 1, source=TRANSLATED, source_port=50000)
    (packet,) = packets(draw(tmp_path, [here], [there]))
    assert (packet.left, packet.right, packet.fate) == (1, 1, "altered")
    assert packet.marks == (f"from {CLIENT}:40000 becomes {TRANSLATED}:50000",)


def test_a_connection_whose_addresses_are_translated_is_one_and_its_numbers_go_on(tmp_path: Path) -> None:
    syn = segment(1, 0, flags=frozenset({"SYN"}), seq=99, ack=0)
    answer = segment(2, 1, back=True, flags=frozenset({"SYN", "ACK"}), seq=499, ack=100)
    data = segment(3, 2, seq=100, ack=500, payload=b"x")
    reset = segment(4, 3, back=True, flags=frozenset({"RST"}), seq=500, ack=0)
    there = {"source": TRANSLATED, "source_port": 50000}
    back = {"destination": TRANSLATED, "destination_port": 50000}
    rebound = {"source": TRANSLATED, "source_port": 60000}
    server_leg = [crossed(syn, 1, **there), crossed(answer, 2, **back), crossed(data, 3, **rebound)]
    server_leg.append(crossed(reset, 4, destination=TRANSLATED, destination_port=60000))
    of = draw(tmp_path, [syn, answer, data, reset], server_leg)
    assert [each.fate for each in packets(of)] == ["altered"] * 4
    assert {each.connection for each in packets(of)} == {1}
    assert [each.numbers for each in packets(of)] == ["seq 0", "seq 0 ack 1", "seq 1 ack 1", "seq 1"]


def test_a_damaged_segment_is_one_packet_that_the_firewall_altered(tmp_path: Path) -> None:
    here = segment(1, 0, payload=b"Hello")
    (packet,) = packets(draw(tmp_path, [here], [crossed(here, 1, payload=b"Jello", checksum_good=False)]))
    assert packet.fate == "altered"
    assert packet.marks == ("its bytes are altered", "bad checksum")


def test_a_segment_that_the_firewall_cuts_is_followed_by_its_pieces(tmp_path: Path) -> None:
    here = segment(1, 0, seq=10, payload=b"abc")
    pieces = [crossed(segment(9, 1, seq=10 + n, payload=b"abc"[n : n + 1]), n + 1) for n in range(3)]
    of = packets(draw(tmp_path, [here], pieces))
    assert [each.fate for each in of] == ["cut", "piece", "piece", "piece"]
    assert of[0].marks == ("cut into 3 segments",)


@pytest.mark.parametrize("length", [1, 2], ids=["a byte less", "a byte more"])
def test_pieces_that_do_not_carry_just_the_bytes_of_a_segment_do_not_explain_its_loss(
    tmp_path: Path, length: int
) -> None:
    here = segment(1, 0, seq=10, payload=b"abc")
    pieces = [crossed(segment(9, 1, seq=10 + n * length, payload=b"x" * length), n + 1) for n in range(2)]
    assert [each.fate for each in packets(draw(tmp_path, [here], pieces))] == ["lost", "made", "made"]


def test_what_the_firewall_says_itself_begins_there_and_what_stays_on_its_link_is_not_lost(tmp_path: Path) -> None:
    reset = segment(1, 0, back=True, flags=frozenset({"RST", "ACK"}))  # in the server's name
    icmp = segment(2, 1, transport="icmp", source=FIREWALL, destination=CLIENT, protocol="ICMP", info="unreachable")
    arp = segment(3, 2, transport="arp", source=CLIENT, destination="198.18.1.10", protocol="ARP", info="Who has")
    solicitation = segment(4, 3, transport="icmp", source="fe80::1", destination="ff02::1", protocol="ICMPv6", info="x")
    ping = segment(5, 4, transport="icmp", source=CLIENT, destination=FIREWALL, protocol="ICMP", info="Echo request")
    of = packets(draw(tmp_path, [reset, icmp, arp, solicitation, ping], []))
    assert [(each.fate, each.rightwards) for each in of] == [
        ("made", False),
        ("made", False),
        ("local", True),
        ("local", True),
        ("taken", True),
    ]
    assert of[0].marks == ("reset",)
    assert (of[1].carries, of[2].carries, of[2].about) == (("unreachable",), (), "Who has")


def test_a_server_in_the_middle_has_its_client_on_its_left_and_its_backend_on_its_right(tmp_path: Path) -> None:
    made = result(tmp_path, of={"fault": through_a_proxy()})
    of = picture(read_run.result(made.folder)["runs"]["fault"], read_run.packets(made.folder / "fault"))
    assert of.ends == ("client", "server", "backend")
    asked, on, answered = packets(of)
    assert [(each.of_backend, each.rightwards, each.fate) for each in packets(of)] == [
        (False, True, "crossed"),
        (True, True, "crossed"),
        (True, False, "lost"),
    ]
    assert [each.first_leg for each in (asked, on, answered)] == ["client-leg", "server-leg", "backend-leg"]
    assert [each.legs for each in (asked, on, answered)] == [
        (("client-leg", 1), ("server-leg", 1)),
        (("server-leg", 2), ("backend-leg", 1)),
        (("server-leg", None), ("backend-leg", 2)),
    ]
    assert [each.connection for each in (asked, on, answered)] == [1, 2, 2]


def test_a_run_of_a_day_when_a_backend_stood_on_the_clients_side_is_drawn_as_it_was(tmp_path: Path) -> None:
    made = result(tmp_path, of={"fault": of_a_day_with_two_legs()})
    kept = json.loads((made.folder / "fault" / "frames.json").read_text("utf-8"))
    assert (len(kept["legs"]), "backend_side" in kept) == (2, False)
    of = picture(read_run.result(made.folder)["runs"]["fault"], read_run.packets(made.folder / "fault"))
    assert of.ends == ("client", "server", "backend")
    asked, on, answered = packets(of)
    assert asked.legs == (("client-leg", 1), ("server-leg", 1))
    assert (on.legs, on.rightwards, on.of_backend) == ((("server-leg", 2), ("client-leg", 2)), True, True)
    assert (answered.legs, answered.fate) == ((("server-leg", None), ("client-leg", 3)), "lost")


@pytest.mark.parametrize("seen", [through_a_proxy(), of_a_day_with_two_legs()], ids=["three legs", "two legs"])
def test_what_is_kept_of_a_server_in_the_middle_is_as_its_schema_says(tmp_path: Path, seen: Seen) -> None:
    made = result(tmp_path, of={"fault": seen})
    kept = json.loads((made.folder / "fault" / "frames.json").read_text("utf-8"))
    schema = json.loads((ROOT / "docs" / "frames.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(kept)
    assert {len(numbers) for numbers in kept["packets"]} == {len(kept["legs"])}


def test_the_text_of_a_ladder_with_a_server_in_the_middle_has_three_columns(tmp_path: Path) -> None:
    made = result(tmp_path, of={"fault": through_a_proxy()})
    of = picture(read_run.result(made.folder)["runs"]["fault"], read_run.packets(made.folder / "fault"))
    heads, *lines = ladder_text.draw(of)
    assert heads.split() == ["client", "firewall", "server", "firewall", "backend"]
    drawn = [line[11:].split("│")[1:-1] for line in lines if "│" in line]
    assert [["▶" in half or "◀" in half or "╳" in half for half in row] for row in drawn] == [
        [True, True, False, False],
        [False, False, True, True],
        [False, False, False, True],
    ]
    assert "╳" in drawn[2][3]


def test_what_a_client_and_a_backend_say_to_each_other_themselves_is_drawn_past_the_server(tmp_path: Path) -> None:
    past = replace(segment(1, 0), destination=BACKEND)
    seen = through_a_proxy()
    legs = {"client-leg": [past], "server-leg": [], "backend-leg": [crossed(past, 1)]}
    made = result(tmp_path, of={"fault": replace(seen, frames=legs)})
    of = picture(read_run.result(made.folder)["runs"]["fault"], read_run.packets(made.folder / "fault"))
    (packet,) = packets(of)
    assert (packet.legs, packet.fate) == ((("client-leg", 1), ("backend-leg", 1)), "crossed")
    assert (packet.past_server, packet.of_backend, packet.rightwards) == (True, False, True)


def test_a_server_without_a_backend_has_two_ends(lost_syn: Picture) -> None:
    assert lost_syn.ends == ("client", "server")
    assert not any(each.of_backend for each in packets(lost_syn))


def test_a_packet_that_is_sent_back_by_the_leg_it_came_by_is_neither_lost_nor_made(tmp_path: Path) -> None:
    virtual, neighbour = "198.18.1.180", "198.18.1.12"
    syn = segment(1, 0, destination=virtual)
    turned = replace(syn, number=2, time_ns=syn.time_ns + 10_000, source=TRANSLATED, destination=neighbour)
    answer = replace(turned, number=3, time_ns=syn.time_ns + 20_000, seq=5, source=neighbour, destination=TRANSLATED)
    shown = replace(answer, number=4, time_ns=syn.time_ns + 30_000, source=virtual, destination=CLIENT)
    lost = replace(syn, number=5, time_ns=syn.time_ns + 40_000, identification=9)
    of = evidence([syn, turned, answer, shown, lost], [])
    addresses = {**of.addresses, "nobody": (virtual,), "bystander": (neighbour,)}
    of = replace(of, addresses=addresses, client_side=frozenset({CLIENT, neighbour, TRANSLATED}))
    made = result(tmp_path, of={"fault": of})
    found = packets(picture(read_run.result(made.folder)["runs"]["fault"], read_run.packets(made.folder / "fault")))
    assert [(each.left, each.fate, each.rightwards, each.destination) for each in found] == [
        (1, "turned", True, "nobody"),
        (2, "turned", False, "bystander"),
        (3, "turned", True, "firewall"),
        (4, "turned", False, "client"),
        (5, "lost", True, "nobody"),
    ]


def test_every_frame_of_both_legs_is_on_exactly_one_rung(lost_syn: Picture) -> None:
    client_leg, server_leg = handshake_with_a_lost_syn()
    found = packets(lost_syn)
    assert sorted(each.left for each in found if each.left) == [frame.number for frame in client_leg]
    assert sorted(each.right for each in found if each.right) == [frame.number for frame in server_leg]
    assert lost_syn.packets == 5


def test_of_equal_packets_the_page_says_that_another_may_have_crossed(tmp_path: Path) -> None:
    """As over IPv6, where two equal answers are late, and one of them was lost."""
    asked = [segment(n, at_ms, transport="udp", identification=None) for n, at_ms in ((1, 0), (2, 2750))]
    late = [replace(asked[0], number=1, time_ns=BEGAN_NS + 3_000_000_000, ttl=63)]
    lost, crossing = packets(draw(tmp_path, asked, late))
    assert (lost.fate, crossing.fate) == ("lost", "crossed")
    assert (pairing.OR_ANOTHER in lost.marks, pairing.OR_ANOTHER in crossing.marks) == (False, True)
    (kept,) = tmp_path.rglob("frames.json")
    schema = json.loads((ROOT / "docs" / "frames.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(kept.read_text("utf-8")))


def test_the_frames_file_keeps_a_packet_without_more_of_its_payload_than_a_preview(tmp_path: Path) -> None:
    made = evidence([segment(1, 0, payload=bytes(1000), notes=("a note",))], [])
    frames_json.write(tmp_path, made)
    kept = read_run.packets(tmp_path)
    assert kept is not None
    (packet,) = kept.packets
    assert packet.server_leg is None
    assert packet.client_leg is not None
    assert (packet.client_leg.payload_bytes, len(packet.client_leg.payload)) == (1000, 2 * 48)
    assert (packet.client_leg.source, packet.client_leg.destination) == (CLIENT, SERVER)
    assert packet.client_leg.notes == ("a note",)
    assert (tmp_path / "frames.json").stat().st_size < 1000


def stalled(folder: Path, *found: Stall) -> Picture:
    run = evidence(*handshake_with_a_lost_syn())
    made = result(folder, of={"fault": replace(run, stalls=Stalls(found, stolen_s=0.02))})
    stored = read_run.result(made.folder)["runs"]["fault"]
    assert stored["stalls"]["largest_s"] == {each.machine or "machine": each.length_s for each in found}
    return picture(stored, read_run.packets(made.folder / "fault"))


def test_a_stall_stands_on_the_time_axis_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    python = Stall("server", "stopped", BEGAN_NS + 200_000_000, BEGAN_NS + 900_000_000, "python", 7)
    drawn_with = stalled(tmp_path, python)
    at_ms = {row.says: row.at_ms for row in drawn_with.rows if row.kind == "stall"}
    assert at_ms == {"python on server stood still for 0.70 s": 200.0, "python on server goes on": 900.0}
    assert {row.stalled for row in drawn_with.rows if 200 <= row.at_ms < 900} == {True}
    assert {row.stalled for row in drawn_with.rows if not 200 <= row.at_ms <= 900} == {False}


def test_a_stall_of_all_of_the_machine_and_one_of_the_runner_are_called_so(tmp_path: Path) -> None:
    machine = Stall("", "still", BEGAN_NS + 200_000_000, BEGAN_NS + 300_000_000)
    runner = replace(machine, machine="runner", began_ns=BEGAN_NS + 250_000_000)
    words = [each for each in words_of_rows(stalled(tmp_path, machine, runner)) if "still" in each]
    assert words == ["the machine stood still for 0.10 s", "the runner stood still for 0.05 s"]


def test_the_result_of_an_earlier_version_has_a_picture_without_stalls(tmp_path: Path) -> None:
    made = result(tmp_path, of={"fault": evidence(*handshake_with_a_lost_syn())})
    stored = read_run.result(made.folder)["runs"]["fault"]
    del stored["stalls"]
    assert not any(row.stalled or row.kind == "stall" for row in picture(stored, None).rows)


def test_the_terminal_draws_a_stall_before_the_first_packet_that_came_after_it_began() -> None:
    legs = handshake_with_a_lost_syn()
    machine = Stall("", "still", legs[0][0].time_ns + 1_000_000, legs[0][0].time_ns + 500_000_000)
    late = replace(machine, began_ns=legs[0][-1].time_ns + 5_000_000_000, ended_ns=legs[0][-1].time_ns + 5_100_000_000)
    lines = [
        line.plain.strip()
        for line in pairing.draw(pairing.rungs(*legs, {CLIENT}), ("client", ""), ("server", ""), stalls=[late, machine])
    ]
    first = next(number for number, line in enumerate(lines) if "SYN" in line)
    assert lines[first + 1] == "1.000ms ▒ the machine stood still for 0.50 s"
    assert "SYN" in lines[first + 2]
    assert lines[-1].endswith("the machine stood still for 0.10 s")
