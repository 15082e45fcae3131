"""Where a run leaves its evidence: runs/<UTC time>/<drill>/<service>/<pair>/, and the link runs/latest."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scenarios import engine
from scenarios.topology import ROOT

RUNS = ROOT / "runs"
RESULT_SCHEMA = 1


def new_run() -> Path:
    """A new folder, named by the time in UTC, and runs/latest pointing to it."""
    RUNS.mkdir(exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3] + "Z"
    run = RUNS / stamp
    run.mkdir()
    link = RUNS / f".latest-{os.getpid()}"
    link.symlink_to(stamp)
    link.replace(RUNS / "latest")  # at once: whoever looks sees the old one or the new one
    return run


def cell_path(run: Path, drill: str, service: str, pair: str) -> Path:
    """Where the folder of one cell of a run is, or will be."""
    return run / drill / service / pair


def cell(run: Path, drill: str, service: str, pair: str) -> Path:
    """The folder of one cell of a run, made."""
    folder = cell_path(run, drill, service, pair)
    folder.mkdir(parents=True)
    return folder


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return value


def versions() -> dict[str, str]:
    """What the run ran on: kernel, engine, Python."""
    found = {"kernel": f"{platform.system()} {platform.release()}", "python": platform.python_version()}
    with contextlib.suppress(engine.NoEngine):
        found["engine"] = str(engine.client().version()["Version"])
    return found


def write_result(folder: Path, result: Mapping[str, Any]) -> Path:
    """Write result.json of a cell; its own keys are `schema` (RESULT_SCHEMA) and `versions`."""
    path = folder / "result.json"
    document = {"schema": RESULT_SCHEMA, **_plain(result), "versions": versions()}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
