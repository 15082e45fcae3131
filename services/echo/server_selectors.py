"""Echo in one thread, with selectors: the kernel keeps the list (epoll(7)), and each loop takes what is ready.

    python -m services.echo.server_selectors HOST PORT      (HOST "": all interfaces)

The list is changed only where what a client waits for has changed: thousands that are quiet cost nothing.
"""

import selectors

from services.accepting import Accepting

from .echoing import Echoes, main

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def serve(accepting: Accepting) -> None:
    echoes = Echoes(accepting)
    listening = False
    with selectors.DefaultSelector() as selector:
        while echoes.going_on:
            if listening != echoes.accepts:
                listening = not listening
                selector.register(accepting, READ) if listening else selector.unregister(accepting)
            for key, events in selector.select(echoes.patience_s()):
                if key.fileobj is accepting:
                    if echo := echoes.accept():
                        selector.register(echo, READ, echo)
                else:
                    echo = key.data
                    echoes.turn(echo, bool(events & READ))
                    waits_for = (READ if echo.reads else 0) | (WRITE if echo.unsent else 0)
                    if waits_for not in (key.events, 0):  # 0: it is over
                        selector.modify(echo, waits_for, echo)
            for echo in echoes.over():
                selector.unregister(echo)


if __name__ == "__main__":
    main("services.echo.server_selectors", __doc__, serve)
