"""The header of a program: for which machine it was built (elf(5)). No I/O."""

from __future__ import annotations

from typing import Final, Literal

from scenarios.lab.cpus import CPUS
from scenarios.lab.valueclass import valueclass
from scenarios.spec.errno_numbers import NATIVE

HEADER_BYTES: Final = 20
MAGIC: Final = b"\x7fELF"
X86_64: Final = 62
_BITS: Final = {1: 32, 2: 64}
_ORDERS: Final[dict[int, Literal["little", "big"]]] = {1: "little", 2: "big"}


@valueclass
class Built:
    """What a program was built for: its class, its byte order, and the number of its machine."""

    bits: int
    byteorder: Literal["little", "big"]
    machine: int

    def __str__(self) -> str:
        numbers = {X86_64: NATIVE, **{cpu.elf: name for name, cpu in CPUS.items()}}
        name = numbers.get(self.machine, f"machine {self.machine}")
        return f"{name} ({self.bits} bits, {self.byteorder}-endian)"


def built_for(header: bytes) -> Built:
    """Read the first bytes of a program. Raises ValueError where it is none, as a script is not."""
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        raise ValueError(
            f"expected a program (an ELF file), got a file that begins with {header[:4].hex(' ') or 'nothing'}"
        )
    bits, byteorder = _BITS.get(header[4]), _ORDERS.get(header[5])
    if bits is None or byteorder is None:
        raise ValueError(f"expected class and byte order 1 or 2, got {header[4]} and {header[5]}")
    return Built(bits, byteorder, int.from_bytes(header[18:20], byteorder))


def expected_for(cpu: str) -> Built:
    """What a program of this CPU is built for."""
    if cpu == NATIVE:
        return Built(64, "little", X86_64)
    return Built(CPUS[cpu].bits, "big", CPUS[cpu].elf)
