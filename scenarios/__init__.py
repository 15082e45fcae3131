"""The lab's own program: brings the lab up, drives it, captures it, and judges what happened.

It is a house of rooms. Imports point one way, from a room to those before it in this list, and each room says in its
`__init__.py` what it is for and what it must not know:

    lab         machines: brought up, held, asked, taken down
    spec        drills and services as files, and their words
    calls       servers and clients on hosts, and how each call ended
    faults      what is done to the network, a kind a module
    evidence    packets, sockets and stalls that were seen
    verdict     what follows from them
    report      results told
    run         drills performed
    library     the lab for a person's own tests, and the pytest plugin
    byteorder, bench, stress
    teaching    lessons, and programs graded
    cli         the commands

A value that two rooms need stands in the lower one, so it may stand apart from what makes it (evidence/record.py,
calls/call.py, verdict/result.py). What the terminal prints with is in `report`, so that `run` may print; the summary of
a run is in `run`, since it writes what a run came to. What all rooms use and knows no lab (waiting, heartbeat,
json_lines, signals, errors) is in `lab`, the lowest.

Nothing here imports `services`: what the packets say is read by Wireshark's dissectors, so that a bug in the services'
codec cannot pass its own test.
"""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """What the library has for a person's own tests: `from faultwire import Lab`, once it is asked for."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    library = importlib.import_module(".library", __name__)  # whoever imports a room gets that room alone
    if name not in library.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(library, name)
