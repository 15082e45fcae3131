"""The files of JSON in the folder of a run: each is a mapping, and of the form that this version writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scenarios.evidence.run_folder import RESULT_SCHEMA


class TornFile(ValueError):
    """A file of a cell that cannot be read, or is of another form; the message begins with its path."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path, self.why, self.further = path, why, list[TornFile]()  # further: of other cells


def mapping_in(path: Path) -> dict[str, Any]:
    """The mapping that a file holds. Raise OSError, and TornFile where it holds something else."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise TornFile(path, f"expected JSON: {error}") from error
    if not isinstance(found, dict):
        raise TornFile(path, f"expected a mapping, found {type(found).__name__}")
    return found


def of_this_form(path: Path) -> dict[str, Any]:
    """The same of summary.json or result.json; another version's form is torn too, for its keys mean other things."""
    found = mapping_in(path)
    if (schema := found.get("schema", RESULT_SCHEMA)) != RESULT_SCHEMA:
        raise TornFile(path, f"expected schema {RESULT_SCHEMA}, got {schema!r}")
    return found
