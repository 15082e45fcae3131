"""Is this Python the one that the lab promises: a big-endian CPython on which the lab's services run?

    python smoke.py MACHINE BITS EMULATOR       (they are of the CPU's line in cpus.toml)

Run when the image is built, and again by the tests inside a running container. It needs no network but the loopback,
no privilege, and writes to no file. One line is printed for each check; the exit status is 1 if one failed, 64 when it
was not told which machine this should be.
It must not know the services: it judges the machine that they are given.
"""

import asyncio
import contextlib
import hashlib
import json
import math
import os
import platform
import re
import select
import selectors
import signal
import socket
import ssl
import struct
import subprocess
import sys
import sysconfig
import threading
import time
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
CERTIFICATE = HERE / "certificate.pem"
KEY = HERE / "key.pem"

# The first emulator whose floating-point instructions are sound: 7.2 dies of SIGILL in math.cos.
QEMU_AT_LEAST = (10, 0)

DEADLINE_S = 20.0
EX_USAGE = 64  # sysexits.h

# What platform.machine() answers on the machine that is promised, the bits of a pointer, and the emulator's program.
MACHINE, BITS, EMULATOR = sys.argv[1:] if len(sys.argv) == 4 and sys.argv[2] in ("32", "64") else ("", "0", "")


class Unsupported(Exception):
    """The machine below has not got what the check is about. Said aloud, and not a failure."""


CHECKS: list[Callable[[], str]] = []


def check(function: Callable[[], str]) -> Callable[[], str]:
    """Register a check: it asserts, and returns what it saw, for the line that is printed."""
    CHECKS.append(function)
    return function


def equal(seen: object, expected: object) -> None:
    if seen != expected:
        raise AssertionError(f"expected {expected!r}, saw {seen!r}")


@check
def byte_order() -> str:
    equal(sys.byteorder, "big")
    equal(struct.pack("=I", 0x01020304), b"\x01\x02\x03\x04")
    equal(struct.pack("<H", 1), b"\x01\x00")
    equal(socket.htonl(0x01020304), 0x01020304)
    return sys.byteorder


@check
def machine() -> str:
    bits = int(BITS)
    equal(platform.machine(), MACHINE)
    equal(sys.maxsize, 2 ** (bits - 1) - 1)
    equal(8 * struct.calcsize("P"), bits)
    return f"{platform.machine()}, pointers of {bits} bits, an int after a char at offset {struct.calcsize('@ci') - 4}"


@check
def interpreter() -> str:
    equal(sys.implementation.name, "cpython")
    equal(sys.version_info[:2], (3, 13))
    equal(sys.flags.utf8_mode, 1)
    equal(sys.getfilesystemencoding(), "utf-8")
    equal(sysconfig.get_config_var("SIZEOF_VOID_P"), int(BITS) // 8)
    return platform.python_version()


@check
def emulator() -> str:
    said = subprocess.run(
        [EMULATOR, "--version"], capture_output=True, text=True, check=True, timeout=DEADLINE_S
    ).stdout
    found = re.search(r"version (\d+)\.(\d+)\S*", said)
    if found is None:
        raise AssertionError(f"expected a version of qemu, saw {said!r}")
    if (int(found[1]), int(found[2])) < QEMU_AT_LEAST:
        raise AssertionError(f"expected qemu {QEMU_AT_LEAST} or later, saw {found[0]}")
    return f"qemu {found[0]}"


@check
def bytecode() -> str:
    """The library's bytecode is there: a root that is read-only could never be given it."""
    cached = Path(json.__spec__.cached or "")
    equal(cached.is_file(), True)
    flags = int.from_bytes(cached.read_bytes()[4:8], "little")  # PEP 552: 1 is hash-based, 3 is hash-based and checked
    equal(flags, 1)
    return "unchecked-hash"


@check
def floating_point() -> str:
    for function, argument, expected in (
        (math.cos, 1.0, 0.5403023058681398),
        (math.sin, 1.0, 0.8414709848078965),
        (math.exp, 1.0, 2.718281828459045),
        (math.sqrt, 2.0, 1.4142135623730951),
    ):
        equal(function(argument), expected)
    equal(struct.pack(">d", math.pi).hex(), "400921fb54442d18")
    equal(round(1e15 / 3), 333333333333333)
    return f"cos(1) = {math.cos(1)!r}"


@check
def integers() -> str:
    equal(2**64 // 3, 6148914691236517205)
    equal((2**40).to_bytes(8, "big").hex(), "0000010000000000")
    return "beyond 32 bits"


@check
def json_text() -> str:
    value = {"näme": [1, -2.5, None, True, "\U0001f600"], "big": 2**40}
    equal(json.loads(json.dumps(value)), value)
    equal(json.loads(json.dumps(value, ensure_ascii=False).encode()), value)
    return "both ways"


@check
def zlib_streams() -> str:
    text = b"big-endian " * 1000
    equal(zlib.decompress(zlib.compress(text)), text)
    equal(zlib.crc32(b"123456789"), 0xCBF43926)
    return zlib.ZLIB_RUNTIME_VERSION


@check
def hashes() -> str:
    # FIPS 180-2, appendix B.1; hashlib falls back to code of its own without OpenSSL, so _hashlib is asked for by name.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    equal(hashlib.sha256(b"abc").hexdigest(), expected)
    import _hashlib

    equal(_hashlib.openssl_sha256(b"abc").hexdigest(), expected)
    return "sha256, by OpenSSL"


@check
def tls() -> str:
    """A TLS 1.3 handshake and a word each way, in memory."""
    for_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for_server.load_cert_chain(CERTIFICATE, KEY)
    for_client = ssl.create_default_context(cafile=str(CERTIFICATE))
    for_client.minimum_version = ssl.TLSVersion.TLSv1_3
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = for_client.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = for_server.wrap_bio(to_server, to_client, server_side=True)
    unfinished = [client, server]
    for _ in range(10):
        for end in list(unfinished):
            try:
                end.do_handshake()
                unfinished.remove(end)
            except ssl.SSLWantReadError:
                pass
    equal(unfinished, [])
    equal(client.version(), "TLSv1.3")
    client.write(b"ping")
    equal(server.read(16), b"ping")
    server.write(b"pong")
    equal(client.read(16), b"pong")
    cipher = client.cipher()
    return f"{client.version()}, {cipher[0] if cipher else None}, {ssl.OPENSSL_VERSION}"


def send(connection: socket.socket, payload: bytes) -> None:
    connection.sendall(payload)
    connection.shutdown(socket.SHUT_WR)


def echo_once(family: socket.AddressFamily, address: str) -> None:
    """Send 100 kB to an echo server of one connection, and have them back."""
    payload = bytes(range(256)) * 400
    with socket.create_server((address, 0), family=family) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while received := connection.recv(4096):
                    connection.sendall(received)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        with socket.create_connection(listener.getsockname()[:2], timeout=DEADLINE_S) as client:
            sender = threading.Thread(target=send, args=(client, payload), daemon=True)
            sender.start()
            answer = bytearray()
            while received := client.recv(65536):
                answer += received
            sender.join(DEADLINE_S)
        server.join(DEADLINE_S)
    equal(bytes(answer) == payload, True)


@check
def tcp_over_ipv4() -> str:
    echo_once(socket.AF_INET, "127.0.0.1")
    return "100 kB echoed"


@check
def tcp_over_ipv6() -> str:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        raise Unsupported(f"no IPv6 loopback here: {error}") from error
    echo_once(socket.AF_INET6, "::1")
    return "100 kB echoed"


@check
def udp() -> str:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver, socket.socket(type=socket.SOCK_DGRAM) as sender:
        receiver.settimeout(DEADLINE_S)
        receiver.bind(("127.0.0.1", 0))
        sender.sendto(b"datagram", receiver.getsockname())
        equal(receiver.recvfrom(64)[0], b"datagram")
    return "one datagram"


@check
def refused() -> str:
    """A refusal has its name: errno numbers are translated by the emulator."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound and not listening: the kernel answers with a reset
        try:
            socket.create_connection(bound.getsockname(), timeout=DEADLINE_S).close()
        except ConnectionRefusedError:
            return "ECONNREFUSED"
    raise AssertionError("expected ECONNREFUSED, saw a connection")


@check
def names() -> str:
    """The name service of the guest's libc reads the files of the host."""
    seen = socket.getaddrinfo("localhost", 80, socket.AF_INET, socket.SOCK_STREAM)[0][4]
    equal(seen, ("127.0.0.1", 80))
    return "localhost, from /etc/hosts"


@check
def epoll() -> str:
    equal(selectors.DefaultSelector, selectors.EpollSelector)
    here, there = socket.socketpair()
    with here, there, selectors.DefaultSelector() as selector:
        selector.register(here, selectors.EVENT_READ, "data")
        equal(selector.select(0), [])
        there.sendall(b"x")
        ((key, events),) = selector.select(DEADLINE_S)
        equal((key.data, events), ("data", selectors.EVENT_READ))
        equal(select.select([here], [], [], 0)[0], [here])
    return "EpollSelector and select"


@check
def asyncio_streams() -> str:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(4))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def talk() -> bytes:
        async with asyncio.timeout(DEADLINE_S), await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"ping")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer

    equal(asyncio.run(talk()), b"ping")
    return "start_server and open_connection"


@check
def fork() -> str:
    child = os.fork()
    if child == 0:
        os._exit(7)
    equal(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 7)
    return "exit status 7 came back"


@check
def children() -> str:
    """sys.executable starts this Python again, though the kernel cannot run its program."""
    said = subprocess.run(
        [sys.executable, "-S", "-c", "import sys; print(sys.byteorder)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
    ).stdout
    equal(said, "big\n")
    return sys.executable


@check
def signals() -> str:
    caught: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: caught.append(number))
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        deadline = time.monotonic() + DEADLINE_S
        while not caught and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGTERM, before)
    equal(caught, [signal.SIGTERM])
    return "SIGTERM, caught"


@check
def timers() -> str:
    """A read that waits ends at its deadline, and not before.

    Debian's 32-bit machines have a time_t of 64 bits since trixie:
    a struct timeval is "qq" here, as on amd64; "ll" is EINVAL.
    """
    here, there = socket.socketpair()
    with here, there:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", 0, 200_000))
        start = time.monotonic()
        with contextlib.suppress(BlockingIOError):
            here.recv(1)
        waited_s = time.monotonic() - start
    if not 0.19 <= waited_s <= 5.0:
        raise AssertionError(f"expected a wait of 0.2 s, saw {waited_s:.3f} s")
    return "SO_RCVTIMEO of 0.2 s"


def main() -> int:
    if not MACHINE:
        print("usage: smoke.py MACHINE 32|64 EMULATOR", file=sys.stderr)
        return EX_USAGE
    failures = 0
    for run in CHECKS:
        name = run.__name__.replace("_", " ")
        try:
            print(f"ok    {name}: {run()}")
        except Unsupported as reason:
            print(f"skip  {name}: {reason}")
        except Exception as error:  # every failure is to be shown, whatever it is; the evidence is printed
            failures += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(f"FAIL  {name}: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")
    print(f"{len(CHECKS)} checks, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
