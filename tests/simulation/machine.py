"""The machine that a simulated venue runs on: boots it, has it go on, kills it, and takes its power away.

The venue is `gateway.net.server.Server`, unchanged. What it would ask of the real machine is asked of virtual parts:
time, the event loop, threads, the process beside it, the disk, random bytes. The registry and the history are real
SQLite files on a file system in memory: what is committed there is durable at once, as `synchronous=FULL` promises of a
real disk.
"""

import contextlib
import ctypes
import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numba.np.numpy_support
from numpy._core import multiarray

import engine.journal.tip
import engine.journal.writer
import gateway.net.loop_turns
import gateway.net.server
import gateway.net.websocket_connection
import gateway.read_model.account_index
import gateway.read_model.history
import gateway.read_model.history_file
import gateway.read_model.history_store
import gateway.registry.authentication
import gateway.registry.vault
import gateway.surveillance.supervisor
import gateway.venue.beside_venue
import gateway.venue.gateway_log_writer
import gateway.venue.snapshot_process
from engine import disk, host
from gateway import clock
from gateway.config import Config
from gateway.net.server import Server, clear_frames
from gateway.registry import row_checks
from gateway.registry.registry import RegistryError
from gateway.surveillance.parameters import SILENT
from gateway.venue.read_only import DiskFailure
from tests.simulation import virtual_time
from tests.simulation.network import Link
from tests.simulation.virtual_disk import VirtualDisk
from tests.simulation.virtual_process import Subprocess

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_REAL_DISK = disk.current()
UNLIMITED = 10**8
BLOCK_ROWS, SEGMENT_ROWS = 8, 32
"""Of the history: so small that it goes to disk within a short run."""
SMALL_GROUP_ROWS = 8
"""Groups of more rows are left to the journal's thread: few, so that it has much to do here too."""
REFUSALS = (host.JournalError, RegistryError)
"""How a start says that it must not go on."""


def prepare_process() -> None:
    """Once in a process: large arrays cost nothing until they are touched, and types are found once."""
    allocator = ctypes.CDLL(None)
    allocator.mallopt(_MMAP_THRESHOLD, 5 << 19)
    allocator.mallopt(_TRIM_THRESHOLD, 1 << 28)  # files that are copied take memory that is there already
    multiarray._set_madvise_hugepage(False)
    numba.np.numpy_support.from_dtype = cache(numba.np.numpy_support.from_dtype)
    host.warm_up()


class _NoLock:
    """In place of the lock of a journal's folder: there is one process, and it is dead before another begins."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)

    def release(self) -> None:
        return None


def random_bytes(chance: Random) -> Any:
    """In place of the module `secrets`."""
    return SimpleNamespace(token_bytes=chance.randbytes, token_hex=lambda size: chance.randbytes(size).hex())


class _NoListener:
    """In place of a listener on a port: links come from the simulation."""

    port = 1

    def __init__(self, *_: object) -> None:
        return None

    async def start(self, *_: object) -> None:
        return None

    def stop(self) -> None:
        return None

    close = stop


class Image:
    """A data folder as it lies on a disk: what a machine begins with."""

    def __init__(self, disk: VirtualDisk, files: dict[str, bytes]) -> None:
        self.disk, self.files = disk, files

    def moved(self, old: Path, new: Path) -> "Image":
        """The same as it lies in another folder."""
        return Image(self.disk.copy(Random(0), lambda path: new / path.relative_to(old)), self.files)


class Machine:
    """One machine with one data folder. `server` is the venue that runs, None while none does."""

    def __init__(self, config: Config, chance: Random, image: Image | None = None) -> None:
        folder = Path(config.data)
        self.chance = chance
        self.folder = folder
        self.clock = virtual_time.Clock()
        self.disk = VirtualDisk(chance) if image is None else image.disk.copy(chance)
        self.config = config
        self.server: Server | None = None
        self.links: list[Link] = []
        self._threads = virtual_time.Threads(self.clock)
        self.loop = virtual_time.Loop(self.clock)
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True, mode=0o700)
        for name, data in (image.files if image else {}).items():
            (folder / name).write_bytes(data)

    # --- life ---------------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start the venue. One of REFUSALS when it will not; PowerLost when the power goes meanwhile."""
        self._threads = virtual_time.Threads(self.clock)
        self.loop = virtual_time.Loop(self.clock)
        self.disk.before_sync = self._threads.pause
        with self.running():
            server = Server(self.config)
            self.server = server
            virtual_time.driven(server.start(), lambda: None)

    def serve_read_only(self, failure: DiskFailure) -> None:
        """Go on as a process whose disk has failed: it answers questions. JournalError, OSError: not even that."""
        server = self._running_server()
        with self.running():
            virtual_time.driven(server.abandon(), self._let_go_on)
            self.server = Server(self.config, failure=failure)
            virtual_time.driven(self.server.start(), lambda: None)

    @property
    def is_read_only(self) -> bool:
        """Whether a venue runs that takes no commands."""
        return self.server is not None and not self.server.venue.takes_commands

    def stop(self) -> None:
        """Stop the venue in order: all threads end."""
        server = self._running_server()
        with self.running():
            virtual_time.driven(server.stop(), self._let_go_on)
        self._forget()

    def kill(self) -> None:
        """The process ends at once; the operating system goes on."""
        self._forget()

    def lose_power(self) -> None:
        """The machine stops: of what was not synced, chance keeps what it likes."""
        self._forget()
        self.disk.lose_power()

    def image(self) -> Image:
        """What a stopped machine's disk has."""
        return Image(self.disk.copy(Random(0)), self.files())

    def files(self) -> dict[str, bytes]:
        """The real files of a stopped machine, by name."""
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir()) if path.is_file()}

    def _forget(self) -> None:
        with self.running():  # what a thread still closes is a file of this machine's disk
            self._threads.end()
        self.disk.kill()
        server, self.server, self.links = self.server, None, []
        if server is not None:
            with contextlib.suppress(sqlite3.Error):
                server.venue.registry.close()
            server.venue.history.abandon()
            server.venue.sequencer.abandon()
            self._let_go_of_failures(server)

    def _let_go_of_failures(self, server: Server) -> None:
        """A failure that is kept must not keep the venue that failed."""
        if server.failed.done():
            clear_frames(server.failed.exception())
        if server.venue.engine.journal is not None:
            clear_frames(server.venue.engine.journal.failure)

    def _running_server(self) -> Server:
        assert self.server is not None, "no venue runs"
        return self.server

    # --- going on -----------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """One turn of the venue's loop."""
        with self.running():
            self.loop.turn()

    def run_thread(self, place: int) -> bool:
        """Let one of the venue's threads go on to where it waits next; False when none can."""
        with self.running():
            return self._threads.run_some(place)

    def connect(self, peer: str) -> Link:
        """A new link to the venue."""
        with self.running():
            link = Link(self._running_server(), peer)
        self.links.append(link)
        return link

    @property
    def failure(self) -> BaseException | None:
        """Why the venue that runs must stop; None while it need not."""
        failed = self._running_server().failed
        return failed.exception() if failed.done() else None

    def settle(self) -> None:
        """Turns and threads until nothing more happens by itself."""
        for _ in range(1000):
            moved = self.loop.is_busy
            if moved:
                self.turn()
            while self.run_thread(0):
                moved = True
            if not moved:
                return
        raise RuntimeError("the venue never comes to rest")

    def _let_go_on(self) -> None:
        self.clock.move(5_000_000)
        self.loop.turn()
        self._threads.run_some(0)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The venue's code runs on this machine meanwhile."""
        with disk.use(self.disk):
            yield

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """This machine stands where the venue looks for the real one, as long as this lasts."""
        with contextlib.ExitStack() as stack:
            for target, name, value in self._replaced():
                stack.enter_context(patch.object(target, name, value))
            yield

    def _replaced(self) -> Iterator[tuple[Any, str, Any]]:
        time = self.clock.as_time()
        yield clock, "wall_ns", self.clock.wall_ns
        yield clock, "steady_ns", self.clock.steady_ns
        yield engine.journal.writer, "time", time
        yield engine.journal.writer, "take_precedence", lambda: False  # its thread is this one
        yield engine.journal.writer, "SMALL_GROUP_ROWS", SMALL_GROUP_ROWS
        for module in (engine.journal.writer, engine.journal.tip, gateway.read_model.history_store):
            yield module, "threading", _Late(lambda: self._threads.module())
        yield from self._replaced_for_history(time)
        yield row_checks, "damage", lambda *_: ""  # real files are never damaged here: other tests do that
        yield gateway.venue.beside_venue, "subprocess", _Late(lambda: Subprocess(self._threads))
        for module in (gateway.venue.beside_venue, gateway.venue.snapshot_process):
            yield module, "time", _Late(lambda: self._threads)
        for module in (gateway.net.loop_turns, gateway.net.server):
            yield module, "time", time
            yield module, "asyncio", _Late(lambda: virtual_time.asyncio_of(self.loop))
        yield gateway.net.websocket_connection, "time", time
        yield gateway.surveillance.supervisor, "monotonic", time.monotonic
        yield gateway.venue.gateway_log_writer, "ThreadPoolExecutor", lambda *_: virtual_time.Executor(self._threads)
        for module in (gateway.registry.authentication, gateway.registry.vault):
            yield module, "secrets", random_bytes(self.chance)
        allocate = host.allocate
        yield host, "allocate", lambda huge_pages: allocate(False)
        yield host, "warm_up", lambda *_: None
        yield logging.getLogger("lionrock"), "level", logging.CRITICAL + 1
        yield host, "Lock", _NoLock
        yield gateway.net.server, "Listener", _NoListener

    def _replaced_for_history(self, time: Any) -> Iterator[tuple[Any, str, Any]]:
        yield gateway.read_model.history_store, "time", time
        on_the_real_disk = SimpleNamespace(current=lambda: _REAL_DISK)
        for module in (gateway.read_model.history_file, gateway.read_model.history_store):
            yield module, "disk", on_the_real_disk
        for module in (
            gateway.read_model.history_file,
            gateway.read_model.history_store,
            gateway.read_model.account_index,
        ):
            yield module, "BLOCK_ROWS", BLOCK_ROWS
        yield gateway.read_model.history, "BLOCK_ROWS", BLOCK_ROWS
        yield gateway.read_model.history, "SEGMENT_ROWS", SEGMENT_ROWS


class _Late:
    """A module that is another one after each boot."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)


def moved(config: Config, folder: Path) -> Config:
    """The same settings for another folder."""
    return replace(config, data=str(folder))


def config_of(folder: Path, **settings: Any) -> Config:
    """The settings of a simulated venue: small, with its limits out of reach."""
    return Config(
        data=str(folder), port=0, durability="fsync", orders_per_s=UNLIMITED, orders_burst=UNLIMITED,
        cancels_per_s=UNLIMITED, cancels_burst=UNLIMITED, queries_per_s=UNLIMITED, queries_burst=UNLIMITED,
        surveillance=SILENT, batch_rows=256, report_rows=1 << 14, segment_bytes=1 << 14,
        scrub_hours=0, **{"history_rows": 0, "snapshot_commands": 0, "snapshot_seconds": 0} | settings,
    )  # fmt: skip


def new_folder() -> Path:
    """A folder in memory for what is a real file: the registry, the vault, the gateway's log."""
    shared = Path("/dev/shm")
    return Path(mkdtemp(prefix="lionrock-simulation-", dir=shared if shared.is_dir() else None))
