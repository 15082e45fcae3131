"""Running cells: the control first, then the fault; both legs, the joint verdict, and the evidence in its folder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scenarios import frames, runs
from scenarios.beside import Beside
from scenarios.drill import Cell
from scenarios.engine import CommandFailed
from scenarios.evidence import Seen
from scenarios.faults import Unsupported
from scenarios.inputs import inputs
from scenarios.judging import ending, judged
from scenarios.machines import asserted
from scenarios.performing import perform, perform_beside
from scenarios.programs import LabProblem
from scenarios.report.writing import write_cell
from scenarios.stage import Cast, Stage
from scenarios.survival import Survival, is_asked, survival
from scenarios.verdict import Check, Verdict, joint, proof
from scenarios.waiting import DeadlinePassed


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a cell. `control` and `checks` are what the verdict rests on; `seen` is the evidence, if any."""

    cell: Cell
    verdict: Verdict
    sentence: str
    control: Sequence[Check]
    checks: Sequence[Check]
    seen: Mapping[str, Seen]  # "control", "fault"
    folder: Path
    duration_s: float
    broke_off: bool  # a script did not run to its end: the stage may be broken
    # by role ("client", "server"): the host's name, and what it said that it is
    machines: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    survival: Survival | None = None  # for the matrix: where others were asked too
    inputs: str = ""  # the digest of all that it rests on, for the matrix

    @property
    def is_stalled(self) -> bool:
        """Whether it is unproven because something stood still, and for no other reason: once more may prove it."""
        unproven = [each for each in (*self.control, *self.checks) if each.holds is Verdict.UNPROVEN]
        return self.verdict is Verdict.UNPROVEN and bool(unproven) and all(each.stalled for each in unproven)


def run(stage: Stage, cell: Cell, folder: Path, *, beside: bool = False) -> Result:
    """Run one cell, and write its evidence into its folder, which exists. Raises Interrupted; nothing is left then.

    `beside`: also what became of other clients meanwhile, and of the service afterwards; no verdict rests on that.
    """
    began_s, broke_off = time.monotonic(), False
    seen: dict[str, Seen] = {}
    control: list[Check] = []
    checks: list[Check] = []
    machines: dict[str, Mapping[str, str]] = {}
    others: Beside | str = ""  # or why nothing is known of them
    if reason := unsupported(cell):
        checks.append(Check("whether it can be tried here", "it can", reason, Verdict.UNSUPPORTED))
    else:
        cast = Cast(stage.lab, cell.pair, cell.drill.family, cell.chosen.server.runs_on)
        for role, host in (("client", cast.client), ("server", cast.server)):
            machines[role] = {"host": host.name, "said": stage.machine(host)}
            checks.append(asserted(host, machines[role]["said"]))
        try:
            seen["control"] = perform(stage, cell, armed=False)
            control, _ = judged(cell.drill, seen["control"], None)
            if joint([*checks, *control]) is Verdict.PASS:
                seen["fault"] = perform(stage, cell, armed=True)
                checks += judged(cell.drill, seen["control"], seen["fault"])[1]
        except Unsupported as reason_of_kernel:
            checks.append(Check("whether it can be tried here", "it can", str(reason_of_kernel), Verdict.UNSUPPORTED))
        except (LabProblem, DeadlinePassed, CommandFailed, ValueError) as problem:
            broke_off = True
            checks.append(proof("the script ran to its end", "it did", str(problem), proven=False))
    if beside and "fault" in seen and is_asked(cell):
        try:
            others = perform_beside(stage, cell)
        except (LabProblem, DeadlinePassed, CommandFailed, ValueError) as problem:
            broke_off, others = True, str(problem)
    verdict = joint([*control, *checks])
    sentence = _sentence(cell, verdict, [*control, *checks])
    duration_s = time.monotonic() - began_s
    result = Result(cell, verdict, sentence, control, checks, seen, folder, duration_s, broke_off, machines)
    if beside:
        said = survival(cell, verdict, seen.get("fault"), others)
        result = replace(result, survival=said, inputs=inputs(cell))
    _store(result)
    with contextlib.suppress(Exception):  # the page is made again at the end of the run, where its error is told
        write_cell(folder, folder.parents[2])
    return result


def unsupported(cell: Cell) -> str:
    """Why a cell cannot be run anywhere; empty when it can."""
    chosen, service = cell.chosen, cell.chosen.service
    if reason := cell.drill.unsupported_on.get(cell.pair):
        return reason
    if chosen.server.runs_on and not cell.pair.endswith("-le"):
        return f"{chosen.name} runs on {chosen.server.runs_on}, which is little-endian"
    if service.image and not cell.pair.endswith("-le"):
        return f"the server of {service.service} is a program of its own image, which is little-endian"
    if chosen.image and not cell.pair.startswith("le-"):
        return f"the client of {service.service} is a program of its own image, which is little-endian"
    if cell.drill.family not in service.families:
        return f"{service.service} does not speak {cell.drill.family}"
    return ""


def _sentence(cell: Cell, verdict: Verdict, checks: Sequence[Check]) -> str:
    if verdict is Verdict.PASS:
        return cell.drill.claim
    broken = next((each for each in checks if each.holds is verdict), None)
    if broken is None:
        return "nothing was checked"
    if verdict is Verdict.UNSUPPORTED:
        return broken.seen
    said = f"{broken.rule}: expected {broken.expected}, saw {broken.seen}"
    return f"{broken.stalled}: {said}" if broken.stalled else said


def _seen(seen: Seen, folder: Path, name: str) -> dict[str, Any]:
    place = folder / name
    place.mkdir()
    for leg, capture in seen.captures.items():
        (place / f"{leg}.pcapng").write_bytes(capture.pcapng)
    for program, lines in seen.logs.items():
        (place / f"{program}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    frames.write(place, seen)
    return {
        "calls": {call: [{"ended": ending(each), "call": each} for each in made] for call, made in seen.calls.items()},
        "faults": seen.caught,
        "looks": seen.looks,
        "events": seen.events,
        "timings_s": seen.timings_s,
        "stalls": {
            "largest_s": seen.stalls.largest_s,
            "stolen_s": seen.stalls.stolen_s,
            "unseen": seen.stalls.unseen,
            "found": seen.stalls.found,
        },
        "captures": {
            leg: {"file": f"{name}/{leg}.pcapng", "frames": each.frames, "dropped": each.dropped}
            for leg, each in seen.captures.items()
        },
    }


def _store(result: Result) -> None:
    cell = result.cell
    runs.write_result(
        result.folder,
        {
            "drill": cell.drill.drill,
            "claim": cell.drill.claim,
            "source": cell.drill.source,
            "service": cell.chosen.name,
            "client": cell.chosen.client_name,
            "pair": cell.pair,
            "machines": result.machines,
            "family": cell.drill.family,
            "seed": cell.seed,
            "repeat": cell.repeat,
            "verdict": result.verdict,
            "sentence": result.sentence,
            "duration_s": result.duration_s,
            "control": result.control,
            "expectations": result.checks,
            "runs": {name: _seen(seen, result.folder, name) for name, seen in result.seen.items()},
            "repeat_with": cell.command,
            **({"survival": result.survival, "inputs": result.inputs} if result.survival else {}),
        },
    )
