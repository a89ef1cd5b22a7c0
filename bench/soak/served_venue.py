"""The venue of a soak: a `lionrock serve` that is started, killed, stopped and started again, and what it uses."""

import asyncio
import json
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import engine
from bench.lifetime import end_with_parent
from bench.measurement import BenchError
from bench.venue_process import set_up
from gateway import config as settings
from gateway.office.bootstrap import Trader

DEPOSIT_MICROS = 10**14
INDEX = {"BTC_USDC-PERPETUAL": 60_000, "ETH_USDC-PERPETUAL": 3_000}
START_SECONDS = 600
STOP_SECONDS = 120
MEGABYTE = 1 << 20
CHILDREN = {"snapshot_process": "snapshot", "scrub_process": "scrub", "surveillance": "surveillance"}
"""What a child's command line has, and how it is called in the figures."""


@dataclass
class Life:
    """One run of the venue's process. Times are seconds since the soak began."""

    begun_s: float
    sequence: int
    start_s: float
    """How long it took from the beginning of its process until it listened."""
    replayed: int = 0
    previous_end: str = ""
    phases: dict[str, float] = field(default_factory=dict)
    ended_s: float = 0.0
    end: str = ""


class ServedVenue:
    """The process. Settings that are not given are the shipped ones."""

    def __init__(self, folder: Path, given: dict[str, str]) -> None:
        self.data = folder / "lionrock-data"
        self.lives: list[Life] = []
        self.begun_ns = time.monotonic_ns()
        self.port = self.operations_port = 0
        self.excused_until = 0.0
        """Until this instant of the monotonic clock nothing is held against the venue: the load itself stood still."""
        self._given = given
        self._log = folder / "venue.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where its websockets are; the port stays over a restart."""
        return f"ws://127.0.0.1:{self.port}/ws/api/v2"

    @property
    def config(self) -> settings.Config:
        """Its settings."""
        given = {name: int(value) if value.isdigit() else value for name, value in self._given.items()}
        return settings.load(None, {}, {"data": str(self.data)} | given)

    @property
    def pid(self) -> int:
        """The process that runs, 0 when none does."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else 0

    @property
    def is_serving(self) -> bool:
        """Whether it listens, and nobody has begun to end it."""
        return bool(self.pid and self.lives and not self.lives[-1].end)

    @property
    def seconds(self) -> float:
        """Since the soak began."""
        return (time.monotonic_ns() - self.begun_ns) / 1e9

    def set_up(self, names: list[str]) -> dict[str, Trader]:
        """A new folder with the shipped contracts and funded traders."""
        return dict(zip(names, set_up(self.config, names, DEPOSIT_MICROS), strict=True))

    async def start(self) -> Life:
        """Start the process and wait until it listens. BenchError with its last words when it does not."""
        begun = self.seconds
        flags = ["--data", str(self.data), "--port", str(self.port), "--operations-port", str(self.operations_port)]
        index = ",".join(f"{name}={price}" for name, price in INDEX.items())
        root = str(Path(engine.__file__).parents[1])
        paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {f"LIONROCK_{name.upper()}": value for name, value in self._given.items()}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway.cli", "serve", "--json", "--scripted-index", index, *flags,
                stdout=asyncio.subprocess.PIPE, stderr=log, env=os.environ | {"PYTHONPATH": paths} | environment,
                preexec_fn=end_with_parent,
            )  # fmt: skip
        assert self._process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = await self._process.stdout.readline()
        if not line:
            raise BenchError(f"the venue did not start: {self.last_words()}")
        said = json.loads(line)
        self.port, self.operations_port = said["port"], said["operations_port"]
        life = Life(
            begun, said["sequence"], self.seconds - begun, said["replayed"], said["previous_end"], said["seconds"]
        )
        self.lives.append(life)
        return life

    async def kill(self) -> None:
        """End it as a crash does."""
        await self._end(signal.SIGKILL, "kill -9")

    async def stop(self) -> None:
        """Stop it in order. BenchError when it does not end with 0 in time."""
        await self._end(signal.SIGTERM, "SIGTERM")
        assert self._process is not None
        if self._process.returncode != 0:
            raise BenchError(f"the venue stopped with {self._process.returncode}: {self.last_words()}")

    async def _end(self, number: signal.Signals, how: str) -> None:
        process, life = self._process, self.lives[-1]
        if process is None or process.returncode is not None:
            raise BenchError(f"the venue ended by itself: {self.last_words()}")
        life.ended_s, life.end = self.seconds, how
        process.send_signal(number)
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()

    def close(self) -> None:
        """End the process whatever state it is in."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def check(self) -> None:
        """BenchError when the process has ended by itself."""
        if self._process is not None and self._process.returncode is not None:
            raise BenchError(f"the venue ended by itself with {self._process.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        """The end of what it said on its error stream."""
        return " | ".join(self._log.read_text(errors="replace").splitlines()[-3:])



def allow_files(count: int = 4096) -> None:
    """Have the load open so many files, where the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def memory(pid: int) -> dict[str, float]:
    """`rss_mb` of a process, and the part that is its own (`anon_mb`); empty when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    found = {name: float(rest.split()[0]) / 1024 for name, _, rest in (line.partition(":") for line in lines)
             if name in ("VmRSS", "RssAnon")}  # fmt: skip
    return {"rss_mb": found.get("VmRSS", 0.0), "anon_mb": found.get("RssAnon", 0.0)}


def children(pid: int) -> dict[str, float]:
    """The resident memory of a process's children in MB, by what they do."""
    found: dict[str, float] = {}
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in tasks.read_text().split():
                with suppress(OSError):
                    line = Path(f"/proc/{child}/cmdline").read_bytes().decode(errors="replace")
                    name = next((name for word, name in CHILDREN.items() if word in line), "other")
                    found[name] = found.get(name, 0.0) + memory(int(child)).get("rss_mb", 0.0)
    return found


def disk_use(data: Path) -> dict[str, float]:
    """What the folder's parts take on disk, in MB."""
    found = {"journal_mb": 0.0, "snapshots_mb": 0.0, "archive_mb": 0.0, "history_mb": 0.0, "other_mb": 0.0}
    for path in data.rglob("*"):
        with suppress(OSError):
            if path.is_file():
                place = path.relative_to(data).parts[0]
                part = "journal" if place == "journal" else "archive" if place == "archive" else "other"
                if path.name.startswith(("snapshot-", "projection-")):
                    part = "snapshots"
                elif path.name.startswith("history.db"):
                    part = "history"
                found[f"{part}_mb"] += path.stat().st_blocks * 512 / MEGABYTE
    return found


def parse_metrics(text: str) -> dict[str, float]:
    """Figures of a page of metrics by name, with the labels as they are written."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith(("lionrock_", "process_")))
    return {name.removeprefix("lionrock_"): float(value) for name, _, value in lines}


async def get(port: int, path: str, headers: str = "") -> tuple[int, bytes]:
    """One HTTP request of its own connection: (status, body)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: venue\r\nConnection: close\r\n{headers}\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if not body:
        raise OSError("the connection was cut before the answer")
    return int(head.split(b" ", 2)[1]), body
