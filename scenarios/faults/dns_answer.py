"""The name server gives other addresses for a name, or says that there is no such name (images/names/answer)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Self

from scenarios.faults.kernel_fault import Chain, Standing
from scenarios.lab.lab import Lab
from scenarios.lab.or_undo import OrUndo
from scenarios.lab.sweep import JOURNAL

PROGRAM = "/usr/local/lib/faultwire/answer"
DOMAIN = "lab"
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1035, 2.3.1
COMPARED_AT_ONCE = 16  # bytes: a register of nf_tables

# The program's own undo puts back the whole zone, in its first order, so what other faults in force say is said again.
CHANGE = f"""
claim "the-answer-for-$1"
defer "{PROGRAM}; for other in {JOURNAL}/*.answer; do [ ! -e \\$other ] || {PROGRAM} \\$(cat \\$other); done"
defer "rm -f $undo.answer"
echo "$*" >"$undo.answer"
{PROGRAM} "$@"
"""


def in_answers(name: str) -> str:
    """The nftables expression for DNS messages over UDP that answer a question for a name (RFC 1035, 4.1).

    The question comes first, behind a header of 12 bytes, and an answer repeats it. The name is compared as it is
    asked: one who asks in capitals is not recognized.
    """
    question = b"".join(bytes([len(label)]) + label for label in name.encode().split(b".")) + b"\0"
    words = ["udp sport 53 @th,80,1 1"]  # QR: it is an answer
    for at in range(0, len(question), COMPARED_AT_ONCE):
        piece = question[at : at + COMPARED_AT_ONCE]
        words.append(f"@th,{(8 + 12 + at) * 8},{len(piece) * 8} 0x{piece.hex()}")
    return " ".join(words)


class _Counted(Standing):
    """The firewall counts the answers for a name, and lets them pass."""

    def __init__(self, lab: Lab, name: str, host: str) -> None:
        super().__init__(lab, name)
        self._host = host

    def _chains(self) -> Sequence[Chain]:
        names = self._lab.topology.standing["names"]
        answers = in_answers(f"{self._host}.{DOMAIN}")
        rules = [f"ip saddr {names.ipv4} {answers} counter", f"ip6 saddr {names.ipv6} {answers} counter"]
        return [Chain(self.name, "forward priority 20", rules)]


class Answer(Standing):
    """The name `host`.lab has these addresses, in this order; without any, it does not exist (NXDOMAIN).

    Hits are the answers for that name over UDP that crossed the firewall: those to hosts of the name server's own
    network do not. A resolver asks for A and for AAAA, which makes two.
    """

    machine = "names"

    def __init__(self, lab: Lab, name: str, host: str, *addresses: str) -> None:
        super().__init__(lab, name)
        if not LABEL.fullmatch(host):
            raise ValueError(f"{name}: host: expected small letters, digits and hyphens, without .lab, got {host!r}")
        self._changed = host, *addresses
        self._counted = _Counted(lab, name, host)

    def _change(self) -> Sequence[str]:
        return CHANGE, *self._changed

    def __enter__(self) -> Self:
        super().__enter__()
        with OrUndo(super().__exit__):
            self._counted.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._counted.__exit__()
        finally:
            super().__exit__()

    def hits(self) -> int:
        return self._counted.hits()
