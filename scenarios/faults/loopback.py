"""The loopback of a host, captured while a fault is in force: what stays on a host crosses no leg of the firewall.

A capture needs a right that no host has (CAP_NET_RAW), so a container in the host's network has it, with tcpdump. It
says "listening on" before it is sure to hear (pcap(3PCAP)), and what is shown last may be kept back. So a datagram of
our own to the discard port is waited for at the beginning, and another one before anything is counted.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import subprocess
from collections.abc import Mapping, Sequence

from scenarios.faults.catch import Caught
from scenarios.faults.host_change import label
from scenarios.faults.kernel_fault import WITHIN_S
from scenarios.lab import engine
from scenarios.lab.errors import CommandFailed, DeadlinePassed, LabProblem
from scenarios.lab.lab import Lab
from scenarios.lab.or_undo import OrUndo
from scenarios.lab.topology import Host
from scenarios.lab.waiting import wait_for
from scenarios.spec.loopback_faults import Kind

# In immediate mode each packet takes as much of the buffer as the longest could: eight would fill tcpdump's own. What
# its lines say stands in the headers.
SNAPLEN, BUFFER_KIB = "256", "8192"
DISCARD = 9  # nobody listens there
# Of both families: tcpdump's tcp[…] is of IPv4 alone, and behind IPv6's header of 40 bytes the flags are at 53.
FLAGS = "((tcp and tcp[13] & {mask} = {flags}) or (ip6 proto 6 and ip6[53] & {mask} = {flags}))"
KINDS: Mapping[Kind, str] = {
    "any": "not icmp and not icmp6",
    "tcp": "tcp",
    "udp": "udp",
    "syn": FLAGS.format(mask="0x12", flags="0x02"),
    "syn-ack": FLAGS.format(mask="0x12", flags="0x12"),
    "data": "((tcp and ip[2:2] - ((ip[0] & 15) << 2) - ((tcp[12] & 0xf0) >> 2) > 0)"
    " or (ip6 proto 6 and ip6[4:2] - ((ip6[52] & 0xf0) >> 2) > 0))",
    "fin": FLAGS.format(mask="0x01", flags="0x01"),
    "rst": FLAGS.format(mask="0x04", flags="0x04"),
}
# A mark is told from others by its length, which tcpdump shows.
SEND = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(bytes({length}), ('127.0.0.1', {port}))"
OURS = re.compile(rf" > 127\.0\.0\.1\.{DISCARD}: UDP, length (\d+)$")
DROPPED = re.compile(r"^([1-9]\d*) packets? dropped by kernel$", re.MULTILINE)


class Loopback:
    """The packets of a kind on a host's loopback, from now until its end. Raises LabProblem."""

    def __init__(self, lab: Lab, name: str, host: Host, of: Kind) -> None:
        self._lab, self._fault, self._host = lab, name, host
        self._container = f"{lab.container(host.name)}-loopback-{secrets.token_hex(4)}"
        self._caught: Caught | None = None
        self._marks = 0
        keep = f"({KINDS[of]} and not udp port {DISCARD}) or (dst host 127.0.0.1 and udp dst port {DISCARD})"
        with OrUndo(self._remove):
            engine.docker_command(
                *("run", "--detach", "--name", self._container, "--network", f"container:{lab.container(host.name)}"),
                *label(lab, host.name),
                *("--cap-drop", "ALL", "--cap-add", "NET_RAW", "--security-opt", "no-new-privileges", "--read-only"),
                *("--log-driver", "json-file", "--log-opt", "max-size=8m", "--pull", "never"),
                *("--entrypoint", "tcpdump", "faultwire/firewall", "-i", "lo", "-n", "-l", "-t", "--immediate-mode"),
                *("-s", SNAPLEN, "-B", BUFFER_KIB, "-Z", "root", keep),
                timeout_s=WITHIN_S,
            )
            self._lines()

    def read_hits(self) -> Caught:
        return self._caught or self._counted(self._lines())

    def end(self, known: Caught | None = None) -> Caught:
        if self._caught is None:
            try:
                self._caught = known or self._counted(self._lines(), self._dropped())
            finally:
                self._remove()
        return self._caught

    def count_held(self) -> int:
        return 0

    def _counted(self, lines: Sequence[str], unsure: str = "") -> Caught:
        found = tuple(line for line in lines if not OURS.search(line))
        return Caught(len(found), unsure, found)

    def _lines(self) -> list[str]:
        """What was seen so far, all of it: a mark that was sent now is among it. Raises LabProblem."""
        lines: list[str] = []
        mark = self._marks = self._marks + 1

        def is_seen() -> bool:
            self._lab.run(self._host.name, ["python", "-c", SEND.format(length=mark, port=DISCARD)], timeout_s=WITHIN_S)
            lines[:] = self._printed().splitlines()
            return any((found := OURS.search(line)) and int(found[1]) == mark for line in lines)

        try:
            wait_for(is_seen, f"a test packet in the capture of the loopback of {self._host.name}", WITHIN_S)
        except DeadlinePassed as late:
            raise LabProblem(
                f"the fault {self._fault}: {late}; the capture printed: {self._printed(both=True)}"
            ) from late
        return lines

    def _printed(self, *, both: bool = False) -> str:
        ran = subprocess.run(
            ["docker", "logs", self._container], capture_output=True, text=True, timeout=WITHIN_S, check=False
        )
        return ran.stdout + (ran.stderr if both or ran.returncode else "")

    def _dropped(self) -> str:
        """End the capture, and say what it lost; empty for nothing."""
        with contextlib.suppress(CommandFailed):
            engine.docker_command("kill", "--signal", "INT", self._container, timeout_s=WITHIN_S)
            engine.docker_command("wait", self._container, timeout_s=WITHIN_S)
        found = DROPPED.search(self._printed(both=True))
        return f"the capture of the loopback lost {found[1]} packets" if found else ""

    def _remove(self) -> None:
        with contextlib.suppress(CommandFailed):
            engine.docker_command("rm", "--force", self._container, timeout_s=WITHIN_S)
