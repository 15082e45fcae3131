"""What programs print when a clock of their own ends a call, where that is no errno: by language or program.

Only words that can mean nothing else stand here; for all others there is `says` in service.yaml. Each is a regular
expression, found without regard to case unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PATTERNS: Final[Mapping[str, str]] = {
    "dig": r"connection timed out; no servers could be reached",
    "dnspython": r"resolution lifetime expired",
    # Socket.tcp() raises the errno itself, without one of the kernel
    "Ruby": r"(?:Errno::ETIMEDOUT: )?Connection timed out - user specified timeout(?: \(Errno::ETIMEDOUT\))?",
    # connect_timeout(); what the kernel said is `Os { code: 110, …`
    "Rust": r"(?-i:Error \{ kind: TimedOut, message: \"connection timed out\")",
}
