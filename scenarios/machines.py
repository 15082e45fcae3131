"""What a machine of a lab is: its byte order, word size and CPU, as it says itself, beside what its image promises."""

from __future__ import annotations

from scenarios.lab import Lab
from scenarios.topology import Host
from scenarios.verdict import Check, proof

ASKS = "import os, sys; print(f'{sys.byteorder}-endian, {sys.maxsize.bit_length() + 1} bits, {os.uname().machine}')"
# For a machine that runs another program than ours: od(1), getconf(1) and uname(1) are native there too.
ASKS_NATIVE = (
    r"test $(printf '\1\0' | od -An -t u2) = 1 && order=little || order=big; "
    'echo "$order-endian, $(getconf LONG_BIT) bits, $(uname -m)"'
)


def said(lab: Lab, host: Host) -> str:
    """What a host says that it is: `big-endian, 64 bits, s390x`; or how it failed to say. Raises LabProblem."""
    probe = ["sh", "-c", ASKS_NATIVE] if host.name in lab.topology.standing else ["python", "-c", ASKS]
    ran = lab.run(host.name, probe, timeout_s=10)
    return ran.stdout.strip() if ran.status == 0 and ran.stdout else f"status {ran.status}: {ran.printed}"


def asserted(host: Host, seen: str) -> Check:
    """What a host said that it is, against what its image promises: no result of another machine counts."""
    promised = str(host.promised)
    return proof(f"byte order, word size and CPU of {host.name}", promised, seen, seen == promised)
