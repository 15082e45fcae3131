"""Ask a server as fast as it answers, for a bounded time and count, and print how that went as one line of JSON.

    python -m services.bench.load HOST PORT --protocol search --connections 50 --in-flight 16 --seconds 1

Each connection is kept, and has IN-FLIGHT requests under way: whenever some are answered, as many are asked. With
--per-connection 1 each request has a connection of its own, and CONNECTIONS is how many of them there are at once.
Every byte that comes is compared with what must come. Errors are counted by their errno's name, and end their
connection; exit status 1 when there was one.

With --steered it says `{"ready": …}` once all connections are made and have been answered once. Then each line on
standard input, {"id": N, "seconds": S}, has one run made of at most so long, whose line repeats the id; it ends with
its input. So connections can be held idle, and servers be measured in turn.

It must cost less than the server that it measures, and says what it cost (`cpu_s`): one process, epoll(7), the
requests' bytes made before. What is on the wire is read and compared, and never parsed.
"""

import argparse
import errno
import gc
import json
import resource
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from services import command
from services.address import Address, resolved
from services.bench.exchanges import READ_BYTES, Exchanges, echo, search
from services.bench.histogram import Histogram
from services.outcome import errno_name

MOST_IN_FLIGHT: Final = 64  # so few bytes that any socket's buffer takes them at once
MOST_CONNECTIONS: Final = 15_000
MOST_REQUESTS: Final = 1_000_000
MOST_SECONDS: Final = 60.0
OPENING: Final = 200  # connections under way at once, so that no server's backlog runs over
STUCK_S: Final = 10.0  # no answer at all on any connection for so long: what is under way is given up
STEERED_S: Final = 600.0  # how long it waits for the next line
# Edge-triggered, so that a connection is registered once: writable when it is made, then readable.
EVENTS: Final = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET


class Failed(Exception):
    """A connection that is of no more use; the text is what it is counted as."""


class Flow:
    """One connection: what was asked on it and when, and how much has come."""

    __slots__ = ("asked", "came", "connected", "made", "socket", "under_way")

    def __init__(self, made: socket.socket) -> None:
        self.socket = made
        self.made = time.perf_counter()
        self.connected = False
        self.asked = 0  # requests
        self.came = 0  # bytes
        self.under_way: deque[tuple[float, int]] = deque()  # how many were asked at once, and when

    def ask(self, exchanges: Exchanges, count: int, at: float) -> None:
        asking = exchanges.request_bytes(self.asked, count)
        try:
            sent = self.socket.send(asking)
        except BlockingIOError:
            sent = 0
        if sent < len(asking):
            raise Failed("short write")
        self.asked += count
        self.under_way.append((at, count))

    def receive(self, exchanges: Exchanges, took: Histogram) -> int:
        """How many requests were answered now, each with its time in `took`. Raises Failed, OSError.

        Reads until nothing is under way or has come: what an edge (epoll(7)) told of is not told again.
        """
        answered = 0
        while self.under_way:
            try:
                data = self.socket.recv(READ_BYTES)
            except BlockingIOError:
                break
            now = time.perf_counter()
            if not data:
                raise Failed("finished")
            if not exchanges.right(self.came, data):
                raise Failed("wrong answer")
            before = exchanges.whole(self.came)
            self.came += len(data)
            whole = exchanges.whole(self.came)
            if whole > self.asked:
                raise Failed("wrong answer")
            self._answered(whole - before, now, took)
            answered += whole - before
        return answered

    def _answered(self, count: int, now: float, took: Histogram) -> None:
        while count:
            at, asked = self.under_way.popleft()
            answered = min(count, asked)
            took.record(now - at, answered)
            count -= answered
            if answered < asked:
                self.under_way.appendleft((at, asked - answered))


class Round:
    """One run: what may still be asked, and what came of it. It begins when it is made."""

    def __init__(self, requests: int, seconds: float) -> None:
        self.left = requests
        self.took = Histogram()
        self.errors: Counter[str] = Counter()
        self.began = self.ended = time.perf_counter()
        self.until = self.began + seconds
        self._cpu_s = time.process_time()

    def take(self, count: int) -> int:
        """How many of `count` requests may be asked now; they count as asked."""
        if self.left and self.ended >= self.until:
            self.left = 0
        count = min(count, self.left)
        self.left -= count
        return count

    def as_json(self) -> dict[str, object]:
        seconds = self.ended - self.began
        return {
            "requests": self.took.count,
            "seconds": round(seconds, 6),
            "rate": round(self.took.count / seconds, 1) if self.took.count else 0.0,
            "p50_s": self.took.quantile_s(0.5),
            "p99_s": self.took.quantile_s(0.99),
            "errors": dict(self.errors),
            "cpu_s": round(time.process_time() - self._cpu_s, 6),
        }


class Load:
    """The connections of one generator."""

    def __init__(self, address: tuple[int, Address], exchanges: Exchanges, connections: int, in_flight: int) -> None:
        self.family, self.address = address
        self.exchanges, self.connections, self.in_flight = exchanges, connections, in_flight
        self.epoll = select.epoll()
        self.flows: dict[int, Flow] = {}

    def open(self, errors: Counter[str]) -> None:
        """Make the connections, each answered once. Those that could not be had are counted in `errors`."""
        run = Round(self.connections, MOST_SECONDS)
        opening = 0
        while run.left or opening:
            while opening < OPENING and run.left:
                run.left -= 1
                opening += self._begin(run)
            ready = self.epoll.poll(STUCK_S)
            if not ready:
                run.errors["ETIMEDOUT"] += opening
                break
            for number, _ in ready:
                flow = self.flows[number]
                try:
                    opening -= self._turn(flow, run)
                except (OSError, Failed) as error:
                    self._end(flow, run, error)
                    opening -= 1
        errors.update(run.errors)

    def keep(self, requests: int, seconds: float) -> Round:
        """Ask on the connections that there are, until the first of the bounds; then wait for what is under way."""
        run = Round(requests, seconds)
        under_way = 0
        for flow in list(self.flows.values()):
            under_way += self._more(flow, self.in_flight, run)
        while under_way > 0:
            ready = self.epoll.poll(STUCK_S)
            if not ready:
                run.errors["ETIMEDOUT"] += under_way
                self.close()
                break
            for number, _ in ready:
                flow = self.flows[number]
                try:
                    answered = flow.receive(self.exchanges, run.took)
                except (OSError, Failed) as error:
                    under_way -= self._end(flow, run, error)
                    continue
                run.ended = time.perf_counter()
                under_way += self._more(flow, answered, run) - answered
        return run

    def renew(self, requests: int, seconds: float) -> Round:
        """Ask once on each connection, and make another in its place, until the first of the bounds."""
        run = Round(requests, seconds)
        while True:
            while len(self.flows) < self.connections and run.take(1):
                self._begin(run)
            if not self.flows:
                return run
            ready = self.epoll.poll(STUCK_S)
            if not ready:
                run.errors["ETIMEDOUT"] += len(self.flows)
                self.close()
                return run
            for number, _ in ready:
                flow = self.flows[number]
                try:
                    if self._turn(flow, run):
                        self._close(flow)
                except (OSError, Failed) as error:
                    self._end(flow, run, error)
            run.ended = time.perf_counter()

    def close(self) -> None:
        for flow in list(self.flows.values()):
            self._close(flow)

    def _begin(self, run: Round) -> int:
        """Begin to connect; 1 when that is under way, 0 when it failed at once."""
        try:
            made = socket.socket(self.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            run.errors[errno_name(error)] += 1
            return 0
        status = made.connect_ex(self.address)
        if status not in (0, errno.EINPROGRESS):
            made.close()
            run.errors[errno.errorcode[status]] += 1
            return 0
        flow = Flow(made)
        self.flows[made.fileno()] = flow
        self.epoll.register(made.fileno(), EVENTS)
        return 1

    def _turn(self, flow: Flow, run: Round) -> int:
        """The turn of a connection that is asked on once: 1 when it has been answered. Raises Failed, OSError."""
        if not flow.connected:
            flow.connected = True
            flow.ask(
                self.exchanges, 1, flow.made
            )  # which fails as connect() did, if it did; its time is connect()'s too
            return 0
        return flow.receive(self.exchanges, run.took)

    def _more(self, flow: Flow, count: int, run: Round) -> int:
        """Ask `count` more, or as many as may be; by how many requests more, or fewer, are under way then."""
        if not (count := run.take(count)):
            return 0
        try:
            flow.ask(self.exchanges, count, time.perf_counter())
        except (OSError, Failed) as error:
            return -self._end(flow, run, error)
        return count

    def _end(self, flow: Flow, run: Round, error: Exception) -> int:
        """Give a connection up; how many requests were under way on it."""
        run.errors[errno_name(error) if isinstance(error, OSError) else str(error)] += 1
        self._close(flow)
        return sum(count for _, count in flow.under_way)

    def _close(self, flow: Flow) -> None:
        del self.flows[flow.socket.fileno()]
        flow.socket.close()  # which takes it out of the epoll set too


def parser() -> command.Parser:
    made = command.parser("services.bench.load", __doc__)
    add = made.add_argument
    add("--protocol", choices=("echo", "search"), required=True)
    add("--connections", metavar="N", type=_up_to(MOST_CONNECTIONS), default=1, help="(%(default)s)")
    add("--in-flight", metavar="K", type=_up_to(MOST_IN_FLIGHT), default=1, help="on each (%(default)s)")
    add("--per-connection", choices=("1",), help="a connection for each request")
    add("--requests", metavar="R", type=_up_to(MOST_REQUESTS), default=MOST_REQUESTS, help="at most (%(default)s)")
    add("--seconds", metavar="S", type=command.seconds, default=1.0, help="at most, of asking (%(default)s)")
    add("--byteorder", choices=("big", "little"), default=sys.byteorder, help="the server's (%(default)s)")
    add("--steered", action="store_true", help="run so long as each line of the input says")
    return made


def _up_to(most: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if (value := command.count(text)) > most:
            raise argparse.ArgumentTypeError(f"{text} is more than {most}")
        return value

    return count


def main() -> int:
    made = parser()
    asked = made.parse_args()
    if asked.seconds > MOST_SECONDS:
        made.error(f"argument --seconds: {asked.seconds:g} is more than {MOST_SECONDS:g}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    exchanges = search(asked.byteorder) if asked.protocol == "search" else echo()
    load = Load(resolved(asked.host, asked.port)[0], exchanges, asked.connections, asked.in_flight)
    run_once = load.renew if asked.per_connection else load.keep
    errors: Counter[str] = Counter()
    if not asked.per_connection:
        load.open(errors)
    gc.freeze()  # the connections stay, and are not to be looked through again and again
    if not asked.steered:
        run = run_once(asked.requests, asked.seconds)
        run.errors.update(errors)
        tell(run.as_json())
        return 1 if run.errors else 0
    tell({"ready": len(load.flows), "errors": dict(errors)})
    while select.select([sys.stdin], [], [], STEERED_S)[0] and (line := sys.stdin.readline()):
        said = json.loads(line)
        run = run_once(asked.requests, min(float(said["seconds"]), MOST_SECONDS))
        errors.update(run.errors)
        tell({"id": said["id"], **run.as_json()})
    return 1 if errors else 0


def tell(what: dict[str, object]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    sys.exit(main())
