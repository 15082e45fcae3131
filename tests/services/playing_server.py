"""A port on which a test plays the server, for clients."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENDS_WITHIN_S = 15


@contextmanager
def serving(serve: Callable[[socket.socket], object], times: int = 1, until: bytes = b"") -> Iterator[str]:
    """A port on which so many connections are accepted, one after another, and handed to `serve`.

    By then the first bytes of a request have come; all of them, where `until` says how a request ends.
    """

    def accept() -> None:
        for _ in range(times):
            connected, _ = listening.accept()
            with connected:
                request = connected.recv(65536)
                while not request.endswith(until):
                    request += connected.recv(65536)
                serve(connected)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield str(listening.getsockname()[1])
        thread.join(ENDS_WITHIN_S)
        assert not thread.is_alive()
