"""How smoothly the terminal draws while a book changes, and whether it keeps its memory.

    python -m tests.browser.measure_frames --seconds 300 --changes 1000
    python -m tests.browser.measure_frames --seconds 60 --changes 1000 --own --json

It starts `lionrock demo`, opens the terminal in Chromium, changes the amounts of resting orders so many times a second
and reads, every sixth of the time, the frames since the last look and the memory after a collection of garbage. With
--own the page is logged in to the account whose orders change, so that it hears each of them as well; it holds a
position, and how long after each mark its profit is on the page is measured too.

Times of frames say as much of the machine as of the page: see also the share of the time in which the page's thread
ran on a processor, which other work on the machine changes little, and the machine's load.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, async_playwright

from gateway import clock
from gateway.client import Client, RpcError
from tests.browser import mark_ages

CHROMIUM = "/usr/bin/chromium"
INSTRUMENT = "BTC_USDC-PERPETUAL"
ORDERS = 40
FIRST = 15
"""How far the nearest of the orders is from the mark."""
ROUND_S = 0.02
OPENING_TRIES = 120
LOOKS = 6
SIZE = {"width": 1440, "height": 900}
SAMPLER = """
    window.frameTimes = [];
    let last = performance.now();
    const note = (now) => { window.frameTimes.push(now - last); last = now; requestAnimationFrame(note); };
    requestAnimationFrame(note);
"""
TAKE_FRAMES = "window.frameTimes.splice(0)"


@asynccontextmanager
async def demo() -> AsyncIterator[dict[str, Any]]:
    """What a demo says when it runs; it ends with the block."""
    command = (sys.executable, "-m", "gateway.cli", "demo", "--port", "0", "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        while not (line := await process.stdout.readline()).startswith(b"{"):
            if not line:
                raise SystemExit("measure_frames: the demo ended before it ran")
        yield json.loads(line)
    finally:
        process.terminate()
        await process.wait()


class Changes:
    """Orders on both sides of the market whose amounts change all the time; one that is filled is placed again."""

    def __init__(self, client: Client, per_second: int) -> None:
        self.client, self.per_second = client, per_second
        self.made = 0
        self._ids: list[str | None] = [None] * ORDERS

    async def run(self) -> None:
        """Change amounts until it is cancelled."""
        begin_ns = clock.steady_ns()
        while True:
            due = int((clock.steady_ns() - begin_ns) / 1e9 * self.per_second) - self.made
            places = [(self.made + at) % ORDERS for at in range(min(due, ORDERS))]
            try:
                await self._place([at for at in places if self._ids[at] is None])
            except RpcError:  # the market is halted, as the index of a busy machine may be late
                await asyncio.sleep(1)
                continue
            edits = [
                ("private/edit", {"order_id": self._ids[at], "amount": f"0.{10 + (self.made // ORDERS + at) % 80:03}"})
                for at in places
            ]
            if edits:
                answers = await self.client.batch(edits)
                for at, answer in zip(places, answers, strict=True):
                    self._ids[at] = None if isinstance(answer, Exception) else self._ids[at]
            self.made += len(edits)
            await asyncio.sleep(ROUND_S)

    async def _place(self, places: list[int]) -> None:
        """Place the orders of some places anew, among the levels that a terminal shows."""
        if not places:
            return
        mark = (await self.client.call("public/ticker", instrument_name=INSTRUMENT))["mark_price"]
        for at in places:
            side, price = ("buy", mark - FIRST - at // 2) if at % 2 else ("sell", mark + FIRST + at // 2)
            place = self.client.buy if side == "buy" else self.client.sell
            self._ids[at] = (await place(INSTRUMENT, "0.01", price=str(round(price)))).order.order_id


async def look(page: Page, devtools: CDPSession, before: dict[str, float]) -> dict[str, Any]:
    """The frames since the last look, and the page's memory now. `before` is brought up to date."""
    frames = sorted(await page.evaluate(TAKE_FRAMES))
    await devtools.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in (await devtools.send("Performance.getMetrics"))["metrics"]}
    metrics["now_s"] = clock.steady_ns() / 1e9
    passed, busy = (metrics[name] - before.get(name, metrics[name]) for name in ("now_s", "TaskDuration"))
    before.update(metrics)
    return {
        "frames": len(frames), "frame_ms_median": quantile(frames, 0.5), "frame_ms_p99": quantile(frames, 0.99),
        "frame_ms_largest": quantile(frames, 1), "busy_percent": round(100 * busy / passed, 1) if passed else 0,
        "heap_mb": round(metrics["JSHeapUsedSize"] / 1e6, 2), "nodes": int(metrics["Nodes"]),
        "listeners": int(metrics["JSEventListeners"]), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


async def resident_mb(browser: Browser) -> float:
    """The memory of the largest process that draws pages, as the system counts it."""
    session = await browser.new_browser_cdp_session()
    processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
    await session.detach()
    pages = [Path(f"/proc/{one['id']}/statm").read_text().split()[1] for one in processes if one["type"] == "renderer"]
    return round(max(int(count) for count in pages) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


async def look_at_profits(page: Page, client: Client) -> dict[str, Any]:
    """How long after its mark each profit was on the page since the last look."""
    drawn = await page.evaluate(mark_ages.TAKE_DRAWN)
    span = {"start_timestamp": 0, "end_timestamp": clock.wall_ns() // 10**6}
    history = await client.call("public/get_mark_price_history", instrument_name=INSTRUMENT, **span)
    found = sorted(one.age_ms for one in mark_ages.ages(history, drawn))
    return {
        "profits": len(found), "profit_ms_median": quantile(found, 0.5), "profit_ms_p99": quantile(found, 0.99),
        "profit_within_1500_percent": round(100 * sum(age <= 1500 for age in found) / max(len(found), 1), 1),
    }  # fmt: skip


def quantile(ordered: list[float], part: float) -> float:
    """A quantile of ordered values, 0 without any."""
    return round(ordered[min(int(part * len(ordered)), len(ordered) - 1)], 1) if ordered else 0


def key_of(facts: dict[str, Any]) -> tuple[str, str]:
    """The id and the secret of the key that the demo gives."""
    return facts["key"], facts["secret"]


async def open_position(client: Client) -> None:
    """Hold something, once the market is open: a demo begins halted, until its index has been sound for a while."""
    for _ in range(OPENING_TRIES):
        try:
            await client.buy(INSTRUMENT, "0.05", type="market")
            return
        except RpcError as refusal:
            why = refusal
            await asyncio.sleep(1)
    raise SystemExit(f"measure_frames: no position could be opened: {why}")


async def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The looks, each after a sixth of the time."""
    async with demo() as facts, async_playwright() as driver, Client(facts["url"], *key_of(facts)) as client:
        changes = Changes(client, args.changes)
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport=SIZE)
        origin = facts["page"].partition("#")[0]
        await page.add_init_script(mark_ages.watch(INSTRUMENT))
        if args.own:
            await open_position(client)
        await page.goto(f"{origin}#key={facts['key']}&secret={facts['secret']}" if args.own else origin)
        await page.locator(".chart-legend").wait_for(timeout=60_000)
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        task = asyncio.create_task(changes.run())
        await asyncio.sleep(args.seconds / LOOKS / 2)  # the first pictures of everything are not what is measured
        await page.evaluate(SAMPLER)
        before: dict[str, float] = {}
        await look(page, devtools, before)
        looks = []
        for _ in range(LOOKS):
            made = changes.made
            await asyncio.sleep(args.seconds / LOOKS)
            found = await look(page, devtools, before)
            found["resident_mb"] = await resident_mb(browser)
            if args.own:
                found |= await look_at_profits(page, client)
            looks.append({"changes_per_s": round((changes.made - made) / (args.seconds / LOOKS)), **found})
            say(looks[-1], args.json)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await browser.close()
        return looks


def say(row: dict[str, Any], as_json: bool) -> None:
    """One look as a line."""
    line = json.dumps(row) if as_json else "  ".join(f"{name} {value}" for name, value in row.items())
    print(line, flush=True)


def main() -> int:
    """Measure, and say what is asked for."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m tests.browser.measure_frames", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, default=300, help="how long to measure (default: 300)")
    parser.add_argument("--changes", type=int, default=1000, help="changes of the book a second (default: 1000)")
    parser.add_argument("--own", action="store_true", help="log the page in to the account whose orders change")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    asyncio.run(measure(parser.parse_args()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
