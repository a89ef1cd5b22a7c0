"""How long a venue takes from the start of its process until it listens, phase by phase, against a large data folder.

The folder is left as a crash leaves it, and as a stop in order does; `lionrock serve` is started on copies of both, in
turns. The files are in the system's cache, as they are when a process ends and the next one begins.
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import engine
from bench.attacked_venue import resident_bytes
from bench.gateway_load import cpu_seconds
from bench.large_venue import FULL, SMALL, Size, made
from bench.lifetime import end_with_parent
from bench.measurement import BenchError, Measurement, Plan, best_of
from gateway.surveillance.parameters import SILENT

RUNS = 5
STOP_SECONDS = 120


@dataclass
class Starts:
    """The starts after one kind of end: seconds of each, and what the quickest said of itself."""

    name: str
    folder: Path
    seconds: list[float] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)

    def run(self, scratch: Path) -> None:
        """Start on a copy once more."""
        with _copied(self.folder, scratch) as copy:
            found = started(copy, scratch)
        if not self.seconds or found["start_seconds"] < min(self.seconds):
            self.said = found
        self.seconds.append(found["start_seconds"])

    def measurement(self, size: Size, seed: int) -> Measurement:
        """The quickest, with its phases."""
        said = self.said
        workload = (
            f"{size.accounts:,} accounts, {size.resting:,} resting orders, {said['sequence']:,} commands since the "
            f"venue began, {said['replayed']:,} of them behind the last snapshot; from the process's start until it "
            "listens"
        )
        phases = ", ".join(f"{name} {value:.2f}" for name, value in said["seconds"].items())
        used = f"{said['cpu_seconds']:.2f} s of processor time, {said['resident_bytes'] / 1e6:,.0f} MB resident"
        note = f"{best_of(self.seconds, 's')}; {phases}; {used}"
        return Measurement(self.name, round(min(self.seconds), 2), "s", workload, seed, "", note=note)


@contextmanager
def _copied(folder: Path, scratch: Path) -> Iterator[Path]:
    """A copy of a data folder for one start; it is on the disk, so that nothing else is written meanwhile."""
    copy = scratch / "copy"
    shutil.copytree(folder, copy)
    os.sync()
    try:
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _environment(scratch: Path) -> dict[str, str]:
    """What an installed venue has: its modules are translated once and kept. It writes no snapshot by itself."""
    settings = {"SNAPSHOT_COMMANDS": "0", "SNAPSHOT_SECONDS": "0"} | {
        f"SURVEILLANCE_{name.upper()}": str(value) for name, value in asdict(SILENT).items()
    }
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    kept["PYTHONPYCACHEPREFIX"] = str(scratch / "bytecode")
    return kept | {f"LIONROCK_{name}": value for name, value in settings.items()}


def started(data: Path, scratch: Path, end: signal.Signals = signal.SIGKILL) -> dict[str, Any]:
    """What a started venue says of itself, with `start_seconds`, seen from outside; it is ended by a signal then."""
    words = ["serve", "--json", "--data", str(data), "--port", "0", "--operations-port", "0", "--durability", "fsync"]
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *words], stdout=subprocess.PIPE, cwd=Path(engine.__file__).parents[1],
        env=_environment(scratch), preexec_fn=end_with_parent,
    )  # fmt: skip
    try:
        line: Any = process.stdout.readline() if process.stdout else b""
        seconds = time.perf_counter() - begun
        if not line:
            raise BenchError("the started venue failed")
        used = {"cpu_seconds": cpu_seconds(process.pid), "resident_bytes": resident_bytes(process.pid)}
        process.send_signal(end)
        process.wait(STOP_SECONDS)
    finally:
        process.kill()
        process.wait()
    return json.loads(line) | {"start_seconds": seconds} | used


def restart(plan: Plan, kept: Path | None = None, runs: int = 1) -> list[Measurement]:
    """So many starts after a crash and after a stop in order; each begins from a copy of the same folder."""
    size = FULL if plan.full else SMALL
    with tempfile.TemporaryDirectory(prefix="lionrock-bench-", dir=kept.parent if kept else None) as name:
        scratch = Path(name)
        folder = kept or scratch / "data"
        if not folder.exists():
            made(folder, plan)
        plan.progress("two starts that do not count, one killed and one stopped in order")
        crashed, stopped = scratch / "crashed", scratch / "stopped"
        shutil.copytree(folder, crashed)
        started(crashed, scratch)  # its tip is as near to the log's end as that of a venue that is killed
        shutil.copytree(crashed, stopped)
        started(stopped, scratch, signal.SIGTERM)
        kinds = [Starts("restart-crash", crashed), Starts("restart-stop", stopped)]
        for turn in range(runs):
            plan.progress(f"starts {turn + 1} of {runs}")
            for kind in kinds:
                kind.run(scratch)
    return [kind.measurement(size, plan.seed) for kind in kinds]


def main() -> int:
    """Measure and print; `python -m bench.restart --help` says how."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.restart", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python -m bench.restart\n  python -m bench.restart --full --folder /tmp/large --json",
    )  # fmt: skip
    parser.add_argument("--full", action="store_true", help="the size of the figures in bench/README.md; takes long")
    parser.add_argument("--folder", type=Path, help="the data folder to start on: made there when it is missing")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"starts of each kind (default: {RUNS})")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what was started is ended
    args = parser.parse_args()
    plan = Plan(args.full, progress=lambda text: print(text, file=sys.stderr))
    for figure in restart(plan, args.folder, args.runs):
        told = f"{figure.name}: {figure.value} s; {figure.workload}\n{figure.note}"
        print(json.dumps(figure.as_json()) if args.json else told)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
