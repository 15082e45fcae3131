"""The report of a drill that ran: what its page shows is what the captures hold, by Wireshark's own count."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import jsonschema
import pytest

from scenarios.evidence.run_folder import folder_of
from scenarios.evidence.tshark import Dissector
from scenarios.lab.lab import Lab
from scenarios.lab.topology import ROOT
from scenarios.run import summary
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import chosen_service, drills
from scenarios.spec.cell import Cell
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result
from tests.conftest import lab_for_a_while
from tests.drills.pcapng import ENHANCED_PACKET, blocks
from tests.report.test_pages import parsed, text_of

pytestmark = pytest.mark.engine
LEGS = ("client-leg", "server-leg")


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    """A lab that no other test holds."""
    with lab_for_a_while() as lab:
        yield lab


@pytest.fixture(scope="module")
def results(own_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """A SYN lost, a request cut into single bytes, and addresses translated; with their report."""
    folder = tmp_path_factory.mktemp("runs") / "2026-11-21T10-00-00.000Z"
    cells = [
        Cell(each, chosen_service(each, None), "be-le")
        for each in (drills()[name] for name in ("lost-syn", "one-byte-at-a-time", "nat-rebind"))
    ]
    with Stage(own_lab) as stage:
        found = [run(stage, cell, folder_of(folder, cell)) for cell in cells]
    assert all((each.folder / "index.html").is_file() for each in found), "each page is there when its cell has ended"
    summary.write(folder, found, len(cells), 10.0)
    return found


def rungs(page: Element, script: str) -> list[Element]:
    """The rows of packets in a ladder."""
    (figure,) = (each for each in page.iter() if each.get("id") == f"{script}-figure")
    return [each for each in figure.iter("tr") if "packet" in each.get("class", "").split()]


def numbers(page: Element, script: str, leg: str) -> list[int]:
    """The numbers of the frames of a leg in a ladder, from top to bottom."""
    begins = f"{script}-{leg[0]}"
    ids = [each.get("id", "") for row in rungs(page, script) for each in row.iter("span")]
    return [int(each.removeprefix(begins)) for each in ids if each.startswith(begins)]


def test_the_ladder_has_every_frame_that_the_captures_have_and_no_other(results: list[Result]) -> None:
    for result in results:
        assert result.verdict is Verdict.PASS, result.sentence
        page = parsed(result.folder / "index.html")
        for script in ("fault", "control"):
            for leg in LEGS:
                pcapng = (result.folder / script / f"{leg}.pcapng").read_bytes()
                in_file = sum(kind == ENHANCED_PACKET for kind, _ in blocks(pcapng))
                assert sorted(numbers(page, script, leg)) == list(range(1, in_file + 1)), (
                    f"{result.folder} {script} {leg}"
                )


def test_the_printed_command_prints_a_line_for_each_frame_of_the_ladder(results: list[Result]) -> None:
    page = parsed(results[0].folder / "index.html")
    commands = [text_of(each) for each in page.iter("code") if "tshark" in text_of(each)]
    assert len(commands) == 4
    for command in commands:
        line, _, path = command.partition(" < ")
        with (results[0].folder.parents[3] / Path(path).relative_to("runs")).open("rb") as capture:
            words = ["sh", "-c", f"exec {line}"]
            ran = subprocess.run(words, stdin=capture, capture_output=True, text=True, timeout=60, check=True)
        script, leg = Path(path).parts[-2], Path(path).stem
        assert len(ran.stdout.splitlines()) == len(numbers(page, script, leg))
        assert "JSONMSG" in ran.stdout, "the dissector of ours is there"


def test_what_tshark_calls_a_retransmission_is_marked_and_the_lost_syn_died_at_the_firewall(
    own_lab: Lab, results: list[Result]
) -> None:
    folder = results[0].folder
    page = parsed(folder / "index.html")
    with Dissector(own_lab) as dissector:
        again = dissector.frames((folder / "fault/client-leg.pcapng").read_bytes(), "tcp.analysis.retransmission")
    marked = [row for row in rungs(page, "fault") if "retransmission" in text_of(row)]
    ids = [each.get("id") for row in marked for each in row.iter("span")]
    assert [f"fault-c{frame.number}" for frame in again] == [
        each for each in ids if each and each.startswith("fault-c")
    ]
    lost = [row for row in rungs(page, "fault") if "lost" in row.get("class", "").split()]
    assert len(lost) == 1
    assert "client to server, ends at the firewall" in text_of(lost[0])
    assert "SYN seq 0" in text_of(lost[0])


def test_a_cut_segment_and_a_translated_one_are_no_lost_packets(results: list[Result]) -> None:
    cut, translated = (parsed(each.folder / "index.html") for each in results[1:])
    for page in (cut, translated):
        assert not [row for row in rungs(page, "fault") if "lost" in row.get("class", "").split()]
    assert [text_of(row).count("cut into") for row in rungs(cut, "fault")].count(1) == 1
    of_the_call = [row for row in rungs(translated, "control") if "local" not in row.get("class", "").split()]
    assert of_the_call
    assert all("altered" in row.get("class", "").split() for row in of_the_call)


def test_the_frames_are_stored_as_their_schema_says(results: list[Result]) -> None:
    schema = jsonschema.Draft202012Validator(json.loads((ROOT / "docs/frames.schema.json").read_text("utf-8")))
    for result in results:
        for script in ("fault", "control"):
            assert (
                list(schema.iter_errors(json.loads((result.folder / script / "frames.json").read_text("utf-8")))) == []
            )
