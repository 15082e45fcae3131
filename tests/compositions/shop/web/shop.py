"""A shop of one page: the goods, out of PostgreSQL, or out of Redis where they were asked for a second ago."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2  # type: ignore[import-untyped] # Debian's, in its image
import redis  # type: ignore[import-not-found] # as well

CACHE = redis.Redis(host=os.environ["CACHE_HOST"], socket_timeout=2)


def goods() -> str:
    """The names of the goods, a line each."""
    if kept := CACHE.get("goods"):
        return str(kept, "utf-8")
    with psycopg2.connect(os.environ["DATABASE_URL"], connect_timeout=3) as connection, connection.cursor() as cursor:
        cursor.execute("select name from goods order by name")
        found = "".join(f"{name}\n" for (name,) in cursor.fetchall())
    CACHE.set("goods", found, ex=1)
    return found


class Page(BaseHTTPRequestHandler):
    """`/` is the goods, `/health` says that the shop is there."""

    def do_GET(self) -> None:
        """Answer."""
        try:
            status, text = 200, "well\n" if self.path == "/health" else goods()
        except Exception as problem:  # what a person who calls is to see
            status, text = 503, f"{problem}\n"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())


ThreadingHTTPServer(("", 8080), Page).serve_forever()
