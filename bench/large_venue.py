"""A large data folder, made by the venue itself, for benchmarks of what its size costs.

Accounts in the registry and in the log, resting orders of all of them, and a history of commands since it began, of
which some are behind the last snapshot: it is left as a crash leaves it.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import engine
from bench.engine_runner import Rows
from bench.measurement import BenchError, Plan
from engine import disk
from engine.codes import CommandKind, EventKind, InvestorClass, OrdType, Reason, Side, TimeInForce, VenueParameter
from engine.schema import COMMAND
from engine.units import FOREVER_NS, NS_PER_S
from gateway import clock
from gateway.config import Config
from gateway.office.bootstrap import Trader, list_contracts, open_trader, set_up_venue
from gateway.office.onboarding import deposit, eligible
from gateway.registry.registry import Intent, Registry
from gateway.registry.vault import Vault
from gateway.surveillance.parameters import SILENT
from gateway.venue.recovery import write_pair
from gateway.venue.venue import Venue
from gateway.wire.command_rows import index_row

MICROS = 1_000_000
DEPOSIT_MICROS = 10**6 * MICROS
INDEX_TICKS = 200_000
"""20,000 in the shipped contract's ticks of 0.1."""
FEED_ROWS = 4096
ACCOUNTS_OF_A_PERSON = 2
"""An account and a sub-account: the engine knows fewer persons than accounts."""


@dataclass(frozen=True)
class Size:
    """How large the folder is: accounts, orders that rest at the end, commands in all, commands behind the snapshot."""

    accounts: int
    resting: int
    commands: int
    replayed: int


FULL = Size(100_000, 1_000_000, 10_000_000, Config().snapshot_commands)
"""As many commands behind the snapshot as the shipped settings let there be when the next one begins."""
SMALL = Size(50, 500, 6_000, 1_000)


class Filled:
    """A venue on a new folder, filled by commands like those of clients."""

    def __init__(self, folder: Path, size: Size, plan: Plan) -> None:
        self._size, self._plan = size, plan
        self.config = Config(
            data=str(folder), port=0, operations_port=0, durability="fsync", surveillance=SILENT, snapshot_commands=0,
            snapshot_seconds=0,
        )  # fmt: skip
        self._rng = np.random.default_rng(plan.seed)
        self._open_accounts()
        self.venue = Venue(self.config)
        plan.progress(f"{size.accounts:,} accounts into the log")
        self.venue.take_intents()
        self._set_price()
        self._next_id = 1
        self._ids = np.zeros(size.resting, np.int64)
        self._owners = np.arange(size.resting) % size.accounts
        for first in range(0, size.resting, FEED_ROWS):
            self._place(np.arange(first, min(first + FEED_ROWS, size.resting)))

    def _open_accounts(self) -> None:
        self._plan.progress(f"{self._size.accounts:,} accounts into the registry")
        disk.make_folder(Path(self.config.data))
        registry, now_ns = Registry(self.config.registry), clock.wall_ns()
        vault = Vault(self.config.vault, registry)
        set_up_venue(registry, now_ns, DEPOSIT_MICROS)
        registry.add_intents([Intent(CommandKind.VENUE_SET, VenueParameter.INDEX_RECOVERY_NS, value=NS_PER_S)], now_ns)
        list_contracts(registry, now_ns)
        with registry.transaction():
            for number in range(0, self._size.accounts, ACCOUNTS_OF_A_PERSON):
                trader = open_trader(registry, vault, f"trader{number}x", DEPOSIT_MICROS, now_ns)
                for slot in range(number + 1, min(number + ACCOUNTS_OF_A_PERSON, self._size.accounts)):
                    self._open_subaccount(registry, f"trader{slot}x", trader, now_ns)
        registry.close()

    def _open_subaccount(self, registry: Registry, name: str, trader: Trader, now_ns: int) -> None:
        account = registry.create_account(name, now_ns, parent=trader.name, investor_class=InvestorClass.INDIVIDUAL)
        facts = eligible(account.slot, InvestorClass.INDIVIDUAL, FOREVER_NS, name)
        registry.add_intents([*facts, deposit(account.slot, DEPOSIT_MICROS, name)], now_ns)

    def _set_price(self) -> None:
        sequencer = self.venue.sequencer
        for source in range(3):
            sequencer.submit(index_row(0, source, INDEX_TICKS * 1000, clock.wall_ns()), None, None)
        sequencer.settle()
        while not self.venue.projection.ticker(0).mark_subticks:
            time.sleep(0.05)
            sequencer.keep_time()
        self._now_ns = int(self.venue.engine.root["now_ns"][0])

    def run(self, commands: int) -> None:
        """Cancel and replace resting orders, and trade, until the log has so many commands."""
        told = 0
        while self.venue.engine.last_seq < commands:
            places = self._rng.choice(self._size.resting, min(FEED_ROWS // 4, self._size.resting), replace=False)
            cancels = self._rows(len(places))
            cancels["kind"], cancels["cl_ord_id"] = CommandKind.CANCEL, self._ids[places]
            cancels["account_slot"] = self._owners[places]
            self._feed(cancels)
            self._place(places)
            self._trade(len(places) // 4)
            if self.venue.engine.last_seq - told > 500_000:
                told = self.venue.engine.last_seq
                self._plan.progress(f"{told:,} of {commands:,} commands")

    def _place(self, places: Rows) -> None:
        """Orders that rest away from the price."""
        rows = self._rows(len(places))
        buys = self._rng.integers(0, 2, len(places)) == 0
        away = self._rng.integers(100, 5_000, len(places))
        self._limit(rows, buys, INDEX_TICKS + np.where(buys, -away, away))
        rows["account_slot"] = self._owners[places]
        rows["person"] = _persons(rows["account_slot"])
        self._ids[places] = rows["cl_ord_id"]
        self._feed(rows, EventKind.ACCEPTED)

    def _trade(self, count: int) -> None:
        """Pairs of orders that meet at the price."""
        rows = self._rows(2 * count)
        self._limit(rows, np.arange(2 * count) % 2 == 0, np.full(2 * count, INDEX_TICKS))
        rows["account_slot"] = self._rng.integers(0, self._size.accounts, 2 * count)
        rows["person"] = _persons(rows["account_slot"])
        self._feed(rows)

    def _limit(self, rows: Rows, buys: Rows, price_ticks: Rows) -> None:
        rows["kind"], rows["ord_type"], rows["tif"] = CommandKind.NEW, OrdType.LIMIT, TimeInForce.GTC
        rows["side"] = np.where(buys, Side.BUY, Side.SELL)
        rows["price_ticks"], rows["qty_lots"] = price_ticks, 1
        rows["cl_ord_id"] = np.arange(self._next_id, self._next_id + len(rows))
        self._next_id += len(rows)

    def _rows(self, count: int) -> Rows:
        rows = np.zeros(count, COMMAND)
        rows["contract_slot"] = 0
        return rows

    def _feed(self, rows: Rows, wanted: EventKind | None = None) -> None:
        venue = self.venue
        self._now_ns += 1000
        rows["seq"] = venue.engine.last_seq + 1 + np.arange(len(rows))
        rows["time_ns"] = self._now_ns
        found: list[int] = []
        refused: list[int] = []

        def sink(commands: Rows, events: Rows) -> None:
            venue.projection.replay(commands, events)
            if wanted is not None:
                found.append(int((events["kind"] == wanted).sum()))
                refused.extend(events["reason"][events["kind"] == EventKind.REJECTED].tolist())

        venue.engine.feed(rows, sink)
        venue.engine.commit()
        if wanted is not None and sum(found) != len(rows):
            why = ", ".join(sorted({Reason(reason).name for reason in refused}))
            raise BenchError(f"{len(rows) - sum(found)} of {len(rows)} orders do not rest: {why}")

    def snapshot(self) -> None:
        """Write a pair."""
        write_pair(self.venue.engine, self.venue.projection, Path(self.config.data))

    def abandon(self) -> None:
        """End as a crash does: the journal is on the disk, nothing is closed in order."""
        journal = self.venue.engine.journal
        if journal is None:
            raise BenchError("the venue has no journal")
        journal.sync()


def _persons(account_slots: Rows) -> Rows:
    """Whose accounts these are: persons are numbered from 1."""
    return account_slots // ACCOUNTS_OF_A_PERSON + 1


def make(folder: Path, size: Size, plan: Plan) -> None:
    """A data folder of a size, as a crash leaves it: one pair, and commands behind it."""
    filled = Filled(folder, size, plan)
    filled.run(size.commands - size.replayed)
    plan.progress("writing the snapshot and the read model")
    filled.snapshot()
    filled.run(size.commands)
    filled.abandon()
    os._exit(0)


def made(folder: Path, plan: Plan) -> None:
    """Make a data folder of the full or the small size in a process of its own, whose memory is gone then."""
    size = "FULL" if plan.full else "SMALL"
    code = (
        "import sys; from pathlib import Path; from bench import large_venue; from bench.measurement import Plan; "
        "plan = Plan(progress=lambda text: print(text, file=sys.stderr)); "
        f"large_venue.make(Path({str(folder)!r}), large_venue.{size}, plan)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(engine.__file__).parents[1], check=False)
    if done.returncode:
        raise BenchError("the data folder could not be made")
