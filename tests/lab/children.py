"""A lab whose machines are this one, for what speaks to a program on a machine: the program is the test's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any, cast

from scenarios.lab.lab import Lab
from scenarios.lab.topology import topology

HEAD = """
import json, sys, time
def say(content=b"", **said):
    sys.stdout.buffer.write(json.dumps(said).encode() + b"\\n" + content)
    sys.stdout.buffer.flush()
def asked():
    line = sys.stdin.buffer.readline()
    said = json.loads(line) if line else sys.exit()
    said["content"] = sys.stdin.buffer.read(said.get("size", 0))
    return said
"""


class _Local:
    topology = topology(1)
    number = 1

    def __init__(self, code: str) -> None:
        self._code = code
        self.opened: list[list[str]] = []

    def open(self, machine: str, argv: Sequence[str], **_: Any) -> subprocess.Popen[bytes]:
        self.opened.append([machine, *argv])
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, "-c", HEAD + self._code], stdin=pipe, stdout=pipe, stderr=pipe)

    def sweep(self, machine: str, variable: str) -> None:
        self.opened.append([machine, variable])


def lab_with(code: str) -> Lab:
    """A lab on whose machines every program is this one, in Python. It has `say(**words)` and `asked()`."""
    return cast("Lab", _Local(code))
