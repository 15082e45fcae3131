"""The pages in Chromium: links, filters, keys, both themes, a phone, paper, 10,000 packets; no error, no network."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from scenarios.lab.topology import ROOT
from scenarios.spec.pairs import Pair
from scenarios.spec.service import services
from scenarios.verdict.check import Verdict
from tests.report.conftest import Chromium, Opened, opened
from tests.report.making import HOSTILE, crossed, evidence, result, run, segment, survival, through_a_proxy
from tests.report.screenshots import LARGEST, take
from tests.report.test_gallery import CURED
from tests.report.test_gallery import cell as seen_in_gallery
from tests.report.test_gallery import made_html as gallery_html_of
from tests.report.test_pages import EARLIER, LATER, all_pages, hostile_run, matrix_run

WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
A4 = {"width": 703, "height": 1032}  # less its margins, at 96 dots an inch
PAIRS: tuple[Pair, ...] = ("le-le", "be-le")
MANY = 10_000
LOADS_WITHIN_S, CLICKS_WITHIN_S = 15.0, 5.0  # on a shared machine; docs/report.md has the figures of an idle one
PATIENCE_MS = 30_000  # Playwright's own for a page and for a click; for what is expected it has 5 s

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def runs(browser: Chromium) -> Path:
    """Two runs: a matrix, and one with hostile text wherever it can stand."""
    folder = browser.folder / "runs"
    run(folder / EARLIER, matrix_run(folder / EARLIER))
    hostile_run(folder / LATER)
    return folder


@pytest.fixture(scope="module")
def gallery(browser: Chromium) -> Path:
    """A page of the gallery, of three cells: that of the repository has hundreds, which axe-core takes a minute for."""
    page = browser.folder / "gallery.html"
    hung = seen_in_gallery(word="hung (still waiting after 20 s)")
    page.write_text(
        gallery_html_of(hung, seen_in_gallery("any-refused"), seen_in_gallery(verdict=Verdict.FAIL, program=CURED)),
        encoding="utf-8",
    )
    return page


@pytest.fixture
def context(browser: Chromium) -> Iterator[BrowserContext]:
    made = browser.browser.new_context(viewport=WIDE, offline=True)  # type: ignore[arg-type]
    yield made
    made.close()


@pytest.fixture
def tab(context: BrowserContext) -> Iterator[Opened]:
    """A page; when the test is over nothing has gone wrong on it, and it has asked for files alone."""
    found = opened(context)
    yield found
    assert found.errors == []
    assert [url for url in found.asked_for if not url.startswith(("file://", "data:"))] == []


def cell(runs: Path, run_name: str = LATER, pair: str = "be-le") -> Path:
    return runs / run_name / "lost-syn" / "search-selectors" / pair / "index.html"


def visible_cells(page: Page) -> list[str]:
    """The cells of the matrix that one sees, as their drill and the end of their link."""
    found: list[str] = page.eval_on_selector_all(
        "#matrix a[data-verdict]",
        "links => links.filter(each => each.checkVisibility()).map(each => decodeURI(each.getAttribute('href')))",
    )
    return found


def test_every_page_loads_and_nothing_hostile_runs(runs: Path, tab: Opened) -> None:
    for page in all_pages(runs):
        tab.go(page)
        assert tab.page.evaluate("window.hit") is None
        margin = tab.page.evaluate("getComputedStyle(document.querySelector('.brand')).marginTop")
        assert margin == "0px", "the style is beside the pages"
    assert HOSTILE.partition("\x00")[0] in tab.go(cell(runs)).inner_text("body")


def test_every_cell_of_the_matrix_opens_its_page_and_leads_back(runs: Path, tab: Opened) -> None:
    page = tab.go(runs / EARLIER / "index.html")
    cells = visible_cells(page)
    assert len(cells) == 5
    for number, href in enumerate(cells):
        page.locator("#matrix a[data-verdict]").nth(number).click()
        expect(page.locator("h1")).to_have_text(href.split("/")[0])
        page.locator(".brand a").click()
        expect(page.locator("h1")).to_have_text("Survival matrix")


def test_filters_show_the_cells_that_fit_and_are_kept_in_the_address(runs: Path, tab: Opened) -> None:
    page = tab.go(runs / EARLIER / "index.html")
    page.select_option("select[name=word]", "timed")
    assert visible_cells(page) == ["lost-syn/echo-threads/le-le/index.html"]
    assert page.inner_text("#shown") == "1 of 5 cells"
    expect(page).to_have_url(re.compile("#word=timed$"))
    assert page.locator("#matrix thead tr:last-child th:visible").all_inner_texts() == ["drill", "threads"]
    assert page.locator("#matrix tbody tr:visible").count() == 1
    page.reload()
    assert visible_cells(page) == ["lost-syn/echo-threads/le-le/index.html"]
    page.click("#filters button")
    expect(page.locator("#shown")).to_have_text("5 cells")
    expect(page).to_have_url(re.compile("^[^#]*$"))
    page.fill("input[name=drill]", "REQUEST")
    assert visible_cells(page) == ["lost-request/echo-select/be-le/index.html"]


@pytest.mark.parametrize(
    ("place", "left"),
    [
        ("#verdict=fail", 1),
        ("#verdict=unproven", 0),
        ("#promise=broken", 2),
        ("#promise=kept", 3),
        ("#pair=le-le", 2),
        ("#service=echo%2Fselect", 3),
        ("#service=echo%2Fselect&pair=be-le&drill=lost-syn", 1),
        ("#word=%3Cscript%3E", 0),
    ],
)
def test_an_address_with_filters_opens_on_what_fits(runs: Path, tab: Opened, place: str, left: int) -> None:
    assert len(visible_cells(tab.go(runs / EARLIER / "index.html", place))) == left


def test_each_word_of_the_gallery_leads_to_its_evidence(gallery: Path, tab: Opened) -> None:
    page = tab.go(gallery)
    words = page.locator("#matrix .entry a")
    assert words.count() == 3
    for number in range(3):
        words.nth(number).click()
        row = page.locator("tr:target")
        expect(row).to_be_in_viewport()
        expect(row).to_contain_text("make drill NAME=")


def test_a_figure_of_the_verdicts_filters_by_it(runs: Path, tab: Opened) -> None:
    page = tab.go(runs / EARLIER / "index.html")
    page.click(".tile.fail a >> nth=0")
    expect(page.locator("#shown")).to_have_text("1 of 5 cells")


LIT = "tr:is(.lit, :has(:target))"


def test_a_frame_of_a_rule_lights_up_by_the_mouse_and_by_the_keyboard(runs: Path, tab: Opened) -> None:
    page = tab.go(cell(runs))
    assert page.locator(LIT).count() == 0
    link = page.locator(".checks a.frame").nth(1)
    link.click()
    expect(page.locator("#fault-c2")).to_be_in_viewport()
    assert any("retransmission" in row for row in page.locator(LIT).all_inner_texts())
    page.mouse.move(0, 0)
    # The one that was clicked; the others were lit for as long as the pointer was there.
    expect(page.locator(LIT)).to_have_count(1)
    page.goto(page.url.partition("#")[0])
    for _ in range(60):  # whatever comes before it
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.checks a.frame')"):
            break
    expect(page.locator(LIT)).to_have_count(2)  # all frames of the rule that the keyboard is on
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#fault-c1$"))


def test_the_keyboard_reaches_every_cell_and_every_box_that_scrolls(runs: Path, tab: Opened) -> None:
    page = tab.go(runs / EARLIER / "index.html")
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.getAttribute('href') || document.activeElement.className"))
    assert set(visible_cells(page)) <= reached
    assert "scroll" in reached
    assert page.evaluate("document.querySelector('.skip').getAttribute('href')") == "#main"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_nobody_is_shut_out(
    browser: Chromium, runs: Path, gallery: Path, scheme: str, viewport: dict[str, int]
) -> None:
    """axe-core: contrast, names, headings, tables, roles; on each kind of page, in each theme."""
    context = browser.browser.new_context(viewport=viewport, color_scheme=scheme, offline=True)  # type: ignore[arg-type]
    tab = opened(context)
    grounds = set()
    pages = [runs / EARLIER / "index.html", runs / LATER / "index.html", cell(runs), cell(runs, pair="le-be")]
    for page in (*pages, gallery):
        tab.go(page)
        grounds.add(tab.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        found = Axe().run(tab.page, options={"preload": False})  # it would fetch the style sheet
        assert found.violations_count == 0, found.generate_report()
        wider = tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{page} scrolls sideways"
    context.close()
    assert grounds == {"rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 27)"}
    assert tab.errors == []


@pytest.mark.long
@pytest.mark.parametrize(("scheme", "viewport"), [("light", WIDE), ("dark", PHONE)], ids=["light", "dark"])
def test_nobody_is_shut_out_of_the_gallery_of_this_repository(
    browser: Chromium, scheme: str, viewport: dict[str, int]
) -> None:
    page = browser.folder / "whole-gallery.html"
    page.write_text((ROOT / "docs" / "gallery.html").read_text("utf-8"), encoding="utf-8")
    context = browser.browser.new_context(viewport=viewport, color_scheme=scheme, offline=True)  # type: ignore[arg-type]
    tab = opened(context)
    tab.go(page)
    found = Axe().run(tab.page, options={"preload": False})
    assert found.violations_count == 0, found.generate_report()
    context.close()
    assert tab.errors == []


def test_a_page_without_script_has_everything_but_the_filters(browser: Chromium, runs: Path) -> None:
    context = browser.browser.new_context(java_script_enabled=False, offline=True)
    tab = opened(context)
    page = tab.go(runs / EARLIER / "index.html")
    assert page.locator("#matrix a[data-verdict]:visible").count() == 5
    assert not page.locator("#filters").is_visible()
    page = tab.go(cell(runs))
    page.locator(".checks a.frame").first.click()
    expect(page.locator("#fault-c1")).to_be_in_viewport()
    context.close()


def test_on_paper_nothing_is_cut_off_and_no_control_is_printed(runs: Path, tab: Opened) -> None:
    page = tab.go(runs / EARLIER / "index.html")
    page.emulate_media(media="print")
    assert not page.locator("#filters").is_visible()
    page.set_viewport_size(A4)  # type: ignore[arg-type]
    tab.go(cell(runs))
    clipped = page.eval_on_selector_all(
        "pre, .scroll",
        "all => all.filter(each => each.scrollHeight > each.clientHeight + 1 ||"
        " each.scrollWidth > each.clientWidth + 1).map(each => each.className)",
    )
    assert clipped == []
    assert len(page.pdf()) > 10_000


def test_a_matrix_of_every_architecture_fits_on_a_sheet_of_paper(browser: Chromium, tab: Opened) -> None:
    folder, known = browser.folder / "wide" / LATER, services()
    names = [f"{service}/{server}" for service in ("echo", "search") for server in known[service].servers]
    words = [survival("refused ECONNREFUSED", others="gone: refused ECONNREFUSED"), survival("timed out 7 s")]
    made = [result(folder, service=name, pair=pair, word=words[pair == "le-le"]) for name in names for pair in PAIRS]
    page = tab.go(run(folder, made))
    assert page.locator("#matrix thead tr:last-child th").count() == len(names) + 1 > 8
    page.emulate_media(media="print")
    page.set_viewport_size({"width": A4["height"], "height": A4["width"]})
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_pictures_of_the_readme_can_be_taken_and_are_small(browser: Chromium, runs: Path, tmp_path: Path) -> None:
    into = tmp_path / "images" / "ladder.png"
    take(browser.browser, cell(runs), ".script > div:nth-child(1) > :not(h2)", 1400, None, into)
    assert into.read_bytes().startswith(b"\x89PNG")
    assert 10_000 < into.stat().st_size < LARGEST


# A server in the middle


@pytest.fixture(scope="module")
def proxied(browser: Chromium) -> Path:
    """The page of a cell whose server asks a backend."""
    folder = browser.folder / "proxied" / LATER
    made = result(folder, of={"fault": through_a_proxy(), "control": evidence([], [], armed=False)})
    run(folder, [made])
    return made.folder / "index.html"


def drawn_at(page: Page, selector: str) -> list[tuple[float, float]]:
    """Where each of these elements begins and ends, as parts of the width of the ladder's column."""
    return [
        (round(left, 2), round(right, 2))
        for left, right in page.locator(f"#fault-figure {selector}").evaluate_all(
            """all => all.map(each => {
                const of = document.querySelector('#fault-figure td.rung').getBoundingClientRect();
                const box = each.getBoundingClientRect();
                return [(box.left - of.left) / of.width, (box.right - of.left) / of.width];
            })"""
        )
    ]


def test_a_server_in_the_middle_stands_between_its_client_and_its_backend(proxied: Path, tab: Opened) -> None:
    page = tab.go(proxied)
    heads = page.locator("#fault-figure .heads b").all_inner_texts()
    assert heads == ["client", "firewall", "server", "firewall", "backend"]
    places = [(left + right) / 2 for left, right in drawn_at(page, ".heads > span")]
    assert [places[1], places[2], places[3]] == pytest.approx([0.25, 0.5, 0.75], abs=0.01)
    assert drawn_at(page, "tr.packet .legs") == [(0.0, 0.5), (0.5, 1.0), (0.5, 1.0)]
    walls = [(left + right) / 2 for left, right in drawn_at(page, "tr.packet .wall")]
    assert walls == pytest.approx([0.25, 0.75, 0.75], abs=0.01)
    (lost,) = drawn_at(page, "tr.lost .leg.dead")  # the backend's answer, which ends at the firewall
    assert lost[0] > 0.75
    assert lost[1] == 1.0
    (text,) = page.locator("tr.lost .rung").all_inner_texts()
    assert "backend to server, ends at the firewall" in " ".join(text.split())
    assert all(left >= 0.5 for left, _ in drawn_at(page, "tr.of-backend .carries"))
    assert "The server stands in the middle" in page.inner_text(".legend")


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_page_of_a_server_in_the_middle_shuts_nobody_out(
    browser: Chromium, proxied: Path, viewport: dict[str, int]
) -> None:
    context = browser.browser.new_context(viewport=viewport, offline=True)  # type: ignore[arg-type]
    page = opened(context).go(proxied)
    found = Axe().run(page, options={"preload": False})
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    context.close()


def test_a_server_in_the_middle_fits_on_a_sheet_of_paper(proxied: Path, tab: Opened) -> None:
    page = tab.go(proxied)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": A4["height"], "height": A4["width"]})
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    clipped = page.eval_on_selector_all(
        ".ladder", "all => all.filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.id)"
    )
    assert clipped == []


# 10,000 packets


@pytest.fixture(scope="module")
def many(browser: Chromium) -> Path:
    """A cell whose run with the fault has 10,000 packets, with a retransmission in the middle."""
    folder = browser.folder / "many" / LATER
    client_leg = [
        segment(n, n * 0.1, back=bool(n % 2), seq=n * 8 if n % 2 else 1, payload=b"%08d" % n if n % 2 else b"")
        for n in range(1, MANY + 1)
    ]
    server_leg = [crossed(each, each.number) for each in client_leg if each.number != MANY // 2]
    made = result(
        folder,
        of={"fault": evidence(client_leg, server_leg), "control": evidence([], [], armed=False)},
        word=survival(),
    )
    run(folder, [made])
    return made.folder / "index.html"


def test_a_page_of_ten_thousand_packets_has_each_of_them_and_stays_usable(many: Path, tab: Opened) -> None:
    began_s = time.monotonic()
    page = tab.go(many)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    loaded_s = time.monotonic() - began_s
    assert page.locator("#fault-figure tr.packet").count() == MANY
    began_s = time.monotonic()
    page.locator(".checks a.frame").nth(1).click()
    page.wait_for_function("document.querySelector('tr:has(:target)').getBoundingClientRect().top < innerHeight")
    clicked_s = time.monotonic() - began_s
    began_s = time.monotonic()
    page.goto(f"{page.url.partition('#')[0]}#fault-c9000")
    expect(page.locator("#fault-c9000")).to_be_in_viewport()
    jumped_s = time.monotonic() - began_s
    assert page.evaluate("window.find('00004999')"), "the browser's own search finds what is not on the screen"
    box = page.locator("input[data-only=fault-figure]")
    box.check()
    assert page.locator("#fault-figure tr.packet:visible").count() == 1, "of note is the one that was lost"
    size_mb = many.stat().st_size / 1e6
    print(
        f"{MANY} packets, {size_mb:.1f} MB: loaded in {loaded_s:.2f} s, click {clicked_s:.2f} s, jump {jumped_s:.2f} s"
    )
    assert loaded_s < LOADS_WITHIN_S
    assert max(clicked_s, jumped_s) < CLICKS_WITHIN_S
