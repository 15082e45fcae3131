"""Submissions of a made-up class, as small as can be: one that is right, one that is naive, and two that are broken."""

from __future__ import annotations

from pathlib import Path
from typing import Final

# The lab's own image, which has a Python: nothing is built.
SERVICE: Final = """\
service: mine
about: what comes goes back
port: 4000
image: faultwire/host
files: {program.py: /tmp/program.py}
servers:
  program:
    run: python3 /tmp/program.py serve {bind} {port}
    about: one client at a time
    ready: ^listening
clients:
  ask:
    run: python3 /tmp/program.py call {host} {port}
    about: a line there, and back
    prints: ^hello
"""
SERVE: Final = """\
import errno, socket, sys

def serve(bind, port):
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.create_server((bind, port), family=family, dualstack_ipv6=bind == "::") as listening:
        print("listening", flush=True)
        while True:
            connection, _ = listening.accept()
            with connection:
                try:
                    while data := connection.recv(4096):
                        connection.sendall(data)
                except OSError:
                    pass

"""
RIGHT: Final = (
    SERVE
    + """\
def call(host, port):
    asked, answer = b"hello" + bytes([10]), b""
    try:
        with socket.create_connection((host, port), timeout=3) as connection:
            connection.sendall(asked)
            while len(answer) < len(asked):
                data = connection.recv(4096)
                if not data:
                    sys.exit("the answer ended too soon")
                answer += data
    except OSError as error:
        sys.exit(f"no answer: {errno.errorcode.get(error.errno, error)}")
    print(answer.decode())

serve(sys.argv[2], int(sys.argv[3])) if sys.argv[1] == "serve" else call(sys.argv[2], int(sys.argv[3]))
"""
)
# No timeout, and one recv() for an answer.
NAIVE: Final = (
    SERVE
    + """\
def call(host, port):
    with socket.create_connection((host, port)) as connection:
        connection.sendall(b"hello" + bytes([10]))
        print(connection.recv(4096).decode())

serve(sys.argv[2], int(sys.argv[3])) if sys.argv[1] == "serve" else call(sys.argv[2], int(sys.argv[3]))
"""
)


def class_in(folder: Path) -> Path:
    """Write the class into a folder, and return that of its submissions."""
    found = folder / "class"
    for name, program in (("anna", RIGHT), ("Ben & Co", NAIVE)):
        (found / name).mkdir(parents=True)
        (found / name / "service.yaml").write_text(SERVICE, "utf-8")
        (found / name / "program.py").write_text(program, "utf-8")
    (found / "carl").mkdir()
    (found / "carl" / "service.yaml").write_text(SERVICE.replace("port: 4000", "prot: 4000"), "utf-8")
    (found / "dora").mkdir()
    return found
