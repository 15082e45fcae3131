"""Echo in one thread, with select(): each loop hands all sockets to the kernel, and gets back those that are ready.

    python -m services.echo.server_select HOST PORT      (HOST "": all interfaces)

select(2) takes three lists: what is to be readable, what writable, and where urgent data is to come (tcp(7)), which are
not "errors": those make a socket readable. It cannot watch a descriptor of FD_SETSIZE or above: who gets one is
refused, and the journal says so.
"""

import select
from typing import Final

from services.accepting import Accepting

from .echoing import Echo, Echoes, main

FD_SETSIZE: Final = 1024  # the bits of an fd_set, in every C library of Linux; Python raises ValueError


def serve(accepting: Accepting) -> None:
    echoes = Echoes(accepting)
    while echoes.going_on:
        reading: list[Echo | Accepting] = [echo for echo in echoes.all if echo.reads]
        writing = [echo for echo in echoes.all if echo.unsent]
        if echoes.accepts:
            reading.append(accepting)
        ready = select.select(reading, writing, [], echoes.patience_s())
        readable, writable = set(ready[0]), set(ready[1])
        for each in readable | writable:
            if isinstance(each, Echo):
                echoes.turn(each, each in readable)
        if accepting in readable and (echo := echoes.accept()) and echo.fileno() >= FD_SETSIZE:
            echoes.refuse(echo, f"select() watches no descriptor from {FD_SETSIZE} on")
        for _ in echoes.over():
            pass


if __name__ == "__main__":
    main("services.echo.server_select", __doc__, serve)
