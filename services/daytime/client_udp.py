"""Ask for the time of day over UDP: an empty datagram, sent again when nothing comes back.

    python -m services.daytime.client_udp HOST PORT

Prints the line. Exit status: as every client (services/outcome.py); 15 when what came is no line.
"""

from services import calling, datagrams
from services.calling import Call
from services.outcome import CallError, Outcome

from .line import fault


def main() -> None:
    asked = calling.parse(datagrams.parser("services.daytime.client_udp", __doc__))
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout)
        answer = datagrams.ask(call, b"", asked.retries, asked.wait)
        if wrong := fault(answer):
            raise CallError(Outcome.WRONG_ANSWER, f"{call.peer}: {wrong}")
    print(answer.decode("ascii").rstrip("\r\n"))


if __name__ == "__main__":
    main()
