"""A run's report, served while the run goes on: `report --live`.

Each page is made from the folder of the run when a browser asks for it; nothing is written there. A small script asks
every two seconds whether there is more, and loads the page again. The server listens on the loopback address alone,
takes GET and HEAD only, and serves files of the run's folder only. It refuses a request whose Host is not its own
address, for a page of another site can make a browser send one (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from scenarios.evidence import run_folder
from scenarios.lab.valueclass import valueclass
from scenarios.report import html, read_run
from scenarios.report.changes import since_the_run_before

ADDRESS: Final = "127.0.0.1"
STATE: Final = "/live.json"
SCRIPT: Final = "/live.js"
# Pages are ours; other files of a run hold what programs printed and what was on the wire.
TYPES: Final = {".json": "application/json", ".md": "text/plain; charset=utf-8", ".txt": "text/plain; charset=utf-8"}
HTML: Final = "text/html; charset=utf-8"
LIVE_JS: Final = """// Load the page again when the run has more to show; stop when the run is over.
"use strict";
(() => {
  let seen = null;
  async function look() {
    let state;
    try {
      state = await (await fetch("/live.json", { cache: "no-store" })).json();
    } catch {  // a file was being written, or the server was ended: what is on the screen stays
      return setTimeout(look, 2000);
    }
    if (seen !== null && state.state !== seen) return location.reload();
    seen = state.state;
    if (state.goes_on) setTimeout(look, 2000);
  }
  look();
})();
"""
# CSP level 3. Widths and heights of a ladder are style attributes.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
WAITING: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Faultwire</title><script src="/live.js" defer></script></head>
<body><main><h1>The run has begun</h1><p>No cell is done yet. This page shows the first one by itself.</p></main></body>
</html>
"""


@valueclass
class Answer:
    """What a request is answered with."""

    status: HTTPStatus
    kind: str = "text/plain; charset=utf-8"
    content: bytes = b""


class Pages:
    """The pages of one run, as its folder has it at the moment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def state(self) -> dict[str, Any]:
        """Return a digest of what the run has shown so far, and whether it goes on."""
        files = [*self.folder.glob(f"*/*/*/{read_run.RESULT}"), self.folder / read_run.SUMMARY]
        known = sorted((str(path), path.stat().st_mtime_ns) for path in files if path.is_file())
        goes_on = run_folder.is_taken(self.folder)
        return {"state": hashlib.sha256(json.dumps([known, goes_on]).encode()).hexdigest(), "goes_on": goes_on}

    def get(self, target: str) -> Answer:
        """Answer a request's target (RFC 9112, section 3.2.1)."""
        path = unquote(urlsplit(target).path)
        if path == STATE:
            return Answer(HTTPStatus.OK, "application/json", json.dumps(self.state()).encode())
        if path == SCRIPT:
            return Answer(HTTPStatus.OK, "text/javascript", LIVE_JS.encode())
        if path.removeprefix("/") in (html.STYLE, html.SCRIPT):
            kind = "text/css" if path.endswith(".css") else "text/javascript"
            return Answer(HTTPStatus.OK, kind, (html.HERE / path.removeprefix("/")).read_bytes())
        if path in ("/", f"/{read_run.PAGE}"):
            return Answer(HTTPStatus.OK, HTML, self._index().encode())
        return self._below(path)

    def _index(self) -> str:
        try:
            run = read_run.run(self.folder)
        except read_run.NoRun:
            return WAITING
        return html.index(run, since_the_run_before(run), live=True, goes_on=run_folder.is_taken(self.folder))

    def _below(self, path: str) -> Answer:
        """A page of a cell, made anew, or a file of the run."""
        try:
            found = (self.folder / path.lstrip("/")).resolve(strict=True)
        except (OSError, ValueError):
            found = self.folder.parent
            if path.endswith(f"/{read_run.PAGE}"):  # its page may not be written yet, but its result
                found = (self.folder / path.lstrip("/")).parent.resolve() / read_run.PAGE
        if not found.is_relative_to(self.folder):
            return Answer(HTTPStatus.NOT_FOUND, content=b"no such file in this run\n")
        if found.name == read_run.PAGE and (found.parent / read_run.RESULT).is_file():
            return Answer(HTTPStatus.OK, HTML, html.cell(found.parent, self.folder, live=True).encode())
        if not found.is_file() or found.suffix == ".html":
            return Answer(HTTPStatus.NOT_FOUND, content=b"no such file in this run\n")
        return Answer(HTTPStatus.OK, TYPES.get(found.suffix, "application/octet-stream"), found.read_bytes())


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def _answer(self, *, with_content: bool) -> None:
        if self.headers.get("Host", "") not in self.server.names:
            expected = " or ".join(sorted(self.server.names))
            answer = Answer(HTTPStatus.MISDIRECTED_REQUEST, content=f"expected the Host {expected}\n".encode())
        else:
            try:
                answer = self.server.pages.get(self.path)
            except (OSError, ValueError, KeyError, TypeError) as error:  # a cell that is being written, say
                answer = Answer(HTTPStatus.SERVICE_UNAVAILABLE, content=f"not ready yet, try again: {error}\n".encode())
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        if with_content:
            self.wfile.write(answer.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Requests are not told of."""


class Server(ThreadingHTTPServer):
    """Serves the pages of a run on the loopback address. Port 0: one that is free. Raises OSError."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.pages = Pages(folder)
        super().__init__((ADDRESS, port), _Handler)
        self.names = frozenset(f"{name}:{self.server_port}" for name in (ADDRESS, "localhost"))

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_port}/"
