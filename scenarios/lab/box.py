"""What a guest, a program of another image, is given beside its command line. Knows no Docker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Final

from scenarios.lab.valueclass import valueclass

PREFIX: Final = "FAULTWIRE_"  # of the variables that the lab itself gives
USER: Final = 1000  # as whom a guest runs
TEMPORARY: Final = "/tmp"  # noqa: S108 (of the guest's container: the only place where it can write)
# Where the hosts, and so the guests in their network, find the certificates (compose.yaml mounts them there).
AUTHORITY_FOLDER: Final = "/run/authority"
KEYS_FOLDER: Final = "/run/keys"
HIDDEN: Final = "(hidden)"


@valueclass
class Box:
    """The container of a guest: its image, its environment, and files that it can read, each at its place there.

    The values of `credentials`, which are in its environment too, stand in no evidence. `before` are commands that run
    in the container, one after another, before the program; `after` are run in it before the program is stopped.
    It begins in `folder`; empty: where its image says.
    """

    image: str
    environment: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)
    before: Sequence[Sequence[str]] = ()
    after: Sequence[Sequence[str]] = ()
    folder: str = ""

    def hide(self, text: str) -> str:
        """The text without the values of the credentials."""
        for value in sorted(self.credentials.values(), key=len, reverse=True):
            text = text.replace(value, HIDDEN)
        return text
