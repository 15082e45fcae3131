"""Standard output and standard error as they were given to this program: closed, or of another encoding."""

from __future__ import annotations

import os
import sys

NAMES = ("stdout", "stderr")


def prepare() -> None:
    """Before anything is printed: have a stream that is closed drop its words, and one of few characters print `?`.

    Python has None for a stream that was closed when it began (`>&-`).
    """
    for name in NAMES:
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        else:
            stream.reconfigure(errors="replace")
