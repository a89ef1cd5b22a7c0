"""The history of many ended orders: what it takes in memory and on disk, and what a page of one account's costs."""

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.engine_runner import Rows, market
from bench.measurement import Measurement, Plan, SkippedError, percentiles
from engine.code_values import EVENT_NOTICE_FIRST
from engine.codes import EventKind
from engine.recordings.synthetic import SyntheticReader
from engine.schema import LABEL, NOTICE, ORDER_SLOT_BITS, VENUE, Capacities
from gateway.read_model.history import History
from gateway.read_model.history_store import WrittenStore
from gateway.read_model.projection import Projection
from gateway.wire.views import Span

ACCOUNTS = 100_000
PAGES = 200
STATM = Path("/proc/self/statm")
_MEGABYTE = 1_000_000


class EndedOrders:
    """Generated flow through a real engine and a real read model with a store, each order given to some account."""

    def __init__(self, folder: Path, plan: Plan, memory_rows: int) -> None:
        self.reader = SyntheticReader(plan.seed, 1 << 40)
        self.runner, self.next_seq = market(
            self.reader.contract, VENUE if plan.full else Capacities(orders=1 << 14)
        )
        self.store = WrittenStore(folder / "history.db")
        self.history = History(self.store, memory_rows)
        self.projection = Projection(history=self.history)
        self.projection.attach(self.runner.root)
        self.ended = 0
        self.fold_ns = 0
        self._batches = self.reader.batches()

    def run(self, ended: int, told: Callable[[int], None]) -> None:
        """Go on until so many orders have ended."""
        while self.ended < ended:
            commands = next(self._batches).commands
            commands["seq"] = np.arange(self.next_seq, self.next_seq + len(commands))
            self.next_seq += len(commands)
            self.runner.apply(commands, partial(self._fold, commands))
            told(self.ended)

    def _fold(self, commands: Rows, place: int, events: Rows) -> None:
        own = (events["kind"] < EVENT_NOTICE_FIRST) & (events["order_id"] > 0)
        events["account_slot"][own] = (events["order_id"][own] >> ORDER_SLOT_BITS) % ACCOUNTS
        is_fill = events["kind"] == EventKind.FILL
        self.ended += int(((events["kind"] == EventKind.CANCELLED) | (is_fill & (events["leaves_lots"] == 0))).sum())
        rows = commands[place : place + self.runner.batch_rows]
        begun = time.perf_counter_ns()
        batch = (rows, rows.view(LABEL), events, events.view(NOTICE))
        self.projection.apply(batch, len(rows), len(events))
        self.fold_ns += time.perf_counter_ns() - begun


def resident_bytes() -> int:
    """What the process has in memory. SkippedError where the system does not tell."""
    if not STATM.exists():
        raise SkippedError(f"the memory of a process is read from {STATM}, which this system has not")
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def history(plan: Plan) -> list[Measurement]:
    """Memory after a tenth of the ended orders and after all, the writer's speed, and pages of single accounts."""
    few, many = plan.size(20_000, 2_000_000), plan.size(200_000, 20_000_000)
    with tempfile.TemporaryDirectory(prefix="lionrock-bench-") as folder:
        flow = EndedOrders(Path(folder), plan, plan.size(1 << 16, 1 << 19))

        def told(ended: int) -> None:
            plan.progress(f"{ended:,} of {many:,} orders ended, {flow.store.figures.segments_waiting} segments wait")

        flow.run(few, told)
        flow.store.drain()
        before = resident_bytes()
        begun = time.perf_counter()
        flow.run(many, told)
        flow.store.drain()
        seconds, grown = time.perf_counter() - begun, resident_bytes() / before
        workload = f"{flow.ended:,} ended orders of {ACCOUNTS:,} accounts, {flow.history.end:,} history rows"
        digest = flow.runner.digest()
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        waited = flow.store.figures.fold_waited_ns / 1e9
        note = f"{before / _MEGABYTE:,.0f} MB after {few:,}; {flow.history.rows_in_memory:,} rows in memory"
        found: list[tuple[str, float, str, str, dict[str, Any]]] = [
            ("history-memory", round(grown, 3), "times", note, {}),
            ("history-disk", round(size / flow.history.end, 1), "bytes/row", f"{size / _MEGABYTE:,.0f} MB", {}),
            ("history-flow", round((flow.ended - few) / seconds), "ended orders/s",
             f"engine, fold and writer in one process; the fold took {flow.fold_ns / 1e9:.1f} s, waited {waited:.1f}",
             {}),
        ]  # fmt: skip
        plan.progress("asking for pages")
        for count in (20, 100, 1000):
            times = _pages(flow, plan.seed, count)
            found.append(
                (f"history-page-{count}", round(float(np.median(times)), 2), "ms", "newest first, cold cache of blocks",
                 percentiles(times))
            )  # fmt: skip
        flow.projection.save(Path(folder) / "saved.rows")
        flow.history.close()
    return [Measurement(name, value, unit, workload, plan.seed, digest, spread, text)
            for name, value, unit, text, spread in found]  # fmt: skip


def _pages(flow: EndedOrders, seed: int, count: int) -> list[float]:
    """Milliseconds for a page of ended orders of accounts drawn from all."""
    accounts, times = np.random.default_rng(seed).integers(0, ACCOUNTS, PAGES).tolist(), []
    for account in accounts:
        begun = time.perf_counter()
        list(flow.projection.order_history(account, frozenset({0}), Span(count=count)))
        times.append((time.perf_counter() - begun) * 1e3)
    return times
