"""Chromium in a container, with the run's folder as it is on the disk, driven over the DevTools protocol.

The image is made for tests alone. No page can reach a network: the browser is told to be offline, and what a page asks
for beside its files is counted.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from scenarios.lab import images
from scenarios.lab.errors import DeadlinePassed
from scenarios.lab.waiting import wait_for

TAG = images.RECIPES["browser"].tag
STARTS_WITHIN_S = 60


class NoBrowser(Exception):
    """There is none to be had here; the message says why."""


@contextlib.contextmanager
def chromium(*folders: Path) -> Iterator[Browser]:
    """A browser that can read these folders, by their own paths. Raises NoBrowser."""
    try:
        images.build(print, images.recipes_of({TAG}))
    except Exception as problem:
        raise NoBrowser(f"its image cannot be built: {problem}") from problem
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    mounts = [word for folder in folders for word in ("--volume", f"{folder.resolve()}:{folder.resolve()}:ro")]
    command = ["docker", "run", "--rm", "--init", "--network", "host", "--read-only", "--tmpfs", "/tmp:mode=1777,exec"]  # noqa: S108
    command += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "512", "--memory", "2g"]
    command += [
        *mounts,
        "--user",
        f"{os.getuid()}:{os.getgid()}",
        "--env",
        "HOME=/tmp",
        TAG,
        f"--remote-debugging-port={port}",
        "about:blank",
    ]
    with contextlib.ExitStack() as stack:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        stack.callback(process.wait, 20)
        stack.callback(process.terminate)

        def answers() -> bool:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/json/version", timeout=5),
            ):
                return True
            return process.poll() is not None

        try:
            wait_for(answers, "Chromium to answer", STARTS_WITHIN_S, every_s=0.1)
        except DeadlinePassed as late:
            raise NoBrowser(str(late)) from late
        if process.poll() is not None:
            raise NoBrowser(f"it ended with status {process.returncode}: {process.communicate()[0].decode()[-500:]}")
        try:
            playwright = stack.enter_context(sync_playwright())
        except Exception as error:  # it has no name for it
            raise NoBrowser(f"Playwright's own program does not start: {error}") from error
        browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
        stack.callback(browser.close)
        yield browser
