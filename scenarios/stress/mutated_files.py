"""Wrong files: the drills and services of the lab, mutated, by a seed.

Each mutant is read as its original is. It is taken, or refused with a DeclarationError that names its file and line;
anything else is a Crash. A drill that is taken can be told in sentences, and its faults can be made.

    .venv/bin/python -m scenarios.stress.mutated_files --seed 1 --count 20000
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scenarios.faults.kernel_effects import of_kernel
from scenarios.faults.kernel_fault import Standing
from scenarios.faults.vip import Vip
from scenarios.lab.lab import Lab
from scenarios.spec import mapping_faults
from scenarios.spec.cast import Cast
from scenarios.spec.catalogue import DRILLS, load_drill
from scenarios.spec.clock_faults import Clock
from scenarios.spec.command_line import words
from scenarios.spec.declaration_error import DeclarationError
from scenarios.spec.drill import Drill
from scenarios.spec.explain import explained
from scenarios.spec.injected_faults import Picked
from scenarios.spec.kernel_faults import Refuse
from scenarios.spec.loopback_faults import Loopback
from scenarios.spec.path_faults import PathBetween
from scenarios.spec.program_faults import Kill, Pause, Replace, Signal
from scenarios.spec.service import SERVICE_FILE, SERVICES, Service, ServiceChoice, read_service, services
from scenarios.stress.mutations import Mutant, Original, mutants


@dataclass(eq=False)  # not frozen: an exception is given its traceback on its way
class Crash(Exception):
    """A mutant that was neither taken nor refused as a wrong file is to be."""

    mutant: Mutant
    why: str

    def __str__(self) -> str:
        mutant = self.mutant
        return f"mutant {mutant.number}, {mutant.original.kind} {mutant.original.name}, {mutant.what}: {self.why}"


def originals() -> list[Original]:
    """Every drill of the catalogue and every service of the lab."""
    drills = [Original("drill", path.stem, path.read_text("utf-8")) for path in sorted(DRILLS.glob("*.yaml"))]
    files = sorted(SERVICES.glob(f"*/{SERVICE_FILE}"))
    # there are few services: each stands three times, so that a third of the mutants are of them
    return drills + 3 * [Original("service", path.parent.name, path.read_text("utf-8")) for path in files]


class Reader:
    """Reads mutants in a folder of its own, where the programs of the lab's services are, too."""

    def __init__(self, folder: Path) -> None:
        self._known = services()
        self._services, self._drills = folder / "services", folder / "drills"
        self._drills.mkdir()
        for service in sorted(SERVICES.glob(f"*/{SERVICE_FILE}")):
            place = self._services / service.parent.name
            place.mkdir(parents=True)
            for each in service.parent.iterdir():
                if each.name != SERVICE_FILE:
                    (place / each.name).symlink_to(each)

    def read(self, mutant: Mutant) -> bool:
        """Whether it is taken. Raises Crash."""
        path = self._drills / f"{mutant.original.name}.yaml"
        if mutant.original.kind == "service":
            path = self._services / mutant.original.name / SERVICE_FILE
        path.write_bytes(mutant.content)
        try:
            self._read(path, mutant)
        except DeclarationError as error:
            for each in error.all:
                self._check(each, path, mutant)
            return False
        except Exception as error:
            raise Crash(mutant, traceback.format_exc()) from error
        return True

    def _read(self, path: Path, mutant: Mutant) -> None:
        if mutant.original.kind == "service":
            others = {name: each for name, each in self._known.items() if name != mutant.original.name}
            use_service(read_service(path.parent, others))
        else:
            use_drill(load_drill(path, self._known), self._known)

    def _check(self, error: DeclarationError, path: Path, mutant: Mutant) -> None:
        lines = len(mutant.content.splitlines()) + mutant.content.count(b"\xe2\x80\xa8") + 1
        told = str(error)
        wrong = ""
        if error.path != path or error.line is None or not 1 <= error.line <= lines:
            wrong = f"it names {error.path}, line {error.line} of {lines}"
        elif not told.startswith(f"{path}:{error.line}: ") or len(error.what) < 8:
            wrong = "the message does not begin with the place, or is empty"
        elif any(ord(each) < 32 for each in told):
            wrong = "the message has control characters"
        elif len(told) > 3000:
            wrong = f"the message has {len(told)} characters"
        if wrong:
            raise Crash(mutant, f"{wrong}: {told[:500]!r}")


def _must(holds: object, otherwise: str) -> None:
    if not holds:
        raise ValueError(f"the file was accepted, but {otherwise}")


def use_drill(drill: Drill, known: Mapping[str, Service]) -> None:
    """What is done with a drill before a lab starts; and its faults, made of it without one."""
    _must(all(explained(drill)), "its explanation has an empty line")
    cast = Cast(Lab(1).topology, "le-le", drill.family)
    for fault in drill.faults:
        match fault.effect:
            case (Picked() | Refuse()) as picked if picked.action:
                picked.pick(lambda role, family=picked.family: cast.address(role, family))  # type: ignore[misc]
            case PathBetween() as path:
                path.pick(lambda role, family=path.family: cast.address(role, family))  # type: ignore[misc]
            case Kill() | Pause() | Signal() | Replace() | mapping_faults.Rebind() | Clock():
                pass
            case Loopback():  # it is a capture, which begins with it
                cast.host(fault.effect.who)
            case mapping_faults.Vip() as vip:
                Vip(Lab(1), fault.name, cast.host(vip.to), vip.hairpin).transaction()
            case effect:
                made = of_kernel(fault.name, effect, Lab(1), cast)
                if isinstance(made, Standing):
                    made.transaction()
    service = known[drill.service.partition("/")[0]]
    for call in drill.calls.values():
        cast.host(call.from_)
        command = service.clients[call.client].run if call.client else call.run or "x"
        _must(words(command, host="h", bind="b", port=1), "the command of a call is empty")
        shlex.split(call.args)


def use_service(service: Service) -> None:
    """What is done with a service before a lab starts."""
    for server in service.servers:
        for client in service.callers(server):
            chosen = ServiceChoice(service, server, client)
            _must(chosen.kinds, "it is of no kind")
            _must(words(chosen.client.run, host="h", bind="b", port=chosen.port), "the command of a client is empty")


def fuzz(seed: int, count: int, folder: Path) -> tuple[Counter[str], list[Crash]]:
    """Read so many mutants. How many were taken and refused, by what was done to them; and every crash."""
    reader, told, crashes = Reader(folder), Counter[str](), []
    for mutant in mutants(originals(), seed, count):
        try:
            told["taken" if reader.read(mutant) else "refused"] += 1
        except Crash as crash:
            crashes.append(crash)
    return told, crashes


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Read mutated drills and services; status 1 if one crashes the reader."
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20_000)
    options = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faultwire-files-") as folder:
        told, crashes = fuzz(options.seed, options.count, Path(folder))
    for crash in crashes[:20]:
        sys.stdout.write(f"{crash}\n")
    counts = ", ".join(f"{count} {word}" for word, count in told.most_common())
    took_s = time.monotonic() - began_s
    sys.stdout.write(
        f"{options.count} files (seed {options.seed}) in {took_s:.0f} s: {counts}, {len(crashes)} crashes\n"
    )
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
