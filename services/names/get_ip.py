"""What gethostbyname and getaddrinfo say of one name, side by side.

    python -m services.names.get_ip NAME [PORT]

A row for each address that getaddrinfo gives, in its order, as the tuple that connect() takes: 2 for IPv4, 4 for IPv6.
Beside it what gethostbyname gives: one address of IPv4, and nothing of the rest. Exit status: 0 answered, 12 timed out,
64 usage, 68 name not resolved; 12 and 68 say why in one line on stderr.

With --all the five fields of each of getaddrinfo's answers are shown instead, as Python has them: family, type,
protocol, canonical name, address; three a family, for each type of socket is one. The last number of an IPv6 address is
its scope id: of `fe80::1%eth0` the number of that interface, without which a link-local address leads nowhere.
"""

import argparse
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from services import calling, command
from services.address import Address, resolved
from services.outcome import CallError, Outcome

NOTHING = "(nothing)"
FIELDS = ("family", "type", "protocol", "canonical name", "address")
Shown = TypeVar("Shown")


@dataclass(frozen=True, slots=True)
class Row:
    """One address as gethostbyname shows it, or why it does not; as getaddrinfo does; its own name, if asked for."""

    by_name: str
    by_info: str
    own_name: str = ""


def rows(name: str, port: int, reverse: bool) -> list[Row]:
    """What there is to show. Takes as long as the resolver does. Raises gaierror when getaddrinfo gives nothing."""
    found = resolved(name, port)
    first = first_ipv4(name)
    shown = []
    for family, address in found:
        beside = "(shows no IPv6)" if family == socket.AF_INET6 else "(shows one address)"
        shown.append(
            Row(
                first if address[0] == first else beside,
                f"{socket.AddressFamily(family).name:8} {address}",
                own_name(address) if reverse else "",
            )
        )
    if first not in (NOTHING, *(row.by_name for row in shown)):  # the name has changed between the two questions
        shown.append(Row(first, NOTHING))
    return shown


def first_ipv4(name: str) -> str:
    """What gethostbyname gives."""
    try:
        # As bytes, which the type stub does not know of, it needs no import of the IDNA codec, which is slow.
        return socket.gethostbyname(name.encode("ascii"))  # type: ignore[arg-type]
    except socket.gaierror:
        return NOTHING


def own_name(address: Address) -> str:
    """The name that the address leads back to."""
    try:
        # getnameinfo(3): without NI_NAMEREQD the address itself would come back where there is no name
        return socket.getnameinfo(address, socket.NI_NAMEREQD | socket.NI_NUMERICSERV)[0]
    except socket.gaierror:
        return NOTHING


def fives(name: str, port: int) -> list[tuple[str, ...]]:
    """All that getaddrinfo gives, a row of five fields each. Raises gaierror when that is nothing."""
    found = socket.getaddrinfo(name, port, flags=socket.AI_CANONNAME)
    return [
        (socket.AddressFamily(family).name, socket.SocketKind(kind).name, str(protocol), repr(canonical), str(address))
        for family, kind, protocol, canonical, address in found
    ]


def rows_within(timeout_s: float, name: str, port: int, reverse: bool) -> list[Row]:
    """The rows, asked for in a thread, for the resolver takes no timeout. Raises CallError."""
    return within(timeout_s, name, lambda: rows(name, port, reverse))


def within(timeout_s: float, name: str, asked: Callable[[], list[Shown]]) -> list[Shown]:
    """What the resolver gives, asked in a thread, for it takes no timeout. Raises CallError."""
    shown: list[Shown] = []
    errors: list[OSError] = []

    def ask() -> None:
        try:
            shown.extend(asked())
        except OSError as error:
            errors.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout_s)
    if asking.is_alive():
        raise CallError(Outcome.TIMED_OUT, f"not done within {timeout_s:g} s, resolving {name}")
    for error in errors:
        raise CallError(Outcome.NOT_RESOLVED, f"{name}: {error.strerror}") from error
    return shown


def table(shown: Sequence[Row]) -> str:
    """The rows under their headings; the third column only where names were asked for."""
    lines = [Row("gethostbyname", "getaddrinfo", "getnameinfo" if any(row.own_name for row in shown) else ""), *shown]
    left = max(len(row.by_name) for row in lines)
    middle = max(len(row.by_info) for row in lines)
    return "\n".join(f"{row.by_name:{left}}   {row.by_info:{middle}}   {row.own_name}".rstrip() for row in lines)


def in_columns(lines: Sequence[Sequence[str]]) -> str:
    """Rows of as many cells each, one below the other."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "   ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def main() -> None:
    form = argparse.RawDescriptionHelpFormatter
    parser = command.Parser("python -m services.names.get_ip", description=__doc__, formatter_class=form)
    add = parser.add_argument
    add("name", metavar="NAME", type=command.host)
    add("port", metavar="PORT", type=command.port, nargs="?", default=0, help="0 to 65535 (%(default)s)")
    add("--reverse", action="store_true", help="ask for the name of each address too")
    add("--all", action="store_true", help="the five fields of each of getaddrinfo's answers, and nothing else")
    whole = "for all questions together (%(default)s)"
    add("--timeout", metavar="SECONDS", type=command.seconds, default=calling.TIMEOUT_S, help=whole)
    asked = parser.parse_args()
    if not asked.name:
        parser.error("NAME is empty: there is nothing to resolve")
    with calling.reporting_errors():
        if asked.all:
            print(in_columns([FIELDS, *within(asked.timeout, asked.name, lambda: fives(asked.name, asked.port))]))
            return
        print(table(rows_within(asked.timeout, asked.name, asked.port, asked.reverse)))


if __name__ == "__main__":
    main()
