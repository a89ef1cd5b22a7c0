"""Takes the README's pictures from a real demo: `python -m tests.browser.pictures` in the checkout, some minutes.

A demo is started with a day behind it, a few orders are placed as anybody would, and the pages are photographed: the
terminal on a desk and on a phone, dark and light, and the console.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.browser.terminal import Terminal

PAGES = Path(__file__).parents[2] / "gateway" / "pages"
DESK, PHONE = (1440, 900), (390, 844)
SETTLE_MS = 15_000
"""How long the market goes on before the first picture, so that tapes and tables have something to show."""
TREND_MS = 120_000
"""How long the console reads the figures that it draws: two minutes are the least that its charts show."""


@contextmanager
def _demo(hours: int) -> Iterator[dict[str, str]]:
    words = [sys.executable, "-m", "gateway.cli", "demo", "--port", "0", "--json", "--hours", str(hours)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def _trade(terminal: Terminal) -> None:
    """A position, a stop below it, and two orders that wait."""
    terminal.write("0.5")
    terminal.press("Buy")
    terminal.tab("Positions")
    terminal.rows("positions").first.wait_for()
    mark = float(terminal.page.locator(".facts .large dd").inner_text().replace(",", ""))
    for side, share in (("Buy", 0.997), ("Sell", 1.004)):
        terminal.write("0.2", f"{round(mark * share):d}")
        terminal.press(side)
    terminal.write("0.3", f"{round(mark * 1.001):d}")


def _take(browser: Any, facts: dict[str, str], folder: Path) -> list[Path]:
    taken = []

    def take(page: Any, name: str) -> None:
        taken.append(folder / f"{name}.png")
        page.screenshot(path=str(taken[-1]))

    terminal = Terminal(browser, facts["address"], size=DESK)
    _trade(terminal)
    terminal.page.wait_for_timeout(SETTLE_MS)
    take(terminal.page, "terminal")
    for name, size, scheme in (("terminal-light", DESK, "light"), ("terminal-phone", PHONE, "dark")):
        other = Terminal(browser, facts["address"], size=size, scheme=scheme)
        other.page.wait_for_timeout(SETTLE_MS // 5)
        take(other.page, name)
        other.end()
    terminal.end()
    context = browser.new_context(viewport={"width": DESK[0], "height": DESK[1]}, color_scheme="dark")
    page = context.new_page()
    page.goto(facts["console"])
    page.wait_for_timeout(TREND_MS)
    take(page, "console")
    context.close()
    return taken


def main() -> int:
    """Take the pictures; 0."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.browser.pictures", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, default=PAGES, help=f"where the PNG files go (default: {PAGES})")
    parser.add_argument("--hours", type=int, default=24, help="hours of trading behind the demo (default: 24)")
    args = parser.parse_args()
    with _demo(args.hours) as facts, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        for path in _take(browser, facts, args.folder):
            print(path)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
