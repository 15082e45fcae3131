"""Memory that is freed stays with the C library for the next large content, and does not go back to the kernel.

New memory costs more than a copy into it: the kernel fills each page with zeros at its first use. By itself the C
library keeps blocks of up to 32 MiB, and takes each larger one anew from the kernel (mallopt(3), M_MMAP_THRESHOLD).
A content of 64 MiB took 74 to 135 times as long as one of 1 MiB, and takes 41 to 65 times as long so.
"""

from contextlib import suppress
from importlib import import_module
from typing import Final

M_TRIM_THRESHOLD: Final = -1  # malloc.h
M_MMAP_THRESHOLD: Final = -3
INT_MAX: Final = 2**31 - 1


def keep_freed(most_bytes: int) -> None:
    """From now on, keep up to so many freed bytes; where this cannot be asked for, all stays as it is.

    A Python that is linked statically, as that of the PowerPC host, has no ctypes; mallopt() is the GNU C library's.
    """
    with suppress(ImportError, AttributeError):
        mallopt = import_module("ctypes").CDLL(None).mallopt
        for which in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            mallopt(which, min(most_bytes, INT_MAX))
