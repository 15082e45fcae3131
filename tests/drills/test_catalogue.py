"""Every drill of the catalogue proves its claim, and none passes where it must not: the table of mutants."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import jsonschema
import pytest
from rich.console import Console
from rich.table import Table

from scenarios.evidence.frame import Frame
from scenarios.evidence.record import Seen
from scenarios.evidence.stalls import Stalls
from scenarios.evidence.tshark import Dissector
from scenarios.evidence.tshark_fields import KEPT
from scenarios.faults.catch import Caught
from scenarios.lab.lab import Lab
from scenarios.lab.topology import ROOT
from scenarios.spec.drill import Drill
from scenarios.spec.expectations import Expectation, OutcomeWord
from scenarios.spec.roles import LegName
from scenarios.teaching.answers import Evidence, answer
from scenarios.teaching.lesson import lessons
from scenarios.verdict.check import Verdict, combine
from scenarios.verdict.crossings import matching_frames
from scenarios.verdict.judge import judged
from scenarios.verdict.result import Result
from tests.drills.conftest import Catalogue
from tests.drills.pcapng import with_frame, with_last_byte_altered, without_frame
from tests.verdict.falsifying import wrong

UNSUPPORTED_AT_MOST = 3
MACHINES = {
    "le": "little-endian, 64 bits, x86_64",
    "be": "big-endian, 32 bits, ppc",
    "be64": "big-endian, 64 bits, s390x",
}


def test_every_drill_passes_from_little_and_from_big_endian_clients(catalogue: Catalogue) -> None:
    wrong = [
        f"{each.cell.title}: {each.verdict.value}: {each.sentence} (evidence: {each.folder})"
        for each in catalogue.results
        if each.verdict in (Verdict.FAIL, Verdict.UNPROVEN)
    ]
    assert not wrong, "\n".join(wrong)


def test_at_most_three_drills_are_unsupported_and_each_says_why(catalogue: Catalogue) -> None:
    of_kernel = [each for each in catalogue.results if each.verdict is Verdict.UNSUPPORTED]
    assert all(len(each.sentence) > 20 for each in of_kernel)
    run, in_vain = (Counter(each.cell.drill.drill for each in cells) for cells in (catalogue.results, of_kernel))
    everywhere = [name for name, count in in_vain.items() if count == run[name]]
    assert len(everywhere) <= UNSUPPORTED_AT_MOST, everywhere


def test_each_cell_left_its_evidence(catalogue: Catalogue) -> None:
    schema = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "result.schema.json").read_text("utf-8")))
    for each in catalogue.results:
        if each.verdict not in (Verdict.PASS, Verdict.FAIL):
            continue  # where the control did not hold, the fault was not run
        stored = json.loads((each.folder / "result.json").read_text(encoding="utf-8"))
        schema.validate(stored)
        assert stored["verdict"] == each.verdict.value
        assert stored["seed"] == each.cell.seed
        promised = [MACHINES[end] for end in each.cell.pair.split("-")]
        assert [stored["machines"][role]["said"] for role in ("client", "server")] == promised
        for run in ("control", "fault"):
            for leg in ("client-leg", "server-leg"):
                assert (each.folder / run / f"{leg}.pcapng").stat().st_size > 100


def test_the_evidence_of_a_drill_answers_what_a_lesson_asks_about_it(catalogue: Catalogue) -> None:
    folders = {f"{each.cell.drill.drill} · {each.cell.pair}": each.folder for each in catalogue.results}
    asked = [
        (exercise, question) for each in lessons() for exercise in each.exercises for question in exercise.questions
    ]
    for exercise, question in asked:
        folder = folders[exercise.name]
        if json.loads((folder / "result.json").read_text(encoding="utf-8"))["verdict"] == "pass":
            answer(question, Evidence.of(folder))  # or it raises NotThere, and says what is lacking


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change after which a drill must not pass any more, and what came of it."""

    drill: str
    what: str
    must_be: Verdict
    verdict: Verdict

    @property
    def survived(self) -> bool:
        return self.verdict is not self.must_be


def still(result: Result, run: str) -> Seen:
    """The evidence of a run as if nothing had stood still: what a mutant shows must not be put down to a stall."""
    return replace(result.seen[run], stalls=Stalls())


def disarmed(result: Result) -> Iterator[Mutant]:
    """The run without its faults, judged as if they had been in force: nothing took hold."""
    if result.cell.drill.control_with:
        return  # it has no fault: its control, judged as its run, is what it claims
    control = still(result, "control")
    givens = {fault.name for fault in result.cell.drill.givens}
    idle = {
        fault.name: control.caught.get(fault.name, Caught(0)) if fault.name in givens else Caught(0)
        for fault in result.cell.drill.faults
    }
    of_control, checks = judged(result.cell.drill, control, replace(control, armed=True, caught=idle))
    verdict = combine([*of_control, *checks])
    yield Mutant(result.cell.drill.drill, "the fault disarmed", Verdict.UNPROVEN, verdict)


def _inverted(drill: Drill, part: Literal["expect", "control"], at: int) -> Drill:
    expectations: tuple[Expectation, ...] = getattr(drill, part)
    expected = expectations[at].outcome
    assert expected is not None
    other: OutcomeWord = "answered" if "answered" not in expected.words else "untrusted"
    changed = Expectation(outcome=replace(expected, is_=other, errno=None))
    with_it = (*expectations[:at], changed, *expectations[at + 1 :])
    mutant = replace(drill, expect=with_it) if part == "expect" else replace(drill, control=with_it)
    object.__setattr__(mutant, "path", drill.path)
    return mutant


def inverted(result: Result) -> Iterator[Mutant]:
    """Each expected outcome turned into another; and the control's first: then nothing is known of the claim."""
    drill = result.cell.drill
    at = next(number for number, each in enumerate(drill.control) if each.outcome)
    of_control, checks = judged(_inverted(drill, "control", at), still(result, "control"), still(result, "fault"))
    yield Mutant(drill.drill, "the control's outcome inverted", Verdict.UNPROVEN, combine([*of_control, *checks]))
    for at, expectation in enumerate(drill.expect):
        if expectation.outcome:
            of_control, checks = judged(
                _inverted(drill, "expect", at), still(result, "control"), still(result, "fault")
            )
            what = f"the outcome of {expectation.outcome.call} inverted"
            yield Mutant(drill.drill, what, Verdict.FAIL, combine([*of_control, *checks]))


OTHER: Mapping[LegName, LegName] = {"client-leg": "server-leg", "server-leg": "client-leg"}


def altered(result: Result, dissector: Dissector) -> Iterator[Mutant]:
    """A stored capture with a frame less, or more, than an expectation counts exactly; it is read and judged anew.

    A frame is taken out where there is one. Where there must be none, one comes in from the other leg's capture.
    A drill that counts nothing exactly has frames taken out until too few are left of the least of its counts.
    """
    drill, armed = result.cell.drill, still(result, "fault")
    exact = [packets for each in drill.expect if (packets := each.packets) and packets.exactly is not None]
    least = [packets for each in drill.expect if (packets := each.packets) and packets.exactly is None]

    def stored(leg: LegName) -> bytes:
        return (result.folder / "fault" / f"{leg}.pcapng").read_bytes()

    for packets in sorted(exact, key=lambda each: not each.exactly):
        counted = matching_frames(packets, armed)
        there = replace(packets, at=OTHER[packets.at], alone=False)
        lost = matching_frames(replace(there, alone=True), armed) if packets.alone else []  # it would get its pair
        others = [each for each in matching_frames(there, armed) if each not in lost]
        if counted:
            what = f"frame {counted[-1].number} of the {packets.at} removed"
            capture = without_frame(stored(packets.at), counted[-1].number)
        elif others:
            what = f"frame {others[-1].number} of the {OTHER[packets.at]} put into the {packets.at}"
            capture = with_frame(stored(packets.at), stored(OTHER[packets.at]), others[-1].number)
        else:
            continue
        yield _judged_with(result, packets.at, dissector.frames(capture, KEPT, drill.filters), what)
        return
    for packets in sorted((each for each in least if each.least), key=lambda each: len(matching_frames(each, armed))):
        capture = stored(packets.at)
        removed = [each.number for each in matching_frames(packets, armed)][packets.least - 1 :]
        for number in reversed(removed):
            capture = without_frame(capture, number)
        what = f"frames {', '.join(map(str, removed))} of the {packets.at} removed"
        yield _judged_with(result, packets.at, dissector.frames(capture, KEPT, drill.filters), what)
        return


def _judged_with(result: Result, leg: LegName, frames: list[Frame], what: str) -> Mutant:
    """The mutant in which a leg has these frames: it must fail."""
    armed = still(result, "fault")
    mutant: Seen = replace(armed, frames={**armed.frames, leg: frames})
    of_control, checks = judged(result.cell.drill, still(result, "control"), mutant)
    return Mutant(result.cell.drill.drill, what, Verdict.FAIL, combine([*of_control, *checks]))


def unlike(result: Result, dissector: Dissector) -> Iterator[Mutant]:
    """A stored capture in which one byte is another, in the last segment of what is to be alike; for each leg of it."""
    drill, armed = result.cell.drill, still(result, "fault")
    for each in (expected for expectation in drill.expect if (expected := expectation.alike)):
        last = [frame for frame in armed.frames[each.at] if frame.payload and armed.port in _ports(frame)][-1]
        capture = with_last_byte_altered(
            (result.folder / "fault" / f"{each.at}.pcapng").read_bytes(), last.number, last.payload
        )
        frames = dissector.frames(capture, KEPT, drill.filters)
        mutant: Seen = replace(armed, frames={**armed.frames, each.at: frames})
        of_control, checks = judged(drill, still(result, "control"), mutant)
        what = f"a byte of frame {last.number} of the {each.at} altered"
        yield Mutant(drill.drill, what, Verdict.FAIL, combine([*of_control, *checks]))


def _ports(frame: Frame) -> tuple[int | None, int | None]:
    return frame.source_port, frame.destination_port


def unfalsified(result: Result) -> Iterator[str]:
    """The expectations of a run with its fault that hold, though its evidence was changed so that they must not."""
    drill, armed = result.cell.drill, still(result, "fault")
    for number, expectation in enumerate(drill.expect):
        evidence = list(wrong(expectation, drill, armed))
        if not evidence:
            yield f"{drill.drill}: {expectation.says}: there is no evidence on which it fails"
        for what, mutant in evidence:
            checks = judged(drill, still(result, "control"), mutant)[1][-len(drill.expect) :]
            if checks[number].holds is Verdict.PASS:
                yield f"{drill.drill}: {expectation.says}: passes, though: {what}"


def test_each_expectation_fails_on_its_evidence_without_what_it_demands(catalogue: Catalogue) -> None:
    passed = catalogue.passed_once()
    assert passed
    assert not [each for result in passed for each in unfalsified(result)]


def test_no_mutant_of_any_drill_survives(catalogue: Catalogue, lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    passed = catalogue.passed_once()
    mutants: list[Mutant] = []
    with Dissector(lab) as dissector, ThreadPoolExecutor(2) as pool:
        for each in passed:
            mutants += [*disarmed(each), *inverted(each)]
        for found in pool.map(lambda each: [*altered(each, dissector), *unlike(each, dissector)], passed):
            mutants += found
    table = Table(title=f"mutants of {len(passed)} drills", box=None)
    for column in ("drill", "mutant", "must be", "verdict"):
        table.add_column(column, no_wrap=True)
    for mutant in sorted(mutants, key=lambda each: (each.drill, each.what)):
        style = "bold red" if mutant.survived else ""
        table.add_row(mutant.drill, mutant.what, mutant.must_be.value, mutant.verdict.value, style=style)
    with capsys.disabled():
        Console(width=160).print(table)
    assert {mutant.drill for mutant in mutants} == {each.cell.drill.drill for each in passed}
    assert len(mutants) >= 3 * len(passed)
    assert not [mutant for mutant in mutants if mutant.survived]
