"""Where a cluster is, as a person types it: `tcp://head:8786`, or `local:3` for workers that are started here.

Knows no Dask, so that a command line is read without it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from scenarios.lab.pool import MOST_LABS
from scenarios.lab.valueclass import valueclass

PORT: Final = 8786  # Dask's usual one


@valueclass
class Local:
    """So many workers on this machine, each with a lab."""

    workers: int

    def __str__(self) -> str:
        return f"local:{self.workers}"


@valueclass
class Address:
    """The scheduler of a cluster."""

    scheme: str  # tcp, tls
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether nobody on another machine can reach it, or be reached by that name."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> Address:
    """Read `tcp://head:8786`, `tls://head`, `tcp://[::1]:8786`. Raise ValueError."""
    match = re.fullmatch(r"(tcp|tls)://(?:\[([0-9a-fA-F:.]+)\]|([^\s:/\[\]]+))(?::([0-9]{1,5}))?", text)
    if not match or int(match[4] or PORT) > 0xFFFF:
        raise ValueError(f"expected an address such as tcp://head:{PORT} or tls://head:{PORT}, got {text!r}")
    return Address(match[1], match[2] or match[3], int(match[4] or PORT))


def parse(text: str) -> Address | Local:
    """Read an address, or `local:3`. Raise ValueError."""
    if match := re.fullmatch(r"local:([0-9]{1,2})", text):
        if not 1 <= int(match[1]) <= MOST_LABS:
            raise ValueError(f"expected local:1 to local:{MOST_LABS}, got {text!r}")
        return Local(int(match[1]))
    try:
        return parse_address(text)
    except ValueError as error:
        raise ValueError(f"{error}; use local:3 for three workers on this machine") from None
