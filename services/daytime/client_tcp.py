"""Ask for the time of day over TCP: connect, and read until the server closes.

    python -m services.daytime.client_tcp HOST PORT

By RFC 867 the line ends where the connection does, and then broken off cannot be told from answered. So the line's own
end, LF, is asked for: without it the call is broken off. Prints the line. Exit status: as every client
(services/outcome.py); 15 when what came is no line.
"""

from services import calling
from services.closing import ask_for_text

from .line import LIMIT, fault


def main() -> None:
    asked = calling.parse(calling.parser("services.daytime.client_tcp", __doc__))
    with calling.reporting_errors():
        text = ask_for_text(asked, LIMIT, fault, "the line's end")
    print(text.rstrip("\r\n"))


if __name__ == "__main__":
    main()
