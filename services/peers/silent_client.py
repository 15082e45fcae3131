"""A client that connects and sends nothing, until the server cuts it off.

    python -m services.peers.silent_client HOST PORT

A server without an idle time keeps such a connection for ever. Prints `did: sent nothing for 1.003 s`. Exit status: 14
cut off with a FIN, 11 with a reset, 12 not cut off within --timeout, 15 something came all the same, or as every client
(services/outcome.py).
"""

import time

from services import calling
from services.calling import Call
from services.outcome import CallError, Outcome

from .reporting import report


def main() -> None:
    asked = calling.parse(calling.parser("services.peers.silent_client", __doc__))
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout)
        with call.connect() as connected:
            began_s = time.monotonic()
            try:
                came = call.recv(connected)
            finally:
                silent = f"sent nothing for {time.monotonic() - began_s:.3f} s"
                report(silent)
        if came:
            raise CallError(Outcome.WRONG_ANSWER, f"{call.peer} sent {came[:30]!r}, and nobody had asked")
        raise CallError(Outcome.BROKEN_OFF, f"{call.peer} finished; we {silent}")


if __name__ == "__main__":
    main()
