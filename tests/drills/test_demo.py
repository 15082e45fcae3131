"""The demonstration passes in a good lab, and in no other."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.evidence import run_folder, tshark
from scenarios.evidence.capture import Capture
from scenarios.evidence.frame import Frame
from scenarios.evidence.record import LegCapture
from scenarios.lab.errors import LabProblem
from scenarios.lab.lab import Lab
from scenarios.run import demo
from scenarios.run.demo import Demonstration, demonstrate
from scenarios.verdict.check import Verdict


@pytest.fixture(autouse=True)
def runs_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs go into the test's own folder, so that the person's runs/latest stays what it was."""
    monkeypatch.setattr(run_folder, "RUNS", tmp_path)
    return tmp_path


def demonstrated(lab: Lab) -> tuple[Demonstration, list[str]]:
    said: list[str] = []
    return demonstrate(lab, said.append), said


def broken(shown: Demonstration) -> set[str]:
    return {each.rule for each in shown.checks if each.holds is not Verdict.PASS}


def test_the_demonstration_passes_and_leaves_its_evidence(lab: Lab, tmp_path: Path) -> None:
    shown, said = demonstrated(lab)
    assert shown.verdict is Verdict.PASS, shown.sentence
    assert any("big-endian" in line for line in said)
    assert (tmp_path / "latest").resolve() in shown.folder.resolve().parents
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z", str((tmp_path / "latest").readlink()))
    result = json.loads((shown.folder / "result.json").read_text(encoding="utf-8"))
    assert result["verdict"] == "pass"
    assert result["schema"] == run_folder.RESULT_SCHEMA
    assert result["call"]["status"] == 0
    assert all(each["holds"] == "pass" for each in result["expectations"])
    for leg in ("client-leg", "server-leg"):
        stored = (shown.folder / f"{leg}.pcapng").read_bytes()
        assert len(tshark.frames(lab, stored, "jsonmsg")) == 2
    for path in (shown.folder, *shown.folder.iterdir()):
        assert path.stat().st_uid == os.getuid()
    assert "morpheus" in "".join(line.plain for line in shown.picture)


def test_with_the_firewall_stopped_it_fails_and_says_that_nothing_crossed(lab: Lab) -> None:
    lab.stop("firewall")
    try:
        shown, _ = demonstrated(lab)
    finally:
        lab.up()
    assert shown.verdict is Verdict.FAIL
    assert "nothing crossed" in shown.sentence
    assert "received 0 TCP segments" in shown.sentence
    assert not list(shown.folder.glob("*.pcapng"))


def test_one_wrong_byte_on_the_wire_fails_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = demo.REQUEST_BYTES.replace(b"big", b"Big")
    monkeypatch.setattr(demo, "REQUEST_BYTES", wanted)
    shown, _ = demonstrated(lab)
    assert shown.verdict is Verdict.FAIL
    assert broken(shown) == {"the request's bytes on the client-leg", "the request's bytes on the server-leg"}


def test_another_answer_fails_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "ANSWER", "Follow the black rabbit. 🐰")
    shown, _ = demonstrated(lab)
    assert shown.verdict is Verdict.FAIL
    assert broken(shown) == {"the answer that the client printed"}


def test_a_client_of_the_other_byte_order_fails_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "CLIENT", "client")
    shown, _ = demonstrated(lab)
    assert shown.verdict is Verdict.FAIL
    assert broken(shown) == {"the request's bytes on the client-leg", "the request's bytes on the server-leg"}


def test_frames_that_the_capture_dropped_leave_it_unproven(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Capture.stop

    def with_drops(capture: Capture) -> dict[str, LegCapture]:
        return {name: replace(leg, dropped=1) for name, leg in stop(capture).items()}

    monkeypatch.setattr(Capture, "stop", with_drops)
    assert demonstrated(lab)[0].verdict is Verdict.UNPROVEN


def test_a_packet_that_is_missing_from_one_leg_fails_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = tshark.frames

    def without_the_last(a_lab: Lab, pcapng: bytes, display_filter: str) -> list[Frame]:
        found = frames(a_lab, pcapng, display_filter)
        return found[:-1] if found[0].ttl == 64 else found  # of the client's leg only

    monkeypatch.setattr(tshark, "frames", without_the_last)
    shown, _ = demonstrated(lab)
    assert shown.verdict is Verdict.FAIL
    assert "packets on both legs" in broken(shown)


def test_a_service_that_does_not_start_is_an_error_with_its_own_words(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    occupied = [
        "python",
        "-c",
        "import socket, time; s = socket.create_server(('', 65432)); print('here', flush=True); s.accept()",
    ]
    with lab.running("server", occupied) as squatter:
        squatter.wait_for_line("here", within_s=5)
        with pytest.raises(LabProblem, match="EADDRINUSE"):
            demonstrated(lab)
    monkeypatch.undo()
    assert not lab.run("server", ["sh", "-c", "ss -Hltn | grep 65432"], timeout_s=5).stdout


def test_what_a_killed_run_left_running_is_ended_by_the_next(lab: Lab) -> None:
    left = lab.open("server", ["python", "-c", "import socket; socket.create_server(('', 65432)).accept()"])
    left.kill()  # the local process; the one on the machine goes on
    left.wait()
    other = Lab(lab.number)
    with pytest.raises(LabProblem, match="in use by another run"), other.hold_alone():
        pass
    lab._sweep()
    assert not lab.run("server", ["sh", "-c", "ss -Hltn | grep 65432"], timeout_s=5).stdout
