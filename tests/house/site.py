"""The documents as a static site, without a network: `python -m tests.house.site [RUN]`, which `make site` runs.

With the folder of a run, that run becomes the sample whose report is in the site: docs/sample-run.zip.

The sources are laid out in build/site-source as they lie in the repository, with what they link to and the pages of a
sample run; MkDocs, from the environment .venv-site, makes build/site of them and fails at a link that leads nowhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

from scenarios.lab.topology import ROOT
from scenarios.report import write
from tests import architecture, processes, rooms_picture

SOURCE: Final = ROOT / "build" / "site-source"
SITE: Final = ROOT / "build" / "site"
MKDOCS: Final = ROOT / ".venv-site" / "bin" / "mkdocs"
SAMPLE: Final = ROOT / "docs" / "sample-run.zip"
REPORT: Final = "report/sample"  # where the sample run's pages are in the site
MADE_ANEW: Final = {".html", ".css", ".js", ".md", ".xml"}  # of a run's files
MERMAID: Final = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)  # a page of code hosts draws it; the site does not
ROOMS: Final = "images/rooms.svg"
LONGEST_S: Final = 300


def keep(run: Path) -> None:
    """Make this run the sample: what the pages of its report are made of, and its captures."""
    with zipfile.ZipFile(SAMPLE, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as sample:
        for path in sorted(run.rglob("*")):
            if path.is_file() and path.suffix not in MADE_ANEW:
                kept = zipfile.ZipInfo(path.relative_to(run).as_posix())
                sample.writestr(kept, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)


def lay_out(into: Path = SOURCE) -> None:
    """Everything that the site is made of, in a folder that was not there or is made anew."""
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(ROOT / "docs", into / "docs", ignore=shutil.ignore_patterns(SAMPLE.name))
    for page in ROOT.glob("*.md"):
        shutil.copy(page, into)
    for linked in ("scenarios/drills", "services/tutorial/program", "examples"):
        shutil.copytree(ROOT / linked, into / linked)
    draw_rooms(into / "docs")
    with zipfile.ZipFile(SAMPLE) as sample:
        sample.extractall(into / REPORT)
    write.write(into / REPORT, anew=True)


def draw_rooms(docs: Path) -> None:
    """Put a picture in the place of the text that only a code host makes a picture of."""
    page = docs / architecture.PAGE.name
    (docs / ROOMS).write_text(architecture.drawn(), "utf-8")
    page.write_text(MERMAID.sub(f"![{rooms_picture.ALT}]({ROOMS})\n", page.read_text("utf-8")), "utf-8")


def build() -> None:
    """The site. Raises CalledProcessError with what MkDocs said, and FileNotFoundError where it is not installed."""
    if not MKDOCS.exists():
        raise FileNotFoundError(f"{MKDOCS} is not there; expected what `scenarios/setup.sh site` installs")
    lay_out()
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    made = processes.run([MKDOCS, "build", "--strict", "--quiet"], within_s=LONGEST_S, env=env)
    if made.returncode:
        sys.stderr.write(made.stdout)
        raise subprocess.CalledProcessError(made.returncode, "mkdocs build", made.stdout)


def fetched(page: str) -> list[str]:
    """What a page of HTML has a browser fetch from another place: scripts, styles, pictures, frames."""
    tags = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", page)
    found = [match[1] for tag in tags if (match := re.search(r'\b(?:src|href)="?((?:https?:)?//[^"\s>]+)', tag))]
    return [each for each in found if "canonical" not in each]


if __name__ == "__main__":
    for each in sys.argv[1:2]:
        keep(Path(each))
    try:
        build()
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        sys.exit(f"make site: {error}")
    print(SITE / "index.html")
