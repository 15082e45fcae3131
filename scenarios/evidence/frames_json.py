"""frames.json: the packets of a run as they were decoded, kept beside its captures, so that a report needs no lab.

It holds what a reader of the exchange needs, each packet with the frames by which the two legs saw it, and not the
payloads: those are in the captures. docs/frames.schema.json describes it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scenarios.evidence.frame import Frame
from scenarios.evidence.pairing import PREVIEW, rungs
from scenarios.evidence.record import Seen

FILE = "frames.json"
SCHEMA = 1
LEGS = ("client-leg", "server-leg")
# Of a Frame, what is kept as it is; what is empty is left out.
KEPT = (
    "number time_ns length transport source_port destination_port identification ttl "
    "seq ack window protocol info notes messages byteorders"
).split()


def write(folder: Path, seen: Seen) -> Path:
    """Write frames.json into the folder of a run's captures. Nothing is lost but the payloads beyond PREVIEW bytes."""
    legs = {leg: list(seen.frames.get(leg, ())) for leg in LEGS}
    document = {
        "schema": SCHEMA,
        "port": seen.port,
        "addresses": seen.addresses,
        "client_side": sorted(seen.client_side),
        "legs": {leg: [_fields_of(frame) for frame in frames] for leg, frames in legs.items()},
        "packets": [
            [each and each.number for each in (rung.client_leg, rung.server_leg)]
            for rung in rungs(legs["client-leg"], legs["server-leg"], seen.client_side)
        ],
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
