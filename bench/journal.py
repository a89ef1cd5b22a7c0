"""What the journal costs: on and off, beside what the disk alone allows, and how fast it is read back and applied."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.engine_runner import BATCH_ROWS, Rows, numbered, synthetic
from bench.measurement import Measurement, Plan, best_of, one_digest
from engine import host
from engine.codes import Mode
from engine.host import Durability, Engine, JournalOptions, JournalReader
from engine.recordings.research import opening
from engine.schema import VENUE

RECORD_BYTES = 1 << 16
"""What a batch of 512 takes on the disk, but for a record's few bytes of frame."""

THREADED = JournalOptions(threaded=True)


@dataclass(frozen=True)
class Log:
    """Commands to journal, the market's opening first."""

    commands: Rows
    seed: int
    folder: Path

    def batches(self) -> list[Rows]:
        """Contiguous batches of BATCH_ROWS."""
        return [self.commands[start : start + BATCH_ROWS] for start in range(0, len(self.commands), BATCH_ROWS)]

    def run(self, engine: Engine) -> tuple[float, str]:
        """Commands a second until all of it is durable, each batch committed, and the digest."""
        batches = self.batches()
        begun = time.perf_counter()
        for batch in batches:
            engine.submit(batch)
            engine.commit()
        if engine.journal is not None:
            engine.journal.flush()
        seconds = time.perf_counter() - begun
        digest = engine.digest()
        engine.close()
        return len(self.commands) / seconds, digest

    def off(self) -> tuple[float, str]:
        """Without a journal."""
        return self.run(Engine(host.create(VENUE, Mode.RESEARCH)))

    def on(self, options: JournalOptions | None = None) -> tuple[float, str]:
        """With one, in a folder of its own."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            return self.run(Engine.create(Path(folder), Mode.RESEARCH, options=options))

    def disk(self) -> tuple[float, str]:
        """The same bytes appended and synced batch by batch, with no engine: commands a second."""
        data = os.urandom(RECORD_BYTES)
        batches = len(self.batches())
        with tempfile.TemporaryFile(dir=self.folder, buffering=0) as file:
            begun = time.perf_counter()
            for _ in range(batches):
                file.write(data)
                os.fdatasync(file.fileno())
            return len(self.commands) / (time.perf_counter() - begun), ""


def make_log(plan: Plan, folder: Path, count: int) -> Log:
    """Generated flow of the plan's seed behind the opening of its market."""
    reader, flow = synthetic(plan.seed, count)
    market = opening(reader.contract, VENUE.orders)
    commands = np.concatenate([market, flow])
    return Log(numbered(commands, 1), plan.seed, folder)


def journal(plan: Plan) -> list[Measurement]:
    """The journal off, on, on with its own thread, and the disk alone; they take turns."""
    with tempfile.TemporaryDirectory(prefix="lionrock-bench-") as folder:
        log = make_log(plan, Path(folder), plan.size(8 * BATCH_ROWS, 1_000 * BATCH_ROWS))
        ways: dict[str, tuple[str, Callable[[], tuple[float, str]]]] = {
            "journal-off": ("no journal", log.off),
            "journal-fsync": (f"synced to the disk after each batch of {BATCH_ROWS}", log.on),
            "journal-threaded": ("its own thread syncs while the next batch is matched", lambda: log.on(THREADED)),
            "disk-alone": (f"{RECORD_BYTES:,} bytes appended and synced a batch, no engine", log.disk),
        }
        runs: dict[str, list[tuple[float, str]]] = {name: [] for name in ways}
        for turn in range(plan.runs):
            for name, (what, way) in ways.items():
                plan.progress(f"{what}, run {turn + 1} of {plan.runs}")
                runs[name].append(way())
    digest = one_digest("journal", [digest for results in runs.values() for _, digest in results if digest])
    return [_figure(log, name, ways[name][0], [rate for rate, _ in results], digest) for name, results in runs.items()]


def _figure(log: Log, name: str, what: str, rates: list[float], digest: str) -> Measurement:
    workload = f"synthetic flow, {len(log.commands):,} commands in batches of {BATCH_ROWS}: {what}"
    return Measurement(
        name, round(max(rates)), "commands/s", workload, log.seed, digest, note=best_of(rates, "commands/s")
    )


def journal_replay(plan: Plan) -> list[Measurement]:
    """A journal read, verified (checksum, chain, numbering) and applied: what recovery does."""
    with tempfile.TemporaryDirectory(prefix="lionrock-bench-") as folder:
        plan.progress("writing a journal")
        log = make_log(plan, Path(folder), plan.size(8 * BATCH_ROWS, 2_000 * BATCH_ROWS))
        written = Path(folder) / "written"
        _, digest = log.run(Engine.create(written, Mode.RESEARCH, options=JournalOptions(Durability.NONE)))
        rates = []
        for turn in range(plan.runs):
            plan.progress(f"replaying it, run {turn + 1} of {plan.runs}")
            engine = Engine(host.create(VENUE, Mode.RESEARCH))
            begun = time.perf_counter()
            host.replay(JournalReader(written), engine)
            rates.append(len(log.commands) / (time.perf_counter() - begun))
            one_digest("journal replay", [digest, engine.digest()])
    return [_figure(log, "journal-replay", "a journal read, verified and applied", rates, digest)]
