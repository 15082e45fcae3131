"""What of the captures is of the script: what others say to each other meanwhile is left out, and that is told."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

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
