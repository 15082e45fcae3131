"""A cell as plain data, on its way to another machine, and read again there.

A drill travels as the text of its file: a drill of one's own need not be on every machine. A service does not, for it
is programs: each machine has its folder, and what differs is told before a cell is run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from scenarios.lab.errors import UsageError
from scenarios.lab.valueclass import valueclass
from scenarios.run import fingerprint
from scenarios.run.patience import patient
from scenarios.spec.catalogue import chosen_service, files_beside, load_drill
from scenarios.spec.cell import Cell
from scenarios.spec.drill import Drill
from scenarios.spec.service import Service, resolve
from scenarios.spec.units import Seconds

_drills: dict[tuple[str, str, float], Drill] = {}  # those that were read here, by name, text and patience


@valueclass
class Plan:
    """What another machine needs to know of a cell. `service` is the label of what the drill runs with."""

    drill: str
    text: str
    path: str  # of its file on the head, for messages
    beside: dict[str, str]  # the files that it names, and what stands in them
    patience_s: float
    service: str
    pair: str
    seed: int = 1
    repeat: int = 1

    @classmethod
    def of(cls, cell: Cell, patience: Seconds) -> Plan:
        drill = cell.drill
        path = str(drill.path)
        beside = files_beside(drill)
        if outside := next((name for name in beside if Path(name).name != name), ""):
            raise UsageError(
                f"{path}: {outside!r} cannot be sent to a worker; expected a file in the folder of the drill"
            )
        label = cell.chosen.label
        return cls(drill.drill, drill.text, path, beside, patience, label, cell.pair, cell.seed, cell.repeat)

    def cell(self, known: Mapping[str, Service]) -> Cell:
        """Return the cell, with the services of this machine. Raise UsageError, DeclarationError."""
        drill, given = self._drill(known), Seconds(self.patience_s)
        return Cell(drill, chosen_service(drill, self.service, known), self.pair, self.seed, self.repeat, given)

    def _drill(self, known: Mapping[str, Service]) -> Drill:
        key = self.drill, "\0".join((self.text, *self.beside.values())), self.patience_s
        if key not in _drills:
            with tempfile.TemporaryDirectory(prefix="faultwire-drill-") as folder:
                path = Path(folder) / f"{self.drill}.yaml"
                path.write_text(self.text, "utf-8")
                for name, text in self.beside.items():
                    (path.parent / Path(name).name).write_text(text, "utf-8")
                drill = load_drill(path, known)
            object.__setattr__(drill, "path", Path(self.path))
            _drills[key] = patient(drill, Seconds(self.patience_s)) if self.patience_s else drill
        return _drills[key]


def distinct(plans: Sequence[Plan]) -> list[Plan]:
    """Return what a machine must have ready for these: each drill with each service and pair, once."""
    return list({(each.drill, each.text, each.service, each.pair): each for each in plans}.values())


def services_of(cells: Sequence[Cell]) -> dict[str, str]:
    """Return the services of these cells, each with a digest of its folder."""
    services = {cell.chosen.service.service: cell.chosen.service for cell in cells}
    return {name: fingerprint.of_folder(service.folder) for name, service in services.items()}


def own_services(plans: Sequence[Plan], known: Mapping[str, Service]) -> dict[str, str]:
    """Return the same of this machine; a service that is not here, or is wrong, has an empty digest."""
    found: dict[str, str] = {}
    for label in {each.service for each in plans}:
        try:
            service = resolve(label, known=known).service
            found[service.service] = fingerprint.of_folder(service.folder)
        except (UsageError, ValueError):
            found[label.partition("/")[0]] = ""
    return found


def as_plain(plan: Plan) -> dict[str, Any]:
    return {field.name: getattr(plan, field.name) for field in fields(plan)}
