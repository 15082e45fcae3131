"""Ask for the quote of the day over TCP: connect, and read until the server closes.

    python -m services.qotd.client_tcp HOST PORT

By RFC 865 the quote ends where the connection does: when that ends after a whole line, nobody can know whether there
was more. In the middle of a line, the call is broken off. Prints the quote. Exit status: as every client
(services/outcome.py); 15 when what came is no quote.
"""

from services import calling
from services.calling import Call
from services.closing import read_until_closed
from services.outcome import CallError, Outcome

from .quotes import LIMIT, fault


def main() -> None:
    asked = calling.parse(calling.parser("services.qotd.client_tcp", __doc__))
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout)
        with call.connect() as connected:
            answer = read_until_closed(call, connected, LIMIT)
        if answer and (wrong := fault(answer)):
            raise CallError(Outcome.WRONG_ANSWER, f"{call.peer}: {wrong}")
        if not answer.endswith(b"\n"):
            raise CallError(Outcome.BROKEN_OFF, f"{call.peer} closed after {len(answer)} bytes, before a line's end")
    print(answer.decode("ascii").replace("\r\n", "\n"), end="")


if __name__ == "__main__":
    main()
