"""The drills for kinds of programs: how many fit a stranger, and that none of them claims anything of its program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.drill import Drill
from scenarios.spec.expectations import Sockets
from scenarios.spec.kernel_faults import Silence
from scenarios.spec.packet_expectations import Order, Packets
from scenarios.spec.program_faults import Pause
from scenarios.spec.service import read_service, services
from tests.spec.test_service_files import GOOD, service_of

KNOWN = services()
CATALOGUE = drills(known=KNOWN)
ANY = {name: drill for name, drill in CATALOGUE.items() if name.startswith("any-")}


def fitting_names(tmp_path: Path, said: str) -> set[str]:
    """The drills that fit a program of an image, of which the lab knows nothing but how it is called."""
    known = {**KNOWN, "mine": read_service(service_of(tmp_path, f"{GOOD}{said}\n"), KNOWN)}
    found = set()
    for name, drill in CATALOGUE.items():
        try:
            chosen_service(drill, "mine", known)
        except ValueError:
            continue
        found.add(name)
    return found


@pytest.mark.parametrize("said", ["", "families: [ipv4]", "conversation: other", "conversation: greeting"])
def test_at_least_45_drills_fit_any_program_over_tcp(tmp_path: Path, said: str) -> None:
    assert len(fitting_names(tmp_path, said)) >= 45


@pytest.mark.parametrize("said", ["transport: udp", "transport: udp\nfamilies: [ipv4]"])
def test_at_least_15_drills_fit_any_program_over_udp(tmp_path: Path, said: str) -> None:
    assert len(fitting_names(tmp_path, said)) >= 15


@pytest.mark.parametrize("drill", ANY.values(), ids=list(ANY))
def test_a_drill_for_a_kind_rests_on_the_kernel_and_the_network_alone(drill: Drill) -> None:
    assert drill.is_general
    kinds = {type(each.value).__name__ for each in drill.expect}
    if drill.control_with:  # nothing fails there: what it claims is that the program does as in the control
        assert kinds == {"Alike", "Outcomes"}
        return
    assert kinds <= {"Hits", "Packets", "Order", "Sockets"}
    assert any(isinstance(each.value, Packets | Order | Sockets) for each in drill.expect)
    assert all(each.outcome.is_ == "answered" for each in drill.control if each.outcome)


@pytest.mark.parametrize("drill", ANY.values(), ids=list(ANY))
def test_a_program_that_avoids_the_failure_makes_it_unproven_and_not_red(drill: Drill) -> None:
    """Each fault of packets is counted, at least once, and so is unproven where it took hold of nothing."""
    counted = {each.hits.fault: each.hits for each in drill.expect if each.hits}
    armed = [step.fault for step in drill.script if step.fault]
    assert all(each.name not in counted or counted[each.name].least >= 1 for each in armed)


# What a program may do or not, told as if each did: nothing that such a drill expects holds it.
OF_A_PROGRAM = re.compile(
    r"the server serves|question was served|nobody sends the answer|has the request executed|request was executed"
    r"|is answered (all the same|by the second)|after the end of it is answered|loses no time|nothing fails"
    r"|meets a client|resolver asks again|the next process that resolves it calls|its program does nothing|careless"
)


@pytest.mark.parametrize("drill", ANY.values(), ids=list(ANY))
def test_no_sentence_of_a_drill_for_a_kind_says_what_the_program_does(drill: Drill) -> None:
    assert not OF_A_PROGRAM.search(" ".join(f"{drill.claim} {drill.why}".split()))


@pytest.mark.parametrize("drill", ANY.values(), ids=list(ANY))
def test_how_often_a_kernel_repeats_its_syn_ack_is_no_part_of_a_claim(drill: Drill) -> None:
    """With TCP_DEFER_ACCEPT it does to a client that has answered it and says nothing (tcp(7))."""
    of_server = [each.packets for each in drill.expect if each.packets and each.packets.from_ == "server"]
    crossed = [each for each in of_server if "tcp.flags.syn == 1" in each.where and not each.alone]
    assert all(each.most in (None, 0) for each in crossed)


@pytest.mark.parametrize("drill", ANY.values(), ids=list(ANY))
def test_no_call_of_a_drill_for_a_kind_is_waited_for_longer_than_20_seconds(drill: Drill) -> None:
    assert all(float(each.within) <= 20 for each in drill.calls.values())


# What was asked with drills of a user's own, before the catalogue had them: who is silent, and to whom.
ASKED = {
    "any-silent-connect": Silence(from_="client", to="server", of="syn"),
    "any-silent-answer": Silence(from_="server", to="client", of="data"),
    "any-paused": Pause(who="server"),
}


@pytest.mark.parametrize("name", ASKED)
def test_the_questions_that_users_asked_first_are_in_the_catalogue(name: str) -> None:
    drill = CATALOGUE[name]
    assert [each.effect for each in drill.faults] == [ASKED[name]]
    assert drill.fits == ("tcp",)
