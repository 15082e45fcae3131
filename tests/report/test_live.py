"""`report --live`: the pages of a run while it goes on, to its own machine alone, and nothing but the run's files."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.report.live import Server
from scenarios.report.read_run import SUMMARY
from tests.report.making import run
from tests.report.test_pages import LATER, hostile_run, matrix_run


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Server]:
    """A run that has no summary yet, as while it goes on, and its server."""
    folder = tmp_path / "runs" / LATER
    run(folder, matrix_run(folder))
    (folder / SUMMARY).unlink()
    (tmp_path / "runs" / "secret.txt").write_text("not of this run")
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server: Server, path: str, method: str = "GET", host: str | None = None) -> tuple[int, str, str]:
    """The status, the type and the text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    found = answer.status, answer.headers["Content-Type"], answer.read().decode()
    connection.close()
    return found


def state(server: Server) -> dict[str, object]:
    found: dict[str, object] = json.loads(get(server, "/live.json")[2])
    return found


def test_a_run_that_goes_on_says_so_and_its_page_is_as_new_as_its_results(served: Server) -> None:
    folder = os.open(served.pages.folder, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)  # as the process of the run holds it
    before = state(served)
    assert before["goes_on"] is True
    _, kind, page = get(served, "/")
    assert "the run goes on" in page
    assert '<script src="/live.js" defer>' in page
    assert kind.startswith("text/html")
    newest = served.pages.folder / "lost-syn" / "another" / "le-le"
    newest.mkdir(parents=True)
    example = next(served.pages.folder.glob("*/*/*/result.json"))
    (newest / "result.json").write_text(example.read_text("utf-8"), encoding="utf-8")
    assert state(served)["state"] != before["state"]
    os.close(folder)
    assert state(served)["goes_on"] is False
    assert "the run goes on" not in get(served, "/")[2]
    assert "broken off" in get(served, "/")[2]


def test_nothing_is_written_into_the_folder_of_the_run(served: Server) -> None:
    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in served.pages.folder.rglob("*")}

    before = files()
    cell = next(served.pages.folder.glob("*/*/*/result.json")).parent.relative_to(served.pages.folder)
    for path in ("/", f"/{cell}/index.html", f"/{cell}/result.json", "/report.css", "/report.js", "/live.js"):
        assert get(served, path)[0] == 200, path
    assert files() == before


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/%2e%2e/secret.txt", "/link.txt", "/no-such-file", "//etc/passwd", "/%00"]
)
def test_what_is_not_of_the_run_is_not_given(served: Server, path: str) -> None:
    (served.pages.folder / "link.txt").symlink_to(served.pages.folder.parent / "secret.txt")
    status, _, text = get(served, path)
    assert status == 404
    assert "not of this run" not in text


def test_a_page_of_another_site_gets_nothing_and_nothing_can_be_changed(served: Server) -> None:
    status, _, text = get(served, "/", host="evil.example")
    assert (status, f"expected the Host 127.0.0.1:{served.server_port} or localhost" in text) == (421, True)
    assert get(served, "/", host=f"localhost:{served.server_port}")[0] == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert get(served, "/", method)[0] == 501
    assert get(served, "/", "HEAD")[2] == ""


def test_what_is_hostile_in_a_run_is_no_page_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / LATER
    hostile_run(folder)
    (folder / "evil.html").write_text("<script>alert(1)</script>")
    pages = Server(folder).pages
    assert pages.get("/evil.html").status == 404
    printed = next(folder.glob("*/*/*/fault/*.txt")).relative_to(folder)
    assert pages.get(f"/{printed}").kind == "text/plain; charset=utf-8"


def test_a_run_without_a_result_has_a_page_that_waits_for_one(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        answer = server.pages.get("/")
    assert answer.status == 200
    assert b"No cell is done yet" in answer.content
