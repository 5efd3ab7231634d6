"""The page in a real browser: its script runs, nothing is fetched, words can be pointed at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, browser, program
from report_pages import ParsedPage, show_report, write_experiment

# Texts with less contrast to what is behind them than people with weak eyes need (WCAG 2, AA).
PALE = """(() => {
  const numbers = (colour) => {
    const found = colour.match(/[\\d.]+/g).map(Number);
    const share = colour.startsWith("color(");
    return share ? found.map((each, at) => at < 3 ? each * 255 : each) : found;
  };
  const luminance = (colour) => numbers(colour).slice(0, 3)
    .map((each) => each / 255)
    .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0.99) return colour;
    }
  };
  const pale = [];
  let seen = 0;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const own = node.closest("svg") ? style.fill : style.color;
    const [dark, light] = [luminance(own), luminance(behind(node))].sort((a, b) => a - b);
    seen += 1;
    if ((light + 0.05) / (dark + 0.05) < 4.5) pale.push(walk.currentNode.data);
  }
  return [seen, pale];
})()"""
SHADED = """[...document.querySelectorAll(".source .word")]
  .map((word) => [word.textContent, word.style.getPropertyValue("--weight")])
  .filter(([, weight]) => weight)"""
TARGET = 'document.querySelectorAll("[data-weights]")[0]'


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = write_experiment(tmp_path_factory.mktemp("report"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        assert show_report("report.html").code == 0
    return directory / "report.html"


@pytest.fixture(scope="module")
def chromium(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    path = program()
    if not path:
        pytest.skip("needs Chromium or Chrome on the PATH")
    with browser(path, tmp_path_factory.mktemp("profile")) as found:
        found.show(1100, 900)
        found.open(page)
        yield found


def test_nothing_is_fetched_and_nothing_goes_wrong(chromium: Browser) -> None:
    assert (chromium.requests, chromium.messages) == ([], [])
    assert chromium.value("document.scripts.length") == 1
    assert chromium.value("document.querySelectorAll('.scroll[tabindex], .word[tabindex]').length")


def test_what_is_fetched_or_run_would_be_refused_and_noticed(chromium: Browser, page: Path) -> None:
    """Markup that came into the page could do neither."""
    bad = '<script>document.title = "run"</script><img src="http://example.org/x.png" onerror="1">'
    changed = page.with_name("changed.html")
    changed.write_text(page.read_text("utf-8").replace("</main>", f"{bad}</main>"), "utf-8")
    chromium.open(changed)
    assert chromium.value("document.title") != "run"
    assert len(chromium.messages) >= 2 and all("Policy" in each for each in chromium.messages)
    assert chromium.requests == ["http://example.org/x.png"]
    chromium.messages.clear()
    chromium.requests.clear()
    chromium.open(page)
    assert (chromium.requests, chromium.messages) == ([], [])


def weights_of(listed: str) -> dict[int, str]:
    pairs = (each.split(":") for each in listed.split())
    return {int(place): f"{percent}%" for place, percent in pairs}


def test_a_word_that_is_pointed_at_shades_its_source(chromium: Browser, page: Path) -> None:
    chromium.point("h1")
    assert chromium.value(SHADED) == []
    chromium.point("[data-weights]")
    weights = weights_of(ParsedPage(page.read_text("utf-8")).values("data-weights")[0])
    shaded = chromium.value(SHADED)
    assert [weight for _, weight in shaded] == [weights[place] for place in sorted(weights)]
    told = chromium.value("document.querySelector('.looking').textContent")
    largest = max(shaded, key=lambda each: int(each[1].rstrip("%")))
    assert f"{largest[0]} {largest[1].rstrip('%')} %" in told
    chromium.point("h1")
    assert chromium.value(SHADED) == []


def test_the_keyboard_reaches_each_word(chromium: Browser) -> None:
    focused = "document.activeElement.textContent"
    chromium.value(f"{TARGET}.focus()")
    line = (
        f"[...{TARGET}.closest('dd').querySelectorAll('[data-weights]')].map((e) => e.textContent)"
    )
    words = chromium.value(line)
    assert len(words) > 3 and len(chromium.value(SHADED)) > 0
    chromium.press("ArrowRight")
    assert chromium.value(focused) == words[1]
    chromium.press("End")
    assert chromium.value(focused) == words[-1]
    chromium.press("ArrowRight")
    assert chromium.value(focused) == words[-1]
    chromium.press("Tab")  # one stop for each translation
    assert chromium.value(f"{TARGET}.closest('dd').contains(document.activeElement)") is False
    chromium.value("document.activeElement.blur()")
    assert chromium.value(SHADED) == []


def test_arrow_keys_follow_the_direction_of_the_text(chromium: Browser) -> None:
    rtl = (
        "[...document.querySelectorAll('dd')].find((e) => getComputedStyle(e).direction === 'rtl')"
    )
    chromium.value(f"{rtl}.querySelector('[data-weights]').focus()")
    words = chromium.value(
        f"[...{rtl}.querySelectorAll('[data-weights]')].map((e) => e.textContent)"
    )
    chromium.press("ArrowLeft")
    assert chromium.value("document.activeElement.textContent") == words[1]
    chromium.press("ArrowRight")
    assert chromium.value("document.activeElement.textContent") == words[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_in_both_schemes_and_on_a_phone(chromium: Browser, scheme: str) -> None:
    chromium.show(390, 844, scheme)
    background = chromium.value("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    shade = "forEach((word) => word.style.setProperty('--weight', '100%'))"
    chromium.value(f"document.querySelectorAll('.source .word').{shade}")
    seen, pale = chromium.value(PALE)
    assert seen > 200 and pale == []
    assert chromium.value(
        "document.documentElement.scrollWidth === document.documentElement.clientWidth"
    )
    assert chromium.screenshot().startswith(b"\x89PNG")


def test_it_can_be_printed(chromium: Browser) -> None:
    assert chromium.pdf().startswith(b"%PDF")
