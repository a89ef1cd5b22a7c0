"""The course of a soak: capacity, then half of it with crashes and restarts, then what must be true at the end."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.measurement import BenchError, machine
from bench.soak import checks
from bench.soak.clients import (
    Crowd,
    Follower,
    HistoryAsker,
    HttpAsker,
    Kind,
    Leaver,
    Line,
    Probe,
    SlowReader,
    Visitor,
    Watcher,
)
from bench.soak.makers import Bulk, JsonMaker, Maker, Market, RowMaker, Taker
from bench.soak.served_venue import INDEX, ServedVenue, allow_files, children, disk_use, get, memory, parse_metrics
from engine.codes import Side
from gateway.office.bootstrap import Trader

TICKS = (0.5, 0.05)
WINDOW = 256
"""Commands under way on each connection while capacity is measured."""
READY_SECONDS = 120
REST_SECONDS = 120
SMALL = {
    "snapshot_commands": "20000", "segment_bytes": str(1 << 20), "history_rows": "4096", "report_rows": "4096",
    "archive_after_segments": "1",
}  # fmt: skip
"""Settings whose limits a run of some seconds reaches; a long run has the shipped ones."""


@dataclass(frozen=True)
class Plan:
    """How long, how often the venue is ended, and of which capacity the load is a share."""

    minutes: float = 60.0
    restart_minutes: float = 12.0
    sample_seconds: float = 5.0
    capacity_seconds: float = 10.0
    share: float = 0.5
    capacity_per_s: float = 0.0
    """Known from a quieter moment, in commands a second; 0: it is measured."""
    settle_minutes: float = 3.0
    """So long after a start memory is not judged: what is bounded is being filled."""
    settings: dict[str, str] = field(default_factory=dict)
    audit_every: int = 100_000
    judges_memory: bool = True
    say: Callable[[str], None] = lambda text: None


@dataclass
class Outcome:
    """What a soak found. `failures` is empty when the venue kept its word and its memory."""

    minutes: float = 0.0
    capacity_per_s: float = 0.0
    rate_per_s: float = 0.0
    commands: int = 0
    standstills: int = 0
    """How often the load itself was suspended; clients' faults of the minute after that are only counted."""
    samples: list[dict[str, float]] = field(default_factory=list)
    lives: list[dict[str, Any]] = field(default_factory=list)
    clients: dict[str, dict[str, int]] = field(default_factory=dict)
    makers: dict[str, Any] = field(default_factory=dict)
    outages_s: list[float] = field(default_factory=list)
    latency: dict[str, dict[str, float]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)
    checks: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For --json: everything, the machine among it."""
        return asdict(self) | {"machine": machine()}


class Soak:
    """One soak in one folder."""

    def __init__(self, plan: Plan, folder: Path, keep: Callable[[dict[str, float]], None]) -> None:
        """`keep` gets every sample when it is taken."""
        self.plan = plan
        self.outcome = Outcome()
        self.venue = ServedVenue(folder, plan.settings)
        self.markets = [Market(slot, name, TICKS[slot], price) for slot, (name, price) in enumerate(INDEX.items())]
        self.makers: list[Maker] = []
        self.kinds: list[Kind] = []
        self._keep = keep
        self._tasks: list[asyncio.Task[None]] = []
        self._orders: list[int] = []
        self._cancels: list[int] = []

    async def run(self) -> Outcome:
        """From an empty folder to the verdict. BenchError when the venue ends by itself or does not start."""
        allow_files()
        try:
            await self._begin()
            await self._measure_capacity()
            await self._load()
            await self._rest()
        finally:
            for task in self._tasks:
                task.cancel()
            self.venue.close()
        return self.outcome

    # --- the course -----------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Make the folder and the clients, and wait until orders are taken."""
        plan, venue = self.plan, self.venue
        names = ("json buys", "json sells", "json buys 2", "json sells 2", "rows buys", "rows sells", "rows buys 2",
                 "rows sells 2", "taker", "taker 2", "probe", "leaver", "visitor")  # fmt: skip
        traders = venue.set_up(list(names))
        plan.say("starting the venue")
        await venue.start()
        self._make_clients(traders)
        self._spawn(self.watcher.run())
        await self._until_ready()
        self.bulk = Bulk(self.makers, venue)
        self._spawn(self.bulk.run())
        for kind in self.kinds:
            if kind is not self.watcher:
                self._spawn(kind.run())
        await self._until(lambda: all(maker.is_connected for maker in self.makers), "the makers log in")

    def _make_clients(self, traders: dict[str, Trader]) -> None:
        bitcoin, ether = self.markets
        venue = self.venue
        for name, trader in list(traders.items())[:8]:
            kind = JsonMaker if name.startswith("json") else RowMaker
            side = Side.BUY if "buys" in name else Side.SELL
            self.makers.append(kind(trader, ether if name.endswith("2") else bitcoin, side))
        self.makers += [Taker(traders["taker"], bitcoin, Side.BUY), Taker(traders["taker 2"], ether, Side.BUY)]
        self.probe = Probe(venue, traders["probe"], bitcoin)
        self.watcher = Watcher(venue, self.markets)
        self.followers = [Follower(venue, traders[name], self.markets) for name in ("taker", "taker 2", "rows buys")]
        self.kinds = [
            self.watcher, self.probe, *self.followers, HttpAsker(venue), HistoryAsker(venue, traders["json buys"]),
            SlowReader(venue, self.markets), Leaver(venue, traders["leaver"], bitcoin),
            Visitor(venue, traders["visitor"], ether), Crowd(venue, bitcoin),
        ]  # fmt: skip

    async def _measure_capacity(self) -> None:
        """How many commands the venue and this load answer together, as quickly as they are answered."""
        outcome = self.outcome
        if self.plan.capacity_per_s:
            outcome.capacity_per_s = self.plan.capacity_per_s
        else:
            outcome.capacity_per_s = await self._closed_loop()
        outcome.rate_per_s = self.bulk.rate = outcome.capacity_per_s * self.plan.share
        self.plan.say(f"capacity {outcome.capacity_per_s:,.0f} commands/s; from now on {self.bulk.rate:,.0f}")

    async def _closed_loop(self) -> float:
        self.plan.say("measuring capacity")
        self.bulk.window = WINDOW
        await asyncio.sleep(min(1.0, self.plan.capacity_seconds / 4))
        before, begun = self.bulk.answered(), time.monotonic()
        await asyncio.sleep(self.plan.capacity_seconds)
        capacity_per_s = (self.bulk.answered() - before) / (time.monotonic() - begun)
        self.bulk.window = 0
        await self._until(lambda: not any(maker.under_way for maker in self.makers), "the last orders are answered")
        for maker in self.makers:
            maker.refusals.clear()  # the shipped limit of orders a second may hold at capacity
        self.probe.order_ns.clear()
        self.probe.cancel_ns.clear()
        return capacity_per_s

    async def _load(self) -> None:
        """Half load for so long, a crash and a restart in order in turns."""
        plan, begun = self.plan, time.monotonic()
        last = plan.minutes / plan.restart_minutes - 0.5
        restarts = [count * plan.restart_minutes * 60 for count in range(1, int(last) + 1)]
        is_crash = True
        while (passed := time.monotonic() - begun) < plan.minutes * 60:
            await asyncio.sleep(plan.sample_seconds)
            self._look_after_tasks()
            await self._sample()
            if restarts and passed >= restarts[0]:
                del restarts[0]
                await self._restart(is_crash)
                is_crash = not is_crash
        self.outcome.minutes = (time.monotonic() - begun) / 60

    async def _restart(self, is_crash: bool) -> None:
        await (self.venue.kill() if is_crash else self.venue.stop())
        life = await self.venue.start()
        self.plan.say(
            f"{'kill -9' if is_crash else 'restart'}: listens after {life.start_s:.1f} s from sequence "
            f"{life.sequence:,}, {life.replayed:,} commands replayed"
        )

    async def _rest(self) -> None:
        """The load ends; what was told is compared with what is."""
        outcome, bulk = self.outcome, self.bulk
        self.plan.say("the load ends; comparing")
        bulk.rate = 0.0
        try:
            await self._until(lambda: all(maker.is_connected and not maker.under_way for maker in self.makers),
                              "everything is answered", bulk.answered)  # fmt: skip
        except BenchError as error:
            left = [str(maker) for maker in self.makers if maker.under_way or not maker.is_connected]
            raise BenchError(f"{error}: {'; '.join(left)}") from None
        # After a crash these come back some seconds later than the makers.
        listeners: list[Watcher | Follower] = [self.watcher, *self.followers]
        await self._until(lambda: all(kind.client.is_connected.is_set() for kind in listeners),
                          "watcher and followers are connected")  # fmt: skip
        await asyncio.sleep(1.0)
        await self.watcher.compare()
        for follower in self.followers:
            await follower.compare()
        await self._cancel_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._look_for_open_orders()
        await self.venue.stop()
        self._conclude()
        self.plan.say("reading the log")
        found = await asyncio.to_thread(checks.compare_with_log, self.venue.config.journal, self.makers)
        outcome.commands = found.pop("commands")
        outcome.checks |= found
        self.plan.say("verifying and auditing the folder")
        outcome.checks |= await checks.audited(self.venue.data, self.plan.audit_every)
        outcome.failures += checks.failures(outcome, self.kinds, self.plan.judges_memory)

    async def _cancel_all(self) -> None:
        makers = [maker for maker in self.makers if maker.cancels]
        deadline = time.monotonic() + REST_SECONDS
        while not all(maker.is_finished for maker in makers) and time.monotonic() < deadline:
            for maker in makers:
                if not maker.under_way:
                    maker.finish()
            await asyncio.sleep(0.01)

    async def _look_for_open_orders(self) -> None:
        """Nothing rests that its owner knows as cancelled, and no owner knows more than that all is."""
        still_open = 0
        for maker in self.makers:
            line = Line()
            await line.connect(self.venue.url, maker.trader)
            still_open += len((await line.ask("private/get_open_orders"))["result"])
            line.close()
            maker.close()
        self.outcome.checks["orders_still_open"] = still_open

    def _conclude(self) -> None:
        """Put together what clients, makers and samples have."""
        outcome = self.outcome
        outcome.standstills = self.bulk.standstills
        outcome.lives = [asdict(life) for life in self.venue.lives]
        for kind in self.kinds:
            known = outcome.clients.setdefault(kind.name, {})
            for name, count in kind.counts.items():
                known[name] = known.get(name, 0) + count
        outcome.outages_s = [round(seconds, 2) for seconds in self.probe.outages_s]
        outcome.makers = checks.told(self.makers)
        outcome.latency = {"order": checks.spread(self._orders), "cancel": checks.spread(self._cancels)}
        outcome.memory = checks.memory_of(outcome.samples, self.plan.settle_minutes * 60)
        outcome.most = checks.most(outcome.samples)

    # --- looking --------------------------------------------------------------------------------------------------

    async def _sample(self) -> None:
        """One row of figures."""
        venue = self.venue
        venue.check()
        figures: dict[str, float] = {}
        with suppress(OSError, ValueError, IndexError):
            _, body = await get(venue.operations_port, "/metrics")
            page = parse_metrics(body.decode())
            figures = {name: page[name] for name in checks.FIGURES if name in page}
            if page.get(checks.READ_ONLY):
                raise BenchError(f"the venue is read-only: {venue.last_words()}")
        at_s = venue.seconds
        sample = {
            "at_s": round(at_s, 1), "life": float(len(venue.lives)),
            "age_s": round(at_s - venue.lives[-1].begun_s - venue.lives[-1].start_s, 1),
            "answered": float(self.bulk.answered()), "load_lag_s": round(self.bulk.lag_s, 3),
            "load_cpu_s": round(time.process_time(), 2),
        }  # fmt: skip
        self.bulk.lag_s = 0.0
        sample |= memory(venue.pid) | {f"{name}_rss_mb": size for name, size in children(venue.pid).items()}
        sample |= await asyncio.to_thread(disk_use, venue.data)
        for name, delays in (("order", self.probe.order_ns), ("cancel", self.probe.cancel_ns)):
            if delays:
                sample |= {f"{name}_{point}": value for point, value in checks.spread(delays).items()}
            (self._orders if name == "order" else self._cancels).extend(delays)
            delays.clear()
        sample |= figures
        self.outcome.samples.append(sample)
        self._keep(sample)

    async def _until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        status, body = 0, b""
        while time.monotonic() < deadline:
            with suppress(OSError, IndexError):
                status, body = await get(self.venue.operations_port, "/readyz")
            if status == 200:
                return
            await asyncio.sleep(0.2)
        raise BenchError(f"the venue takes no orders: {body.decode(errors='replace')}")

    async def _until(self, is_so: Callable[[], bool], what: str, progress: Callable[[], int] = int) -> None:
        """Wait until something is so. BenchError when that is in vain: as long as `progress` grows it is not."""
        deadline, done = time.monotonic() + REST_SECONDS, progress()
        while not is_so():
            self._look_after_tasks()
            if progress() > done:
                deadline, done = time.monotonic() + REST_SECONDS, progress()
            if time.monotonic() > deadline:
                raise BenchError(f"waited {REST_SECONDS} s in vain until {what}")
            await asyncio.sleep(0.02)

    def _spawn(self, story: Any) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(story))

    def _look_after_tasks(self) -> None:
        """A client that ended by an error of its own ends the soak."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error


def as_line(sample: dict[str, float]) -> str:
    """A sample as one line of JSON."""
    return json.dumps({name: round(value, 4) if np.isfinite(value) else None for name, value in sample.items()})
