"""Print what this machine's byte order does to numbers and to text, and what it does not.

    python -m services.byteorder.show

The lines are the same on every machine of one byte order; what differs between two machines, beside each other, is
what depends on the byte order, and nothing else does.
"""

import socket
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from services import command

SHORT: Final = (0x1234, 17, 65432)  # 17: the port of qotd; 65432: of the search service
LONG: Final = (0x12345678, 1)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the byte order of a machine shows in; THIS asks the machine itself."""

    byteorder: str
    pack: Callable[[str, int], bytes]
    htons: Callable[[int], int]
    htonl: Callable[[int], int]
    ntohs: Callable[[int], int]
    ntohl: Callable[[int], int]
    utf16: Callable[[str], bytes]


HOST_AND_NETWORK: Final = (socket.htons, socket.htonl, socket.ntohs, socket.ntohl)
THIS: Final = Machine(sys.byteorder, struct.pack, *HOST_AND_NETWORK, lambda text: text.encode("utf-16"))


def lines(machine: Machine) -> Iterator[str]:
    """What is printed, line by line; as many lines, with the same labels, for each byte order."""

    def row(label: str, value: bytes | str) -> str:
        return f"  {label:<30}{value.hex(' ') if isinstance(value, bytes) else value}"

    yield f"sys.byteorder: {machine.byteorder}"
    yield ""
    yield "The number 1 in four bytes"
    yield row("native     struct '=I'", machine.pack("=I", 1))
    yield row("network    struct '!I'", machine.pack("!I", 1))
    yield row("big        struct '>I'", machine.pack(">I", 1))
    yield row("little     struct '<I'", machine.pack("<I", 1))
    yield "  Native is how this machine keeps it; network is big"
    yield "  (RFC 791, B), on every machine. Send '!', never '='."
    yield ""
    yield "Numbers for the network, and from it"
    for number in SHORT:
        yield row(f"htons({_both(number)})", _both(machine.htons(number)))
    yield row(f"htonl({_both(LONG[0])})", _both(machine.htonl(LONG[0])))
    yield row(f"ntohs({_both(SHORT[0])})", _both(machine.ntohs(SHORT[0])))
    for number in LONG:
        yield row(f"ntohl({_both(number)})", _both(machine.ntohl(number)))
    yield row("htons(17) in memory", machine.pack("=H", machine.htons(17)))
    yield "  Little-endian swaps, big-endian has nothing to do; in"
    yield "  memory both are the same. Forgotten, it is not missed"
    yield "  on a big-endian machine, and between two little ones."
    yield ""
    yield "The letter A as text in bytes"
    yield row("utf-16", machine.utf16("A"))
    yield row("utf-16-be", "A".encode("utf-16-be"))
    yield row("utf-16-le", "A".encode("utf-16-le"))
    yield row("utf-8", b"A")
    yield "  utf-16 has units of two bytes, native here, so it begins"
    yield "  with U+FEFF, the byte order mark: fe ff is big, ff fe is"
    yield "  little. UTF-8 has units of one byte: there is no order to"
    yield "  mark, and its bytes are the same everywhere (RFC 3629, 6)."


def _both(number: int) -> str:
    return f"{number} = 0x{number:04x}"


def main() -> None:
    command.Parser("python -m services.byteorder.show", description=__doc__).parse_args()
    for line in lines(THIS):
        print(line)


if __name__ == "__main__":
    main()
