"""How long a venue takes from the start of its process until it listens, phase by phase, against a large data folder.

The folder is made by the venue itself: accounts in the registry and in the log, resting orders of all of them, and a
history of commands since it began. Then it is stopped in order, or left as a crash leaves it, and `lionrock serve` is
started on it.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import engine
from bench.engine_runner import Rows
from bench.measurement import BenchError, Measurement, Plan, best_of
from engine import disk
from engine.codes import CommandKind, EventKind, OrdType, Reason, Side, TimeInForce
from engine.schema import COMMAND
from gateway import clock
from gateway.config import Config
from gateway.office.bootstrap import list_contracts, open_trader, set_up_venue
from gateway.registry.registry import Registry
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
PERSON_FIRST = 1


@dataclass(frozen=True)
class Size:
    """How large the folder is: accounts, orders that rest at the end, commands in all, commands behind the snapshot."""

    accounts: int
    resting: int
    commands: int
    replayed: int


FULL = Size(100_000, 1_000_000, 10_000_000, 1_000_000)
SMALL = Size(50, 500, 6_000, 1_000)


class Filled:
    """A venue on a new folder, filled by commands like those of clients."""

    def __init__(self, folder: Path, size: Size, plan: Plan) -> None:
        self._size, self._plan = size, plan
        self.config = Config(
            data=str(folder), port=0, operations_port=0, durability="os", surveillance=SILENT, snapshot_commands=0,
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
        list_contracts(registry, now_ns)
        with registry.transaction():
            for number in range(self._size.accounts):
                open_trader(registry, vault, f"trader{number}x", DEPOSIT_MICROS, now_ns)
        registry.close()

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
        rows["account_slot"] = rows["person"] = self._owners[places]
        rows["person"] += PERSON_FIRST
        self._ids[places] = rows["cl_ord_id"]
        self._feed(rows, EventKind.ACCEPTED)

    def _trade(self, count: int) -> None:
        """Pairs of orders that meet at the price."""
        rows = self._rows(2 * count)
        self._limit(rows, np.arange(2 * count) % 2 == 0, np.full(2 * count, INDEX_TICKS))
        rows["account_slot"] = self._rng.integers(0, self._size.accounts, 2 * count)
        rows["person"] = rows["account_slot"] + PERSON_FIRST
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


def started(data: Path) -> dict[str, Any]:
    """What a started venue says of itself, with `start_seconds`, seen from outside; it is killed then."""
    words = ["serve", "--json", "--data", str(data), "--port", "0", "--operations-port", "0", "--durability", "os"]
    settings = {"SNAPSHOT_COMMANDS": "0", "SNAPSHOT_SECONDS": "0"} | {
        f"SURVEILLANCE_{name.upper()}": str(value) for name, value in asdict(SILENT).items()
    }
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *words], stdout=subprocess.PIPE, cwd=Path(engine.__file__).parents[1],
        env=os.environ | {f"LIONROCK_{name}": value for name, value in settings.items()},
    )  # fmt: skip
    try:
        line: Any = process.stdout.readline() if process.stdout else b""
        seconds = time.perf_counter() - begun
        if not line:
            raise BenchError("the started venue failed")
        resident = _resident_bytes(process.pid)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return json.loads(line) | {"start_seconds": seconds, "resident_bytes": resident}


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def make(folder: Path, size: Size, plan: Plan) -> None:
    """A data folder of a size, as a crash leaves it: one pair, and commands behind it."""
    filled = Filled(folder, size, plan)
    filled.run(size.commands - size.replayed)
    plan.progress("writing the snapshot and the read model")
    filled.snapshot()
    filled.run(size.commands)
    filled.abandon()
    os._exit(0)


def restart(plan: Plan, kept: Path | None = None) -> Measurement:
    """Starts of a venue after a crash; each begins from a copy of the same folder."""
    size = FULL if plan.full else SMALL
    seconds: list[float] = []
    said: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="lionrock-bench-", dir=kept.parent if kept else None) as scratch:
        folder = kept or Path(scratch) / "data"
        if not folder.exists():
            _made(folder, plan)
        for turn in range(plan.runs):
            plan.progress(f"start {turn + 1} of {plan.runs}")
            copy = Path(scratch) / f"copy{turn}"
            shutil.copytree(folder, copy)
            found = started(copy)
            if not seconds or found["start_seconds"] < min(seconds):
                said = found
            seconds.append(found["start_seconds"])
            shutil.rmtree(copy, ignore_errors=True)
    workload = (
        f"{size.accounts:,} accounts, {size.resting:,} resting orders, {said['sequence']:,} commands since the venue "
        f"began, {said['replayed']:,} of them behind the last snapshot; from the process's start until it listens"
    )
    phases = ", ".join(f"{name} {value:.2f}" for name, value in said["seconds"].items())
    note = f"{best_of(seconds, 's')}; {phases}; {said['resident_bytes'] / 1e6:,.0f} MB resident"
    return Measurement("restart", round(min(seconds), 2), "s", workload, plan.seed, "", note=note)


def _made(folder: Path, plan: Plan) -> None:
    """Make the folder in a process of its own, whose memory is gone then."""
    size = "FULL" if plan.full else "SMALL"
    code = (
        "import sys; from pathlib import Path; from bench import restart; from bench.measurement import Plan; "
        f"restart.make(Path({str(folder)!r}), restart.{size}, Plan(progress=lambda text: print(text, file=sys.stderr)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(engine.__file__).parents[1], check=False)
    if done.returncode:
        raise BenchError("the data folder could not be made")


def main() -> int:
    """Measure and print; `python -m bench.restart --help` says how."""
    parser = argparse.ArgumentParser(prog="python -m bench.restart", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the size of the figures in bench/README.md; takes long")
    parser.add_argument("--folder", type=Path, help="the data folder to start on: made there when it is missing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    plan = Plan(args.full, progress=lambda text: print(text, file=sys.stderr))
    figure = restart(plan, args.folder)
    print(json.dumps(figure.as_json()) if args.json else f"{figure.value} s: {figure.workload}\n{figure.note}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
