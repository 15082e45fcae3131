"""Echo in one thread, with selectors: the kernel keeps the list (epoll(7)), and each loop takes what is ready.

    python -m services.echo.server_selectors HOST PORT      (HOST "": all interfaces)

The list is changed only where what a client waits for has changed: thousands that are quiet cost nothing.
"""

import selectors

from services.accepting import Accepting

from .echoing import Echo, Echoes, main

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def serve(accepting: Accepting) -> None:
    echoes = Echoes(accepting)
    with selectors.DefaultSelector() as selector:
        while echoes.going_on:
            watch(selector, accepting, READ if echoes.accepts else 0)
            for key, events in selector.select(echoes.patience_s()):
                if key.fileobj is accepting:
                    echo = echoes.accept()
                else:
                    echo = key.data
                    echoes.turn(echo, bool(events & READ))
                if echo:
                    watch(selector, echo, (READ if echo.reads else 0) | (WRITE if echo.unsent else 0))
            for echo in echoes.over():
                watch(selector, echo, 0)


def watch(selector: selectors.BaseSelector, what: Accepting | Echo, events: int) -> None:
    """Wait for these events of it from now on; 0: for none."""
    watched = selector.get_map().get(what)
    if watched and not events:
        selector.unregister(what)
    elif watched and watched.events != events:
        selector.modify(what, events, what)
    elif events and not watched:
        selector.register(what, events, what)


if __name__ == "__main__":
    main("services.echo.server_selectors", __doc__, serve)
