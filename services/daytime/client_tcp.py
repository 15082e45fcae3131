"""Ask for the time of day over TCP: connect, and read until the server closes.

    python -m services.daytime.client_tcp HOST PORT

By RFC 867 the line ends where the connection does, and then broken off cannot be told from answered. So the line's own
end, LF, is asked for: without it the call is broken off. Prints the line. Exit status: as every client
(services/outcome.py); 15 when what came is no line.
"""

from services import calling
from services.calling import Call
from services.closing import read_until_closed
from services.outcome import CallError, Outcome

from .line import LIMIT, fault


def main() -> None:
    asked = calling.parse(calling.parser("services.daytime.client_tcp", __doc__))
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout)
        with call.connect() as connected:
            answer = read_until_closed(call, connected, LIMIT)
        if answer and (wrong := fault(answer)):
            raise CallError(Outcome.WRONG_ANSWER, f"{call.peer}: {wrong}")
        if not answer.endswith(b"\n"):
            raise CallError(Outcome.BROKEN_OFF, f"{call.peer} closed after {len(answer)} bytes, before the line's end")
    print(answer.decode("ascii").rstrip("\r\n"))


if __name__ == "__main__":
    main()
