"""Answer how many prime numbers there are below a number: counted by a pool of processes, for one would use one core.

    python pool.py HOST PORT

A thread for each client waits for its answer; the counting is done beside it, on as many cores as there are.
"""

import concurrent.futures
import socketserver
import sys


def primes_below(limit: int) -> int:
    return sum(all(number % each for each in range(2, int(number**0.5) + 1)) for number in range(2, limit))


class Counting(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        limit = int(self.rfile.readline(10))
        count = pool.submit(primes_below, min(limit, 100_000)).result()
        self.wfile.write(f"{count} primes below {limit}\n".encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":  # the pool's processes import this file, but where they are forked
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        Server((sys.argv[1], int(sys.argv[2])), Counting).serve_forever()
