"""A drill of one call whose SYN comes a moment late, for tests of what else happens meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from scenarios.spec.catalogue import load_drill
from scenarios.spec.drill import Drill

TEXT: Final = """\
drill: one-call
claim: The call takes as long as it is said.
why: It is for tests of what happens beside a drill.
source: [RFC 9293]
tags: [reaching]
service: search/selectors
script:
  - fault: {name: late, delay: {of: syn, from: client, to: server, by: 1ms}}
  - call: {name: hello, within: 20s}
expect:
  - outcome: {call: hello, is: answered}
  - packets: {at: client-leg, where: tcp.flags.syn == 1}
  - duration: {call: hello, is: BAND}
control:
  - outcome: {call: hello, is: answered}
"""


def one_call(folder: Path, band: str) -> Drill:
    """The drill, in a file of this folder. `band`: how long its call may take, as `0ms to 500ms`."""
    path = folder / "one-call.yaml"
    path.write_text(TEXT.replace("BAND", band), encoding="utf-8")
    return load_drill(path)
