"""frames.json: the packets of a run as they were decoded, kept beside its captures, so that a report needs no lab.

It holds what a reader of the exchange needs, each packet with the frames by which the legs saw it, and not the
payloads: those are in the captures. docs/frames.schema.json describes it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from scenarios.evidence.frame import Frame
from scenarios.evidence.pairing import PREVIEW, rungs_of
from scenarios.evidence.record import Seen
from scenarios.spec.roles import LegName

FILE = "frames.json"
SCHEMA = 1
LEGS = get_args(LegName)  # that to a backend is in the file where there is one
# Of a Frame, what is kept as it is; what is empty is left out.
KEPT = (
    "number time_ns length transport source_port destination_port identification ttl "
    "seq ack window protocol info notes messages byteorders"
).split()


def write(folder: Path, seen: Seen) -> Path:
    """Write frames.json into the folder of a run's captures. Nothing is lost but the payloads beyond PREVIEW bytes."""
    rungs = rungs_of(seen)
    unsure = [at for at, rung in enumerate(rungs) if rung.is_unsure]
    legs = {leg: list(seen.frames.get(leg, ())) for leg in LEGS if leg in seen.frames or leg != "backend-leg"}
    document = {
        "schema": SCHEMA,
        "port": seen.port,
        "addresses": seen.addresses,
        "client_side": sorted(seen.client_side),
        **({"backend_side": sorted(seen.backend_side)} if seen.backend_side else {}),
        "legs": {leg: [_fields_of(frame) for frame in frames] for leg, frames in legs.items()},
        "packets": [[(on := rung.on(leg)) and on.number for leg in legs] for rung in rungs],
        **({"unsure": unsure} if unsure else {}),
    }
    path = folder / FILE
    path.write_text(json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n", "ascii")
    return path


def _fields_of(frame: Frame) -> dict[str, Any]:
    kept: dict[str, Any] = {"source": frame.source, "destination": frame.destination}
    kept |= {name: value for name in KEPT if (value := getattr(frame, name)) not in (None, "", ())}
    if frame.flags:
        kept["flags"] = sorted(frame.flags)
    if frame.payload:
        kept |= {"payload_bytes": len(frame.payload), "payload": frame.payload[:PREVIEW].hex()}
    if not frame.checksum_good:
        kept["checksum_good"] = False
    return kept
