"""Ask a web server for a page, read until it closes, and print the body as it comes.

    python -m services.web.get HOST PORT PATH

Every address of HOST is tried. Exit status: 0 answered, whatever the answer's own status is;
10 refused, 11 reset, 12 timed out, 13 unreachable, 14 broken off (asked, not answered whole), 15 wrong answer (not
HTTP), 64 usage, 68 name not resolved, 71 another error. All but 0 say why in one line on stderr.
"""

from services import calling

from . import client_request
from .http import Data


def main() -> None:
    asked = client_request.parse("services.web.get", __doc__)
    with calling.reporting_errors():
        for event in client_request.exchange("GET", asked):
            if isinstance(event, Data):
                # As it comes: nothing is held, so a body has no limit. A call that breaks off has printed a part of it.
                client_request.write_out(event.data)


if __name__ == "__main__":
    main()
