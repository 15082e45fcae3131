"""The program that makes wires of a lab's bridges, with stand-ins for the commands that it starts."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scenarios.lab.topology import ROOT

PROGRAM = ROOT / "images" / "firewall" / "cables"
EVENTS = 50
IP = f"""
echo "ip $*" >>"$LOG"
case "$*" in *monitor*) n=0; while [ $n -lt {EVENTS} ]; do echo event; n=$((n + 1)); done ;; esac
"""


def test_an_event_of_a_link_starts_no_process_where_nothing_is_new(tmp_path: Path) -> None:
    """Each lab hears the events of all labs of the machine. The loopback interface stands for a bridge."""
    commands = {"ip": IP, "cat": 'echo "cat $*" >>"$LOG"; read -r line <"$1"; echo "$line"', "ethtool": ""}
    for name, body in commands.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    log = tmp_path / "log"
    environment = {"PATH": str(tmp_path), "LOG": str(log)}
    ran = subprocess.run(["/bin/sh", PROGRAM, "lo"], env=environment, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "wired: lo\n", "")
    assert sorted(log.read_text(encoding="utf-8").splitlines()) == [
        "ip -6 address flush dev lo",
        "ip -o monitor link",
        "ip link set dev lo addrgenmode none",
    ]
