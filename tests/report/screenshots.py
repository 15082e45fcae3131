"""The pictures of the README, taken of a real run's pages: `python -m tests.report.screenshots [MATRIX [LADDER]]`.

MATRIX is the folder of a run of `make matrix`, LADDER that of a cell; by default the cell of lost-syn in MATRIX whose
messages the dissector decodes. The third is of docs/gallery.html; --gallery takes that one alone. They come into
docs/images, or the folder that --into names.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from playwright.sync_api import Browser, FloatRect, Page

from scenarios.evidence.run_folder import RUNS
from scenarios.lab.heartbeat import pulse
from scenarios.lab.topology import ROOT
from scenarios.report import read_run, write
from tests.report.browser import NoBrowser, chromium

IMAGES = ROOT / "docs" / "images"
LARGEST = 250_000  # bytes of a picture
MARGIN = 24
GALLERY = ROOT / "docs" / "gallery.html"
GALLERY_PARTS = "h1, #h-table, #matrix"
SCALES = (2.0, 1.75, 1.5, 1.25, 1.0)  # of the picture's dots to the page's
DRILL, PREFERRED = "lost-syn", "search/selectors"


def newest_matrix() -> Path:
    """The newest run that has words of survival. Raises ValueError when there is none."""
    for summary in sorted(RUNS.glob(f"*/{read_run.SUMMARY}"), reverse=True):
        if any(line.survival for line in read_run.run(summary.parent).lines):
            return summary.parent.resolve()
    raise ValueError("there is no run of `make matrix` yet")


def ladder_of(matrix: Path) -> Path:
    """The cell of a run to draw. Raises ValueError when it has none of DRILL."""
    lines = [line for line in read_run.run(matrix).lines if line.drill == DRILL and line.pair == "be-le"]
    if not lines:
        raise ValueError(f"{matrix} has no cell of {DRILL}, be-le: name one")
    line = next((line for line in lines if line.service == PREFERRED), lines[0])
    return (matrix / line.folder).resolve()


def take(browser: Browser, page: Path, selectors: str, width: int, height: int | None, into: Path) -> None:
    """A picture of the part of a page that these elements take, at most so high; as sharp as LARGEST allows.

    Raises ValueError if it is too large at any scale.
    """
    for scale in SCALES:
        context = browser.new_context(
            viewport={"width": width, "height": 1000}, device_scale_factor=scale, offline=True, color_scheme="light"
        )
        tab: Page = context.new_page()
        tab.goto(f"file://{page}")
        whole = tab.evaluate("document.documentElement.scrollHeight")
        tab.set_viewport_size(
            {"width": width, "height": whole}
        )  # no scroll bar then, which would move what is measured
        boxes = [box for each in tab.locator(selectors).all() if (box := each.bounding_box())]
        left, top = (max(0, min(box[side] for box in boxes) - MARGIN) for side in ("x", "y"))
        right = min(width, max(box["x"] + box["width"] for box in boxes) + MARGIN)
        bottom = max(box["y"] + box["height"] for box in boxes) + MARGIN
        clip: FloatRect = {"x": left, "y": top, "width": right - left, "height": min(bottom - top, height or bottom)}
        picture = tab.screenshot(clip=clip)
        context.close()
        if len(picture) <= LARGEST:
            into.parent.mkdir(exist_ok=True)
            into.write_bytes(picture)
            print(f"{into}: {len(picture) // 1000} kB at scale {scale}, of {page}")
            return
    raise ValueError(f"{into.name} has more than {LARGEST} bytes at any scale")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("matrix", nargs="?", type=Path, help="the folder of a run (default: the newest matrix)")
    parser.add_argument("ladder", nargs="?", type=Path, help="the folder of a cell")
    parser.add_argument("--into", type=Path, default=IMAGES)
    parser.add_argument("--gallery", action="store_true", help="only the picture of docs/gallery.html")
    options = parser.parse_args()
    with chromium(GALLERY.parent) as browser:
        take(browser, GALLERY, GALLERY_PARTS, 1500, 820, options.into / "gallery.png")
    if options.gallery:
        return 0
    matrix = (options.matrix or newest_matrix()).resolve()
    ladder = (options.ladder or ladder_of(matrix)).resolve()
    write.write(matrix, anew=True)
    write.write(ladder.parents[2])
    write.write_cell(ladder, ladder.parents[2])
    with chromium(matrix.parent, ladder.parents[3]) as browser:
        take(
            browser, matrix / read_run.PAGE, ".top, .tiles, #h-matrix, #matrix", 1500, 1000, options.into / "matrix.png"
        )
        parts = ".script > div:nth-child(1) > :not(h2)"
        take(browser, ladder / read_run.PAGE, parts, 1400, None, options.into / "ladder.png")
    return 0


if __name__ == "__main__":
    try:
        with pulse.beating("the pages are drawn and photographed"):
            sys.exit(main())
    except (ValueError, NoBrowser) as problem:
        sys.exit(f"screenshots: {problem}")
