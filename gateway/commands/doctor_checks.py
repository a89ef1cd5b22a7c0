"""What `lionrock doctor` looks at: the machine, the settings, and a data folder, without changing any of it.

Each check gives findings: what was found, and what to do where it is not well. The registry is looked at in a copy,
because opening one brings it to the release's own version.
"""

import http.client
import json
import os
import resource
import secrets
import shutil
import sqlite3
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from engine import disk, host
from gateway import clock
from gateway.commands.verify import verify
from gateway.config import Config
from gateway.registry.database_copy import copy_database
from gateway.registry.errors import RegistryError
from gateway.registry.registry import Registry
from gateway.registry.vault import Vault
from gateway.venue.side_files import readable_by_others

OK, WARNING, FAILED = "ok", "warning", "failed"
SYNCS = 32
SYNC_BYTES = 4096
SLOW_SYNC_MS, UNFIT_SYNC_MS = 5.0, 50.0
"""The median of a sync: a warning above the first, no disk for a venue above the second."""
RESERVED_DESCRIPTORS = 128
"""What a venue opens beside its connections: journal, registry, snapshots, feeds, libraries."""
RECOMMENDED_CORES = 2
MEMORY_BYTES = 4 << 30
SEGMENTS_FREE = 4
OLD_KEY_DAYS, CERTIFICATE_DAYS = 365, 14
CLOCK_AHEAD_S = 1.0
REPLAYED_COMMANDS = 5_000_000
"""A start that has to replay more takes many seconds."""
NS_PER_DAY = 86_400 * 1_000_000_000
_TIMEOUT_S = 3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    state: str
    found: str
    remedy: str = ""


Progress = Callable[[int, int], None]
Findings = Iterator[Finding]


def machine(config: Config) -> Findings:
    """Cores, memory, descriptors, and the data folder's disk."""
    cores = len(os.sched_getaffinity(0))
    yield _judged("cores", cores >= RECOMMENDED_CORES, f"{cores} cores",
                  f"give it {RECOMMENDED_CORES}: one for trading, one for the journal and the rules")
    free_bytes = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    total_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield _judged("memory", total_bytes >= MEMORY_BYTES, f"{total_bytes >> 20} MiB, {free_bytes >> 20} MiB unused",
                  f"a venue wants {MEMORY_BYTES >> 20} MiB")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.max_connections + RESERVED_DESCRIPTORS
    is_enough = hard == resource.RLIM_INFINITY or hard >= wanted
    yield _judged("descriptors", is_enough, f"a process may open {hard}, max_connections {config.max_connections}",
                  f"set LimitNOFILE to {wanted} (ulimit -Hn), or lower max_connections", FAILED)
    yield from _disk(config)


def _disk(config: Config) -> Findings:
    folder = _existing(Path(config.data))
    free_bytes, wanted = shutil.disk_usage(folder).free, SEGMENTS_FREE * config.segment_bytes
    yield _judged("disk space", free_bytes >= wanted, f"{free_bytes >> 20} MiB free at {folder}",
                  f"make room: {SEGMENTS_FREE} journal segments are {wanted >> 20} MiB")
    try:
        median_ms, worst_ms = sync_times_ms(folder)
    except OSError as error:
        remedy = "run it as the user that the venue runs as, on a disk that can be written"
        yield Finding("disk sync", FAILED, f"{folder}: {error.strerror}", remedy)
        return
    state = OK if median_ms <= SLOW_SYNC_MS else WARNING if median_ms <= UNFIT_SYNC_MS else FAILED
    remedy = "an order waits so long for its answer; use an SSD with protection against power loss, no network disk"
    yield Finding("disk sync", state, f"median {median_ms:.2f} ms, worst of {SYNCS} {worst_ms:.2f} ms",
                  "" if state == OK else remedy)


def sync_times_ms(folder: Path) -> tuple[float, float]:
    """(median, worst) of how long this folder's disk takes to sync a small write. OSError when it cannot be written."""
    path = folder / f".doctor-{secrets.token_hex(8)}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, disk.FILE_MODE)
    try:
        times = []
        for place in range(SYNCS):
            begun = time.perf_counter()
            os.pwrite(descriptor, bytes(SYNC_BYTES), place * SYNC_BYTES)
            os.fdatasync(descriptor)
            times.append((time.perf_counter() - begun) * 1000)
    finally:
        os.close(descriptor)
        path.unlink()
    return sorted(times)[SYNCS // 2], max(times)


def files(config: Config) -> Findings:
    """Who may read what, the certificate, and the registry with the vault's key."""
    folder = Path(config.data)
    if not folder.is_dir():
        yield Finding("data folder", OK, f"{folder} is not there yet: a start makes a new venue")
        return
    keys = [Path(config.tls_key)] if config.tls_key else []
    warning, _, remedy = readable_by_others(folder, keys).partition("; ")
    yield Finding("permissions", WARNING if warning else OK, warning or "its owner's alone", remedy)
    if config.tls_certificate:
        yield _certificate(Path(config.tls_certificate))
    if config.registry.exists():
        yield from _registry(config)


def _certificate(path: Path) -> Finding:
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return Finding("certificate", FAILED, f"{path}: {error}", "name a PEM certificate that can be read")
    days = (found.not_valid_after_utc - datetime.fromtimestamp(clock.wall_ns() / 1e9, UTC)).days
    state = FAILED if days < 0 else WARNING if days < CERTIFICATE_DAYS else OK
    return Finding("certificate", state, f"{path}: {days} days left", "" if state == OK else "renew it, then restart")


def _registry(config: Config) -> Findings:
    with tempfile.TemporaryDirectory(prefix="lionrock-doctor-") as temporary:
        place = Path(temporary)
        try:
            copy_database(config.registry, place / "registry.db")
            if config.vault.exists():
                shutil.copy(config.vault, place)
            registry = Registry(place / "registry.db")
            with closing(registry):
                Vault(place / config.vault.name, registry)
                yield Finding("registry", OK, f"{len(registry.accounts())} accounts, whole, and of this vault.key")
                yield _keys(registry)
        except (RegistryError, sqlite3.Error, OSError) as error:
            said, _, remedy = str(error).replace(str(place), config.data).partition("; ")
            yield Finding("registry", FAILED, said, remedy or "restore the data folder from a backup")


def _keys(registry: Registry) -> Finding:
    now_ns = clock.wall_ns()
    live = [key for key in registry.keys() if key.revoked_ns is None]  # noqa: SIM118 - it is no mapping
    old = [key for key in live if now_ns - key.created_ns > OLD_KEY_DAYS * NS_PER_DAY]
    officers = sum(key.is_officers for key in old)
    found = f"{len(live)} in use, {len(old)} of them older than {OLD_KEY_DAYS} days, {officers} of those officers'"
    remedy = "issue new ones and revoke the old: lionrock key list, lionrock key create, lionrock key revoke"
    return Finding("keys", WARNING if old else OK, found, remedy if old else "")


def journal(config: Config, progress: Progress, is_running: bool) -> Findings:
    """Every byte of journal and snapshots, how much a start would replay, and the clock against the log."""
    if not host.holds_journal(config.journal):
        return
    try:
        found = verify(config.journal, False, progress)
    except (host.JournalError, OSError) as error:
        said, _, remedy = str(error).partition("; ")
        yield Finding("journal", FAILED, said, remedy or "restore the data folder from a backup")
        return
    is_well = not found.problem or (found.torn and is_running)  # what a running venue writes now may look torn
    told = f"{found.commands} commands, {found.bytes_checked >> 20} MiB" if is_well else found.problem
    remedy = "the next start cuts it" if found.torn else "copy the folder as it is, then restore a backup"
    yield Finding("journal", OK if is_well else WARNING if found.torn else FAILED, told, "" if is_well else remedy)
    replayed = found.commands - max(found.snapshots, default=0)
    yield _judged("snapshot", replayed <= REPLAYED_COMMANDS, f"a start would replay {replayed} commands",
                  "stop the venue cleanly once, which writes a snapshot")
    yield _clock(config)


def _clock(config: Config) -> Finding:
    newest_s = max(path.stat().st_mtime for path in config.journal.iterdir())
    ahead_s = newest_s - clock.wall_ns() / 1e9
    return _judged("clock", ahead_s <= CLOCK_AHEAD_S, f"the log was last written {max(-ahead_s, 0):.0f} s ago"
                   if ahead_s <= CLOCK_AHEAD_S else f"the log was written {ahead_s:.0f} s after what is now",
                   "set this machine's clock (NTP) before the venue starts: time in the log never goes back", FAILED)


def running(config: Config) -> tuple[bool, Finding]:
    """Whether a venue answers at the operations listener, and what it says of itself."""
    port = config.operations_port or config.port + 1
    connection: http.client.HTTPConnection
    if config.tls_certificate:
        context = ssl._create_unverified_context()  # the certificate is for the public name, and nothing secret is sent
        connection = http.client.HTTPSConnection(config.operations_host, port, timeout=_TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(config.operations_host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        content = json.loads(connection.getresponse().read())
        is_ready, reasons = bool(content["ready"]), content["reasons"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False, Finding("venue", OK, f"none answers at {config.operations_host}:{port}")
    finally:
        connection.close()
    if is_ready:
        return True, Finding("venue", OK, f"takes orders, at {config.operations_host}:{port}")
    found = "; ".join(f"{reason['reason']}: {reason['cause']}" for reason in reasons)
    return True, Finding("venue", WARNING, found, "; ".join(reason["remedy"] for reason in reasons))


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())


def _judged(check: str, is_well: bool, found: str, remedy: str, otherwise: str = WARNING) -> Finding:
    return Finding(check, OK if is_well else otherwise, found, "" if is_well else remedy)
