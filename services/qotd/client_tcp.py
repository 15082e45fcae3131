"""Ask for the quote of the day over TCP: connect, and read until the server closes.

    python -m services.qotd.client_tcp HOST PORT

By RFC 865 the quote ends where the connection does: when that ends after a whole line, nobody can know whether there
was more. In the middle of a line, the call is broken off. Prints the quote. Exit status: as every client
(services/outcome.py); 15 when what came is no quote.
"""

from services import calling
from services.closing import ask_for_text

from .quotes import LIMIT, fault


def main() -> None:
    asked = calling.parse(calling.parser("services.qotd.client_tcp", __doc__))
    with calling.reporting_errors():
        text = ask_for_text(asked, LIMIT, fault, "a line's end")
    print(text.replace("\r\n", "\n"), end="")


if __name__ == "__main__":
    main()
