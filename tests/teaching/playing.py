"""`python -m tests.teaching.playing FOLDER WORD…`: the command line, with its runs and what was learnt in a folder of a
test's, so that a test at a pseudo-terminal leaves a person's own as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

from scenarios.cli import learn
from scenarios.cli.main import main
from scenarios.evidence import run_folder
from scenarios.lab import signals

if __name__ == "__main__":
    folder, *words = sys.argv[1:]
    signals.end_in_order()
    with (
        mock.patch.object(run_folder, "RUNS", Path(folder)),
        mock.patch.object(learn, "LEARNT", Path(folder) / "learnt.json"),
    ):
        sys.exit(main(words))
