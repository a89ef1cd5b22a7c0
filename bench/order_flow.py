"""Order flow through the matching engine: the five workloads of a public benchmark, and generated flow."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from bench.engine_runner import Rows, Timing, market, read, synthetic
from bench.measurement import BenchError, Measurement, Plan, SkippedError, best_of, one_digest, percentiles
from engine.recordings import open_recording
from engine.recordings.batches import ContractSpec
from engine.recordings.report_stream import ReportStream

DATA = Path(__file__).parents[2] / "shared" / "data"
HASHES = "reports.sha256"
FULL = ("static", "normal", "swing-25", "swing-40", "flash-crash")
SMALL = tuple(f"{kind}_seed{seed}_count5000" for kind in ("normal", "static", "swing-40") for seed in (1, 2))
SOURCE = "https://github.com/flash1-dev/matching-engine-benchmark"
"""Where the recorded workloads come from; its LICENSE is the MIT License."""
_TO_MAKE_FULL = (
    "to make them, build its generator there and run for each NAME: ./generator NAME NAME.bin; xz NAME.bin; and once: "
    "cp reference/correctness_hash.txt reports.sha256; then move the files to that folder"
)
_TO_MAKE_SMALL = "the small ones are not published with their reports; use --size full, whose files can be made"


@dataclass(frozen=True)
class Workload:
    """Commands for one market, and the SHA-256 of the report stream that they must give, if that is known."""

    name: str
    spec: ContractSpec
    commands: Rows
    sequences: Rows | None = None
    reports: str = ""

    def run(self) -> tuple[Timing, str]:
        """Through a new state: the time, and the digest."""
        runner, first_seq = market(self.spec)
        self.commands["seq"] += first_seq - self.commands["seq"][0]
        return runner.apply(self.commands), runner.digest()

    def prove(self) -> None:
        """Run it once with its reports. BenchError when they are not what they must be."""
        if self.sequences is None:
            return
        out, digest = io.BytesIO(), hashlib.sha256()
        stream, sequences = ReportStream(out), self.sequences
        runner, first_seq = market(self.spec)
        self.commands["seq"] += first_seq - self.commands["seq"][0]

        def write(start: int, events: Rows) -> None:
            stop = start + runner.batch_rows
            stream.write(self.commands[start:stop], sequences[start:stop], events)
            digest.update(out.getvalue())
            out.seek(0)
            out.truncate()

        runner.apply(self.commands, write)
        stream.finish()
        digest.update(out.getvalue())
        if digest.hexdigest() != self.reports:
            raise BenchError(f"{self.name}: the report stream's SHA-256 is {digest.hexdigest()}, not {self.reports}")


def flash1(plan: Plan) -> list[Measurement]:
    """The recorded workloads; each one's report stream is checked before its time counts."""
    return _measure(plan, flash1_workloads(plan), None, "; the report stream's SHA-256 is the published one")


def synthetic_flow(plan: Plan) -> list[Measurement]:
    """Generated flow of a seed."""
    return _measure(plan, [synthetic_workload(plan)], plan.seed, "")


def flash1_workloads(plan: Plan) -> list[Workload]:
    """The recorded workloads with what their reports must be; what is missing is told.

    SkippedError when none of the recordings is there.
    """
    folder = DATA / ("flash1" if plan.full else "flash1_small")
    names = FULL if plan.full else SMALL
    missing = {name: _missing(folder, name, plan) for name in names}
    there = [name for name in names if not missing[name]]
    if len(there) < len(names):
        files = dict.fromkeys(file for lacking in missing.values() for file in lacking)
        remedy = _TO_MAKE_FULL if plan.full else _TO_MAKE_SMALL
        said = f"not in {folder}: {', '.join(files)}. They are from {SOURCE} (MIT License); {remedy}"
        if not there:
            raise SkippedError(said)
        plan.notice(said)
    return [_flash1(folder, name, plan) for name in there]


def _missing(folder: Path, name: str, plan: Plan) -> list[str]:
    """What of a recorded workload is not in its folder: files, or its line in the list of hashes."""
    files = [f"{name}.bin.xz", HASHES] if plan.full else [f"{name}.csv", f"{name}_reports.txt"]
    missing = [file for file in files if not (folder / file).exists()]
    if plan.full and HASHES not in missing and not _published(folder, name):
        missing.append(f"{name} in {HASHES}")
    return missing


def _published(folder: Path, name: str) -> str:
    """The SHA-256 of a workload's report stream in the benchmark's own list; empty where the list has it not."""
    lines = (folder / HASHES).read_text().splitlines()
    return next((line.split()[0] for line in lines if f" {name}_" in line), "")


def synthetic_workload(plan: Plan) -> Workload:
    """Generated flow of the plan's seed."""
    count = plan.size(20_000, 2_000_000)
    reader, commands = synthetic(plan.seed, count)
    _in_order(commands)
    return Workload(f"synthetic:{plan.seed}:{count}", reader.contract, commands)


def _flash1(folder: Path, name: str, plan: Plan) -> Workload:
    plan.progress(f"reading {name}")
    reader = open_recording(folder / f"{name}.{'bin.xz' if plan.full else 'csv'}", "flash1")
    commands, sequences = read(reader)
    _in_order(commands)
    if plan.full:
        wanted = _published(folder, name)
    else:
        wanted = hashlib.sha256((folder / f"{name}_reports.txt").read_bytes()).hexdigest()
    return Workload(f"flash1 {name}", reader.contract, commands, sequences, wanted)


def _in_order(commands: Rows) -> None:
    commands["seq"] = range(1, len(commands) + 1)


def _measure(plan: Plan, workloads: list[Workload], seed: int | None, proof: str) -> list[Measurement]:
    for workload in workloads:
        plan.progress(f"checking {workload.name}")
        workload.prove()
    runs: list[list[tuple[Timing, str]]] = [[] for _ in workloads]
    for turn in range(plan.runs):
        for results, workload in zip(runs, workloads, strict=True):
            plan.progress(f"{workload.name}, run {turn + 1} of {plan.runs}")
            results.append(workload.run())
    return [_figure(*pair, seed, proof) for pair in zip(workloads, runs, strict=True)]


def _figure(workload: Workload, runs: list[tuple[Timing, str]], seed: int | None, proof: str) -> Measurement:
    best = max((timing for timing, _ in runs), key=lambda timing: timing.rate)
    return Measurement(
        name=workload.name.replace(" ", "-").split(":")[0],
        value=round(best.rate),
        unit="messages/s",
        workload=f"{workload.name}, {len(workload.commands):,} messages in batches of 512, events written, no journal",
        seed=seed,
        digest=one_digest(workload.name, [digest for _, digest in runs]),
        percentiles={f"{name}_ns": value for name, value in percentiles(best.command_ns).items()},
        note=best_of([timing.rate for timing, _ in runs], "messages/s") + proof,
    )
