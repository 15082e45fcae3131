"""Ask a web server for a page's head, and print the status line and the headers.

    python -m services.web.head HOST PORT PATH

Every address of HOST is tried. Exit status: 0 answered, whatever the answer's own status is;
10 refused, 11 reset, 12 timed out, 13 unreachable, 14 broken off (asked, not answered whole), 15 wrong answer (not
HTTP), 64 usage, 68 name not resolved, 71 another error. All but 0 say why in one line on stderr.
"""

from services import calling

from . import client_request
from .grammar import Response


def head_lines(response: Response) -> bytes:
    lines = [f"HTTP/{response.version} {response.status:03} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in response.fields]
    return "\n".join([*lines, ""]).encode("latin-1")


def main() -> None:
    asked = client_request.parse("services.web.head", __doc__)
    with calling.reporting_errors():
        for event in client_request.exchange("HEAD", asked):
            if isinstance(event, Response) and not event.interim:
                client_request.write_out(head_lines(event))


if __name__ == "__main__":
    main()
