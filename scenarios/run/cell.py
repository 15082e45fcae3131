"""Running cells: the control first, then the fault; both legs, the joint verdict, and the evidence in its folder."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from scenarios.evidence import frames_json, run_folder
from scenarios.evidence.record import Beside, Seen
from scenarios.faults import Unsupported
from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabProblem, NoEngine
from scenarios.lab.topology import Host
from scenarios.lab.versions import versions
from scenarios.report.write import write_cell
from scenarios.run.ends import is_emulated, machine
from scenarios.run.fingerprint import inputs
from scenarios.run.performance import BrokeOff, perform, perform_beside
from scenarios.run.session import Interrupted, Stage
from scenarios.spec.cast import Cast
from scenarios.spec.cell import Cell, unsupported
from scenarios.spec.program_ends import Side
from scenarios.spec.roles import SERVER
from scenarios.verdict.behaviour import behaviour_of
from scenarios.verdict.check import Check, Verdict, combine, only_stalled, proof
from scenarios.verdict.emulated import cannot
from scenarios.verdict.judge import ending, judged
from scenarios.verdict.result import Result
from scenarios.verdict.survival import is_measurable, stood_still, survival

TRIES: Final = 4  # of a cell, where something stood still
PULLED: Final = "a cable was pulled, by no fault of the drill"  # by the next try it may be in again
PAUSE_S: Final = 1.0  # before the second, and twice as long before each one more: what keeps a machine busy may end


@dataclass(slots=True)
class _Found:
    """What is known of a cell so far: it is there also when the cell breaks off."""

    seen: dict[str, Seen] = field(default_factory=dict)
    control: list[Check] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    machines: dict[str, Mapping[str, str]] = field(default_factory=dict)
    others: Beside | str = ""  # or why nothing is known of them
    problems: list[Exception] = field(default_factory=list)
    earlier_tries: Sequence[str] = ()


def run(stage: Stage, cell: Cell, folder: Path, *, beside: bool = False, tries: int = TRIES) -> Result:
    """Run one cell, and write its evidence into its folder, which is made.

    A cell that is unproven because something stood still, and for no other reason, is tried again: a stall says nothing
    of the claim. The evidence is that of the last of `tries`; the result says what the earlier ones came to.

    Whatever happens meanwhile is the cell's verdict: `unproven`, with the reason, and with the traceback and what had
    been seen by then in the folder. Raise Interrupted alone; nothing is left then.

    `beside`: also what became of other clients meanwhile, and of the service afterwards; no verdict rests on that.
    """
    began_s = time.monotonic()
    found = _try_once(stage, cell)
    while len(found.earlier_tries) + 1 < tries and only_stalled((*found.control, *found.checks)):
        checks = [*found.control, *found.checks]
        earlier = [*found.earlier_tries, _sentence(cell, combine(checks), checks)]
        del found  # it holds all packets of two runs: the memory is for the next try
        _pause(stage, PAUSE_S * 2 ** (len(earlier) - 1))
        found = _try_once(stage, cell, earlier)
    if beside and not found.problems and "fault" in found.seen and is_measurable(cell):
        try:
            found.others = _beside(stage, cell, found.seen["control"], tries)
        except Interrupted:
            raise
        except Exception as problem:
            _broke_off(stage, found, problem)
            found.others = _words(problem)
    result = _result(cell, found, folder, time.monotonic() - began_s)
    try:
        result = replace(result, inputs=inputs(cell))
        if armed := found.seen.get("fault"):
            result = replace(result, did=behaviour_of(cell.drill, found.seen.get("control"), armed, cell.chosen))
        if beside:
            said = survival(cell, result.verdict, armed, found.others, result.did)
            result = replace(result, survival=said)
    except Exception as problem:
        found.problems.append(problem)
        result = _unproven(result, "the survival word could not be found", problem)
    try:
        _store(result)
    except Exception as problem:
        found.problems.append(problem)
        result = _unproven(replace(result, seen={}), "the evidence could not be stored", problem)
        shutil.rmtree(folder, ignore_errors=True)  # for the room
        with contextlib.suppress(Exception):  # the summary of the run has it all the same
            _store(result)
    for each in found.problems:
        run_folder.write_traceback(folder, each)
    try:
        write_cell(folder, folder.parents[2])
    except Exception as problem:  # it is made again at the end of the run, where this is told
        run_folder.write_traceback(folder, problem, run_folder.PAGE_TRACEBACK)
    return result


def not_run(cell: Cell, folder: Path, why: str, *, beside: bool = False) -> Result:
    """What a cell comes to that could not be run to its end, and left nothing: unproven. Its folder is made."""
    lost = proof("the cell was not run to its end", "", why, proven=False)
    result = Result(cell, Verdict.UNPROVEN, lost.sentence, [], [lost], {}, folder, 0.0, broke_off=True)
    if beside:
        result = replace(result, survival=survival(cell, Verdict.UNPROVEN, None, ""))
    _store(result)
    write_cell(folder, folder.parents[2])
    return result


def _beside(stage: Stage, cell: Cell, control: Seen, tries: int) -> Beside:
    """What became of others meanwhile, and of the service afterwards; again, where a stall may have made it."""
    for number in range(tries - 1):
        beside = perform_beside(stage, cell, control)
        if not stood_still(cell, beside):
            return beside
        _pause(stage, PAUSE_S * 2**number)
    return perform_beside(stage, cell, control)


def _pause(stage: Stage, seconds: float) -> None:
    until_s = time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) > 0:
        stage.check_interrupted()
        time.sleep(min(left_s, 0.2))


def _try_once(stage: Stage, cell: Cell, earlier: Sequence[str] = ()) -> _Found:
    found = _Found(earlier_tries=earlier)
    try:
        _perform(stage, cell, found)
    except Interrupted:
        raise
    except Exception as raised:
        problem = raised.problem if isinstance(raised, BrokeOff) else raised
        _broke_off(stage, found, problem)
        found.checks.append(proof("the script did not finish", "", _words(problem), proven=False))
    went_well = combine([*found.control, *found.checks]) in (Verdict.PASS, Verdict.UNSUPPORTED)
    if not went_well and (reason := _not_emulated(cell, found)):
        found.checks.append(Check("not supported here", "", reason, Verdict.UNSUPPORTED))
    return found


def _not_emulated(cell: Cell, found: _Found) -> str:
    """Why the emulator of a stranger's program kept it from doing what the drill is about; empty where it did not."""
    emulated = [SERVER] if is_emulated(cell, "server") else []
    emulated += cell.drill.calls if is_emulated(cell, "client") else []
    runs = [found.seen[name] for name in ("control", "fault") if name in found.seen]
    return cannot(runs, emulated, combine(found.control) is Verdict.PASS) if emulated else ""


def _perform(stage: Stage, cell: Cell, found: _Found) -> None:
    """Run the script of a cell twice, and hold both against what is expected."""
    if reason := unsupported(cell):
        found.checks.append(Check("not supported here", "", reason, Verdict.UNSUPPORTED))
        return
    if cell.chosen.service.compose:
        stage.compose(cell.chosen.service)
    cast = Cast(stage.lab.topology, cell.host_pair, cell.drill.family, *cell.machines)
    ends: tuple[tuple[Side, Host], ...] = (("client", cast.client), ("server", cast.server))
    for role, host in ends:
        found.machines[role], of_machine = machine(stage, cell, role, host)
        found.checks += of_machine
    if (other := cell.of_control).pair != cell.pair:
        of_control = Cast(stage.lab.topology, other.host_pair, cell.drill.family, *other.machines)
        for role, host in (("client", of_control.client), ("server", of_control.server)):
            found.checks += machine(stage, other, role, host)[1]
    linked = [each for each in _linked(stage, cell, cast) if each in stage.lab.required_machines]
    stage.remember_links(linked)
    try:
        control = _controlled(stage, cell, found)
        if combine([*found.checks, *found.control]) is Verdict.PASS:
            armed = found.seen["fault"] = perform(stage, cell, armed=True, control=control)
            found.checks += judged(cell.drill, control, armed)[1]
            if combine(found.checks) is Verdict.FAIL and (changed := stage.changed_links(linked)):
                words = "; ".join(changed)
                found.checks.append(
                    Check("the links of the lab", "as they were", words, Verdict.UNPROVEN, stalled=PULLED)
                )
    except Unsupported as reason_of_kernel:
        found.checks.append(Check("not supported here", "", str(reason_of_kernel), Verdict.UNSUPPORTED))
    except BrokeOff as broken:
        found.seen["fault" if broken.seen.armed else "control"] = broken.seen
        raise


def _linked(stage: Stage, cell: Cell, cast: Cast) -> list[str]:
    """The machines whose links no fault of a cell changes: what is pulled from outside makes no red word."""
    if any(fault.link_down for fault in cell.drill.faults):
        stage.forget_links("firewall")
        return [cast.client.name, cast.server.name]
    return [cast.client.name, cast.server.name, "firewall"]


def _controlled(stage: Stage, cell: Cell, found: _Found) -> Seen:
    """Run the control. Where it does not go well in a composition, an earlier drill may have left that ill: once more,
    when all of it was restarted.
    """
    composition = stage.composition if cell.chosen.service.compose else None
    while True:
        found.control = []  # of the try whose evidence is kept, also where that breaks off
        control = found.seen["control"] = perform(stage, cell.of_control, armed=False)
        found.control, _ = judged(cell.drill, control, None)
        if composition is None:
            return control
        if combine(found.control) is Verdict.PASS:
            composition.trust(cell.chosen.label)
            return control
        if not composition.doubt(cell.chosen.label, "the control did not go well"):
            return control


def _broke_off(stage: Stage, found: _Found, problem: Exception) -> None:
    """Note what broke a cell off. Raise Interrupted where the run was told to end: an interrupt breaks much."""
    if stage.interrupted():
        raise Interrupted from problem
    found.problems.append(problem)


def _words(problem: Exception) -> str:
    """What a problem says; of one that is not told in words for a person, its kind too, and where the rest is."""
    if isinstance(problem, LabProblem | DeadlinePassed | CommandFailed | NoEngine):
        return str(problem)
    return f"{type(problem).__name__}: {problem} ({run_folder.TRACEBACK} in the cell's folder says where)"


def _result(cell: Cell, found: _Found, folder: Path, duration_s: float) -> Result:
    verdict = combine([*found.control, *found.checks])
    return Result(
        cell=cell,
        verdict=verdict,
        sentence=_sentence(cell, verdict, [*found.control, *found.checks]),
        control=found.control,
        checks=found.checks,
        seen=found.seen,
        folder=folder,
        duration_s=duration_s,
        broke_off=bool(found.problems),
        machines=found.machines,
        earlier_tries=found.earlier_tries,
    )


def _unproven(result: Result, what: str, problem: Exception) -> Result:
    """Take the verdict from a cell in which something went wrong after it; `what` says what, and the problem why."""
    lost = proof(what, "", _words(problem), proven=False)
    result = replace(result, verdict=Verdict.UNPROVEN, sentence=lost.sentence, checks=[*result.checks, lost])
    if result.survival:
        result = replace(result, survival=survival(result.cell, Verdict.UNPROVEN, None, ""))
    return result


def _sentence(cell: Cell, verdict: Verdict, checks: Sequence[Check]) -> str:
    if verdict is Verdict.PASS:
        return cell.drill.claim
    broken = next((each for each in checks if each.holds is verdict), None)
    if broken is None:
        return "nothing was checked"
    if verdict is Verdict.UNSUPPORTED:
        return broken.seen
    return f"{broken.stalled}: {broken.sentence}" if broken.stalled else broken.sentence


def store_seen(seen: Seen, folder: Path, name: str) -> dict[str, Any]:
    """Write one run of a script into its place in the folder of its cell; what result.json says of it."""
    place = folder / name
    place.mkdir()
    for leg, capture in seen.captures.items():
        (place / f"{leg}.pcapng").write_bytes(capture.pcapng)
    for program, lines in seen.logs.items():
        (place / f"{program}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    frames_json.write(place, seen)
    return {
        "calls": {call: [{"ended": ending(each), "call": each} for each in made] for call, made in seen.calls.items()},
        "faults": seen.caught,
        "looks": seen.looks,
        **({"waiting": seen.waiting} if seen.waiting else {}),
        "events": seen.events,
        "timings_s": seen.timings_s,
        "made_under": seen.made_under,
        "held": seen.held,
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
    result.folder.mkdir(parents=True, exist_ok=True)
    run_folder.write_result(
        result.folder,
        {
            "drill": cell.drill.drill,
            "claim": cell.drill.claim,
            "why": cell.drill.why,
            "source": cell.drill.source,
            "service": cell.chosen.label,
            "client": cell.chosen.client_name,
            "pair": cell.pair,
            "machines": result.machines,
            "family": cell.drill.family,
            "seed": cell.seed,
            "repeat": cell.repeat,
            "verdict": result.verdict,
            "sentence": result.sentence,
            "earlier_tries": result.earlier_tries,
            "duration_s": result.duration_s,
            "control": result.control,
            "expectations": result.checks,
            "runs": {name: store_seen(seen, result.folder, name) for name, seen in result.seen.items()},
            "repeat_with": cell.command,
            "inputs": result.inputs,
            **({"did": result.did} if result.did else {}),
            **({"survival": result.survival} if result.survival else {}),
        },
        versions(),
    )
