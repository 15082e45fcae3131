"""Sends messages to a server, each on a connection of its own, and prints what came back: the caller of a fuzz.

    python fuzz_caller.py HOST PORT TRANSPORT WITHIN_S ALL_WITHIN_S < CASES

It runs where the server can be reached, on this machine or as `python -c` on a host of a lab: it imports only the
standard library. A line of CASES is a JSON list of pieces in base64, sent one after another; then comes the end of the
stream. After ALL_WITHIN_S seconds no other is sent, so that a server which hangs is told and not waited for each time.
A line of output is {"got": base64, "end": how}: `end` (the peer's FIN), `reset`, `late`, or an errno's name.
"""

import base64
import errno
import json
import socket
import sys
import time

MOST = 4 << 20  # bytes of an answer that are kept


def stream(host: str, port: int, pieces: "list[bytes]", within_s: float) -> "tuple[bytes, str]":
    """Send the pieces, and read until the end. It reads while it sends: an echo may have no room for more."""
    got = bytearray()
    until_s = time.monotonic() + within_s
    left = [memoryview(each) for each in pieces if each]
    finished = False
    try:
        connected = socket.create_connection((host, port), timeout=within_s)
    except ConnectionResetError:  # it was accepted, and reset before connect() had looked
        return b"", "reset"
    except OSError as error:
        return b"", name_of(error)
    with connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < until_s:
            try:
                if left and not finished:
                    connected.settimeout(0)
                    try:
                        sent = connected.send(left[0])
                        left[0] = left[0][sent:]
                        if not left[0]:
                            del left[0]
                        continue
                    except BlockingIOError:
                        pass
                elif not finished:
                    finished = True
                    connected.shutdown(socket.SHUT_WR)
                connected.settimeout(0.005 if left else max(0.001, until_s - time.monotonic()))
                data = connected.recv(1 << 16)
            except (TimeoutError, BlockingIOError):
                continue
            except (ConnectionResetError, BrokenPipeError):
                return bytes(got), "reset"
            except OSError as error:
                return bytes(got), "reset" if error.errno == errno.ENOTCONN else name_of(error)
            if not data:
                return bytes(got), "end"
            if len(got) < MOST:
                got += data
    return bytes(got), "late"


def datagram(host: str, port: int, pieces: "list[bytes]", within_s: float) -> "tuple[bytes, str]":
    """Send the pieces as one datagram, and wait for one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.settimeout(within_s)
        try:
            made.connect((host, port))
            made.send(b"".join(pieces))
            return made.recv(1 << 16), "end"
        except TimeoutError:
            return b"", "late"
        except OSError as error:
            return b"", name_of(error)


def name_of(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error))


def main() -> None:
    host, port, transport = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    within_s, all_within_s = float(sys.argv[4]), float(sys.argv[5])
    until_s = time.monotonic() + all_within_s
    call = stream if transport == "tcp" else datagram
    for line in sys.stdin:
        if time.monotonic() > until_s:
            break
        got, end = call(host, port, [base64.b64decode(each) for each in json.loads(line)], within_s)
        print(json.dumps({"got": base64.b64encode(got).decode(), "end": end}), flush=True)


if __name__ == "__main__":
    main()
