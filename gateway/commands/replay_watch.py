"""`lionrock replay --watch`: the book of a recording in the terminal, at the recorded pace."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from rich.console import Console
from rich.live import Live

from engine.codes import EventFlag, EventKind, Side
from engine.recordings.batches import ContractSpec, Reader, contracts_of
from engine.recordings.replay import Reports
from engine.recordings.runner import Runner
from engine.recordings.source import RecordingError
from gateway import clock
from gateway.commands.pace import Pace
from gateway.commands.trade_tables import Decimals, number, places_of
from gateway.commands.watch import REFRESH_SECONDS, View

NS_PER_MS, NS_PER_S = 1_000_000, 1_000_000_000
Level = tuple[Decimal, Decimal]
Rows = np.ndarray[Any, Any]


class _Book:
    """The engine's book of one contract in its own units."""

    def __init__(self, runner: Runner) -> None:
        self.runner, self.spec, self.slot = runner, ContractSpec(), 0

    def depth(self, levels: int) -> tuple[list[Level], list[Level]]:
        """(bids, asks), best first, as (price, amount)."""
        tick, lot = Decimal(self.spec.tick), Decimal(self.spec.lot)
        bids, asks = (
            [(price * tick, lots * lot) for price, lots in side] for side in self.runner.depth(levels, self.slot)
        )
        return bids, asks


class _View(View):
    """The screen of a recording: its time stands where a venue has its mark and its index."""

    time_ns = 0

    def facts(self) -> list[str]:
        """What stands above the book."""
        at = datetime.fromtimestamp(self.time_ns / NS_PER_S, UTC)
        last = number(self.ticker.get("last_price"), self.decimals.price) or "-"
        return [f"{at:%Y-%m-%d %H:%M:%S}.{self.time_ns // NS_PER_MS % 1000:03}", f"last {last}"]


class Watch:
    """Shows a replay while it goes on: it is told of every piece before it is applied, and of its events."""

    def __init__(self, reader: Reader, runner: Runner, pace: Pace, depth: int, contract: str) -> None:
        self.reader, self.pace, self.contract = reader, pace, contract
        self.book = _Book(runner)
        self.view = _View(contract or reader.contract.name, self.book, depth, Decimals())
        self.reports: Reports | None = None
        """Where the events go after they were seen here."""
        self._live: Live | None = None
        self._shown_ns = 0

    @contextmanager
    def on(self, console: Console) -> Iterator[None]:
        """Show it on this console meanwhile; a terminal's contents come back afterwards. RecordingError at the end for
        a contract that the recording does not have."""
        with Live(console=console, auto_refresh=False, screen=console.is_terminal) as self._live:
            yield
            self._find()
            self._show()
        if self.contract and self.book.spec.name != self.contract:
            names = ", ".join(spec.name for spec in contracts_of(self.reader))
            raise RecordingError(f"--instrument {self.contract}: none of the recording's contracts, {names or 'none'}")

    def __call__(self, time_ns: int) -> None:
        """What was recorded up to this time is next: show what is there, and wait until it is time."""
        if clock.steady_ns() - self._shown_ns >= REFRESH_SECONDS * NS_PER_S:
            self._find()
            self._show()
        self.pace(time_ns)
        self.view.time_ns = max(self.view.time_ns, time_ns)

    def write(self, commands: Rows, sequences: Rows, events: Rows) -> None:
        """Keep the newest trades, and the last price."""
        is_trade = (events["kind"] == EventKind.FILL) & (events["flags"] & EventFlag.TAKER != 0)
        fills = events[is_trade & (events["contract_slot"] == self.book.slot)]
        tick, lot = Decimal(self.book.spec.tick), Decimal(self.book.spec.lot)
        rows = [
            {
                "timestamp": int(fill["time_ns"]) // NS_PER_MS, "price": int(fill["price_ticks"]) * tick,
                "amount": int(fill["last_lots"]) * lot, "direction": "buy" if fill["side"] == Side.BUY else "sell",
            }
            for fill in fills[-(self.view.trades.maxlen or 1) :]
        ]  # fmt: skip
        if rows:
            self.view.traded(rows)
            self.view.ticker["last_price"] = rows[-1]["price"]
        if self.reports is not None:
            self.reports.write(commands, sequences, events)

    def finish(self) -> None:
        """The replay is at its end."""
        if self.reports is not None:
            self.reports.finish()

    def _find(self) -> None:
        """The contract that is shown: the one that is named, once the recording has it, else the first."""
        specs = contracts_of(self.reader)
        names = [spec.name for spec in specs]
        slot = names.index(self.contract) if self.contract in names else 0
        if slot < len(specs):
            spec = specs[slot]
            self.book.slot, self.book.spec, self.view.name = slot, spec, spec.name
            self.view.decimals = Decimals(places_of(Decimal(spec.tick)), places_of(Decimal(spec.lot)))

    def _show(self) -> None:
        self._shown_ns = clock.steady_ns()
        if self._live is not None:
            self._live.update(self.view.render(True), refresh=True)
