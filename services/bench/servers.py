"""Run several servers side by side until SIGTERM, each with its journal in a file: nobody's reading of it is measured.

    python -m services.bench.servers '[["python", "-m", "services.echo.server_select", "", "7007"], …]'

When all of them listen it prints `{"pids": [4711, …]}`; when one does not, `{"failed": "what it said"}`, and ends.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

LISTENS_WITHIN_S: Final = 20.0
ENDS_WITHIN_S: Final = 3.0  # the services promise 2


def main() -> int:
    commands: list[list[str]] = json.loads(sys.argv[1])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # by way of `started`, which ends them all
    with tempfile.TemporaryDirectory() as folder, ExitStack() as started:
        journals = [Path(folder, str(number)) for number in range(len(commands))]
        processes = []
        for command, journal in zip(commands, journals, strict=True):
            with journal.open("wb") as stderr:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr)
            processes.append(process)
            started.callback(end, process)
        failed = listen(processes, journals)
        print(json.dumps({"failed": failed} if failed else {"pids": [each.pid for each in processes]}), flush=True)
        if failed:
            return 1
        while True:
            signal.pause()


def listen(processes: list[subprocess.Popen[bytes]], journals: list[Path]) -> str:
    """Wait until each says that it listens; what the first that does not said instead, else ""."""
    until_s = time.monotonic() + LISTENS_WITHIN_S
    for process, journal in zip(processes, journals, strict=True):
        while "listening on" not in (said := journal.read_text(encoding="utf-8", errors="replace")):
            if process.poll() is not None or time.monotonic() > until_s:
                return f"{process.args!r} does not listen: {said.strip() or 'it says nothing'}"
            time.sleep(0.01)
    return ""


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
