"""A drill of the catalogue as a test."""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.evidence import run_folder
from scenarios.lab.errors import UsageError
from scenarios.lab.valueclass import valueclass
from scenarios.library.session import Session
from scenarios.library.unproven import Unproven
from scenarios.run import summary
from scenarios.run.cell import run
from scenarios.run.session import Stage
from scenarios.spec.catalogue import choose, chosen_service, drills, find_drills
from scenarios.spec.cell import Cell
from scenarios.spec.service import services
from scenarios.verdict.check import Verdict
from scenarios.verdict.result import Result


class NotHere(Exception):
    """The drill cannot be tried here; the message says why."""


@valueclass
class DrillTest:
    """A drill with a service, on the pair of the test's lab. `run` it."""

    session: Session
    name: str
    service: str | None = None

    def run(self) -> Result:
        """Run its control and its fault. Raises AssertionError where it fails, Unproven, NotHere, UsageError."""
        session, known = self.session, services()
        session.check_up()
        if session.servers:
            runs = " and ".join(session.servers)
            usual = "leave out its fixture, or run the drill when its block has ended"
            how = session.blocks.how_to_close(usual, *session.servers.values())
            raise UsageError(f"drill.run: a drill starts its own server, and another one runs on {runs}; {how}")
        if open_now := session.blocks.names:
            how = session.blocks.how_to_close("run it when that block has ended")
            raise UsageError(f"drill.run: a drill has the lab for itself, and {' and '.join(open_now)} is open; {how}")
        (drill,) = find_drills([self.name], known)
        chosen = chosen_service(drill, self.service, known)
        same = (drill.drill, chosen.label, session.pair)
        before = sum((each["drill"], each["service"], each["pair"]) == same for each in session.kept)
        cell = Cell(drill, chosen, session.pair, session.seed, before + 1)
        if session.run_folder is None:
            session.run_folder = run_folder.new_run()
        stage: Stage = session.stage
        result = run(stage, cell, run_folder.folder_of(session.run_folder, cell))
        session.stage.disturbed = True
        session.kept.append(summary.line(result))
        told = f"{cell.title}: {result.sentence}\nevidence: {result.folder}"
        if result.verdict is Verdict.FAIL:
            raise AssertionError(told)
        if result.verdict is Verdict.UNPROVEN:
            raise Unproven(told)
        if result.verdict is Verdict.UNSUPPORTED:
            raise NotHere(told)
        return result


def names(asked: str | Sequence[str], service: str | None) -> list[str]:
    """The drills that a test asks for, of those that fit its service: by name or pattern, by tag, or by a kind (`tcp`).

    Raises UsageError where there is none.
    """
    known, found = services(), []
    every = drills(known=known)
    for word in [asked] if isinstance(asked, str) else asked:
        named = [each for each in every.values() if word in each.tags or word in each.fits]
        named = named or find_drills([word], known)
        found += [each.drill for each in named if service is None or not choose(each, service, known)[1]]
    if not found:
        raise UsageError(f"faultwire: drills: no drill of {asked!r} fits {service}")
    return list(dict.fromkeys(found))
