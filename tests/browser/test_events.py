"""What happens to a trader: marks, a liquidation, deleveraging, eligibility lost, the server killed and back."""

import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.codes import AccountAttribute
from gateway.client import Client, RpcError
from tests.browser import mark_ages
from tests.browser.conftest import Open
from tests.browser.terminal import Terminal
from tests.browser.venue import CALL_SECONDS, FIRST_PRICES, BrowserVenue, browser_venue, set_up
from tests.gateway.live import BTC, INDEX, config_of

expect = Terminal.expect
TICKS = 6
"""Mark ticks that a position's profit is watched for."""


@pytest.fixture
def own_venue(tmp_path: Path) -> Iterator[BrowserVenue]:
    """A venue without an insurance fund, whose index a test may move as it likes."""
    cash = {"winner": 100_000, "loser": 2_200, "watcher": 100_000}
    with browser_venue(tmp_path / "data", cash, fund=0) as running:
        running.quote()
        yield running


def test_profit_and_equity_move_with_each_mark_without_own_events(
    venue: BrowserVenue, open_terminal: Open, name: str
) -> None:
    terminal = open_terminal(venue, name, script=mark_ages.watch(BTC))
    venue.place(name, "buy", "1")
    terminal.tab("Positions")
    terminal.profit.wait_for()
    equity, middle = terminal.account.locator('[data-field="equity"]'), FIRST_PRICES[BTC]
    for tick in range(1, TICKS + 1):
        before, shown, owned = venue.mark(), terminal.profit.inner_text(), equity.inner_text()
        venue.prices[BTC] = middle + 3 * tick
        venue.until(lambda before=before: venue.mark() != before)
        expect(terminal.profit).not_to_have_text(shown)
        expect(equity).not_to_have_text(owned)
    drawn = terminal.page.evaluate(mark_ages.TAKE_DRAWN)
    venue.prices[BTC] = middle
    end = {"start_timestamp": 0, "end_timestamp": int(drawn[-1]["at"])}
    history = venue.call(name, "public/get_mark_price_history", instrument_name=BTC, **end)
    ages = mark_ages.ages(history, drawn)
    assert len(ages) >= TICKS
    # Counted in marks, as the machine may be slow: a profit is on the page before the venue stamps the mark after next.
    assert statistics.median(one.marks_behind for one in ages) <= 1, ages
    print(f"profit on the page {sorted(one.age_ms for one in ages)} ms after its mark")


def test_a_liquidation_is_watched(own_venue: BrowserVenue, open_terminal: Open) -> None:
    venue = own_venue
    venue.place("loser", "buy", "1", "20005")
    loser, watcher = open_terminal(venue, "loser"), open_terminal(venue, "watcher")
    loser.tab("Positions")
    expect(loser.rows("positions")).to_have_count(1)
    venue.call("maker", "private/cancel_all")
    venue.place("maker", "buy", "5", "18590")
    venue.prices[BTC] = 18_900
    expect(loser.account.get_by_role("group", name="notices")).to_contain_text("argin")
    venue.prices[BTC] = 18_600
    expect(loser.rows("positions").filter(has_text="long 1.000")).to_have_count(0)
    loser.tab("Fills")
    expect(loser.page.get_by_role("tabpanel", name="Fills")).to_contain_text("iquidation")
    watcher.page.get_by_role("tab", name="Liquidations").click()
    expect(watcher.page.get_by_role("table", name="latest liquidations").locator("tbody tr").first).to_be_visible()


def test_a_deleveraging_is_watched_by_whose_position_is_taken(own_venue: BrowserVenue, open_terminal: Open) -> None:
    venue = own_venue
    venue.call("maker", "private/cancel_all")
    venue.place("winner", "sell", "1", "20000")
    venue.place("loser", "buy", "1", "20000")
    winner = open_terminal(venue, "winner")
    winner.tab("Positions")
    expect(winner.rows("positions")).to_contain_text("short 1.000")
    venue.prices[BTC] = 17_500  # nobody bids, and there is no fund
    expect(winner.rows("positions")).to_have_count(0)
    winner.tab("Fills")
    expect(winner.page.get_by_role("tabpanel", name="Fills").locator("tbody tr")).to_have_count(2)
    winner.page.get_by_role("tab", name="Liquidations").click()
    expect(winner.page.get_by_role("table", name="latest liquidations")).to_contain_text("ADL")


def test_eligibility_that_is_lost_is_explained_and_reducing_goes_on(
    venue: BrowserVenue, terminal: Terminal, name: str
) -> None:
    venue.place(name, "buy", "0.5")
    expect(terminal.account.get_by_role("group", name="admission")).to_contain_text("May open positions")
    venue.set_attribute(name, AccountAttribute.SCREENING_UNTIL_NS, 1)
    admission = terminal.account.get_by_role("group", name="admission")
    expect(admission).to_contain_text("only reduce")
    expect(admission).to_contain_text("What to do:")
    terminal.write("0.1")
    terminal.press("Buy")
    expect(terminal.messages).to_contain_text("creening")
    terminal.write("0.5")
    terminal.press("Sell")
    terminal.tab("Positions")
    expect(terminal.rows("positions")).to_have_count(0)
    assert venue.size(name) == 0


def _in_thread(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine: this thread has the loop that drives the browser."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


async def _when_it_is_open(client: Client, side: str, **order: str) -> None:
    """Place an order; after a restart the market is halted until its index has been sound for half a minute."""
    async with asyncio.timeout(CALL_SECONDS * 2):
        while True:
            try:
                await client.call(f"private/{side}", **order)
                return
            except RpcError as refusal:
                if "MARKET_" not in str(refusal) and "REFERENCE_PRICE" not in str(refusal):
                    raise
            await asyncio.sleep(0.2)


class ServerProcess:
    """`lionrock serve` in a process that can be killed, each time on the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, or start it again."""
        words = ["--data", str(self._folder), "--port", str(self.port), "--scripted-index", INDEX, "--json"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "serve", *words], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        url = json.loads(self._process.stdout.readline())["url"]
        self.port = int(url.partition("://")[2].partition("/")[0].rpartition(":")[2])

    def kill(self) -> None:
        """End it as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A process that serves the folder of `traders`."""
    process = ServerProcess(tmp_path / "data")
    yield process
    process.kill()


def test_after_a_server_was_killed_the_page_comes_back_and_nothing_is_missed(
    tmp_path: Path, server: ServerProcess, chromium: Any
) -> None:
    config = config_of(tmp_path / "data")
    traders = set_up(config, {"maker": 10_000_000, "away": 1_000_000}, 10_000_000)
    server.start()
    own, other = traders["away"].key, traders["maker"].key

    async def as_trader(key: Any, *orders: tuple[str, str, str]) -> None:
        async with Client(f"ws://127.0.0.1:{server.port}", key.id, key.secret) as client:
            for side, amount, price in orders:
                await _when_it_is_open(client, side, instrument_name=BTC, amount=amount, price=price)

    _in_thread(as_trader(own, ("buy", "0.2", "19700"), ("sell", "0.1", "20300")))
    terminal = Terminal(chromium, f"http://127.0.0.1:{server.port}/#key={own.id}&secret={own.secret}")
    terminal.tab("Open orders")
    expect(terminal.rows("open orders")).to_have_count(2)
    server.kill()
    expect(terminal.state).to_have_attribute("data-connection", "lost")
    expect(terminal.page.get_by_role("alert").first).to_contain_text("lost")
    server.start()
    _in_thread(as_trader(other, ("sell", "0.05", "19700")))  # a part of the own order is filled
    expect(terminal.state).to_have_attribute("data-connection", "live")
    expect(terminal.rows("open orders")).to_have_count(2)
    expect(terminal.page.get_by_role("tabpanel", name="Open orders")).to_contain_text("0.050")
    terminal.tab("Positions")
    expect(terminal.rows("positions")).to_contain_text("long 0.050")
    terminal.tab("Fills")
    fills = terminal.page.get_by_role("tabpanel", name="Fills").locator("tbody tr")
    expect(fills).to_have_count(1)
    faults = [fault for fault in terminal.end() if "ERR_CONNECTION_REFUSED" not in fault]
    assert not faults
