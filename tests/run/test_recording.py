"""What of the captures is of the script: what others say to each other meanwhile is left out, and that is told."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from scenarios.evidence.flows import Flows
from scenarios.evidence.record import LegCapture
from scenarios.lab.seats import Member, Plan, extended
from scenarios.lab.topology import topology
from scenarios.run.recording import Recording
from scenarios.run.script_run import ScriptRun
from scenarios.spec.cast import Cast
from tests.evidence.test_ladder import DATA, SERVER, SYN, crossed

MEMBER = Member("app", "other-app", "backend", ("app",))
BACKEND = "198.18.7.96"
ASKED = replace(DATA, source=SERVER, destination=BACKEND)


def test_what_a_program_in_the_middle_of_another_service_asks_is_neither_lost_nor_counted() -> None:
    told: list[str] = []
    whole = extended(topology(7), Plan("other", (MEMBER,), {}, ("ipv4",)))
    frames = {"client-leg": [SYN], "server-leg": [crossed(SYN), ASKED]}
    for backend, kept in ((None, [crossed(SYN)]), ("other-app", [crossed(SYN), ASKED])):
        run = SimpleNamespace(cast=Cast(whole, "le-le", "ipv4", backend=backend), note=told.append)
        found = Recording(cast("ScriptRun", run))._of_this_service(frames)
        assert found == {"client-leg": [SYN], "server-leg": kept}
    assert told == ["left out: 1 frame of the backend of another service on the server-leg"]


def test_a_script_that_breaks_off_after_its_captures_were_decoded_keeps_its_frames() -> None:
    """Decoded once more, each SYN would be one that an earlier capture had."""
    stage = SimpleNamespace(
        dissector=SimpleNamespace(frames=lambda *_: [SYN]),
        flows=Flows([]),
        lab=SimpleNamespace(topology=topology(7)),
    )
    cell = SimpleNamespace(chosen=SimpleNamespace(service=SimpleNamespace(outside=False)))
    drill = SimpleNamespace(filters=(), faults=())
    of = Cast(topology(7), "le-le", "ipv4")
    run = SimpleNamespace(
        stage=stage, cell=cell, drill=drill, cast=of, note=print, timed=lambda _: contextlib.nullcontext()
    )
    recording = Recording(cast("ScriptRun", run))
    recording.captures = {"client-leg": LegCapture("client-leg", b"", 1, 0)}
    recording.decode()
    recording.decode()
    assert recording.frames == {"client-leg": [SYN]}
