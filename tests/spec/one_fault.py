"""A drill of one fault, for the tests of the words that make one."""

from __future__ import annotations

from pathlib import Path

from scenarios.spec.drill import Drill
from scenarios.spec.fault import Fault
from scenarios.spec.strict_yaml import load

DRILL = """\
drill: one
claim: A fault, whatever it is.
why: So that each of its words can be read.
source: [RFC 2979]
tags: [reaching]
service: echo/selectors
script:
  - fault: {{name: tried, {fault}}}
  - call: {{name: hello}}
expect:
  - hits: {{fault: tried, exactly: 1}}
  - outcome: {{call: hello, is: answered}}
  - packets: {{at: client-leg, where: tcp, at_least: 1}}
control:
  - outcome: {{call: hello, is: answered}}
"""


def fault(folder: Path, words: str) -> Fault:
    """Read a drill in which a fault is written so, and return it. Raises DeclarationError."""
    path = folder / "one.yaml"
    path.write_text(DRILL.format(fault=words), encoding="utf-8")
    (found,) = load(path, Drill).faults
    return found
