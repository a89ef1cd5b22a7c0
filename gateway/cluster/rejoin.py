"""A node that led, and behind which another one leads now: what its journal has that the stream has not is cut away.

Nothing of it was acknowledged, unless the policy was `local`. It is kept, whole and readable, in a folder beside the
journal, with everything that was made from it: snapshots, read models, history, the registry. What stays is what the
stream has too, and the node follows from there. Where no command is cut, history and registry say nothing of it and
stay; the registry is copied, as it may have changes that never travelled.

An answer of the stream may be old, from a server that was cut off. So a cut needs more than an end that seems short:
that this folder wrote records of its own (`led_epochs`), and the stream shows the epoch of another node behind them.
All that the stream has of this folder's epoch stands before that one, so an older answer cannot make the cut larger.
Where nothing is noted, the stream has to show another record in the place of the one that is cut.

A process that ends in the midst does no harm: what is cut is moved first, and the journal's end last.
"""

import asyncio
import json
import logging
import os
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine import disk, host
from engine.codes import CommandKind
from engine.schema import COMMAND
from gateway import clock
from gateway.cluster import led_epochs
from gateway.cluster.follower import DivergenceError
from gateway.cluster.log_stream import Bounds, LogStream, Stored, StreamError
from gateway.cluster.messages import SEGMENT_HEADER_BYTES, Place
from gateway.cluster.standby import AHEAD_NS, PLACE, WAIT_SECONDS, note_place
from gateway.config import Config
from gateway.surveillance.store import file_of
from gateway.venue.recovery import projection_path
from gateway.wire.log_lines import event

FACTS = "fenced.json"
_LOG = logging.getLogger("lionrock.cluster")


class Cut(NamedTuple):
    """What was cut: where it is kept, the sequences, how many commands of each kind."""

    folder: Path
    first_seq: int
    last_seq: int
    commands: dict[str, int]

    @property
    def line(self) -> str:
        """For a person."""
        if not self.commands:
            return f"{self.folder}: the end of this node's journal was never in the stream; no command was in it"
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.commands.items())
        return (
            f"{self.folder}: sequences {self.first_seq} to {self.last_seq} of this node were never in the stream "
            f"({kinds}); they are kept there: lionrock verify {self.folder}"
        )

    def facts(self) -> dict[str, Any]:
        """For a program."""
        return {
            "folder": str(self.folder), "first_sequence": self.first_seq, "last_sequence": self.last_seq,
            "commands": self.commands,
        }  # fmt: skip


class _Known(NamedTuple):
    """A record of the own journal: the hash behind it, its last sequence, where it ends in its segment."""

    chain: bytes
    last_seq: int
    end: int


class _Journal:
    """The own journal's records by their place. One segment at a time is kept."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._segment = 0
        self._records: list[_Known] = []

    def at(self, place: Place) -> _Known | None:
        """The record at a place; None without one."""
        if place.segment != self._segment:
            self._segment, self._records, end = place.segment, [], SEGMENT_HEADER_BYTES
            with suppress(FileNotFoundError):
                for record in host.raw_records(self._directory, place.segment):
                    if record.segment != place.segment:
                        break
                    end += sum(map(len, record.parts[1:]))
                    self._records.append(_Known(record.chain, record.last_seq, end))
        return self._records[place.number] if place.number < len(self._records) else None


async def cut_unreplicated(stream: LogStream, config: Config) -> Cut | None:
    """Cut what this node's journal has and the stream has not, where another node has led since; None for nothing.

    The journal is not open. DivergenceError for a journal that has nothing in common with the stream. A stream that
    does not answer is waited for.
    """
    cut = await _cut_behind_common(stream, config) if host.holds_journal(config.journal) else None
    if cut is not None:
        _LOG.error("%s", cut.line, extra=event("fenced_tail", **cut.facts()))
    return cut


async def _cut_behind_common(stream: LogStream, config: Config) -> Cut | None:
    journal, data = config.journal, Path(config.data)
    with closing(_Locked(journal)):
        end, led = host.log_end(journal), led_epochs.read(data)
        last = await _last(stream, max((each.stream_seq for each in led or ()), default=0))
        if last is None or led_epochs.is_own(led, last.message.author, config.cluster.node_name):
            return None  # what this node wrote last is sent by its next start as the leader
        if not end.segment:
            led_epochs.clear(data)
            return None
        own = _Journal(journal)
        found = await _common(stream, own, Place(end.segment, end.number), last)
        if found is None:
            return None
        place = found.message.place
        known = own.at(place) if place.segment else None
        if known is None or known.chain != found.message.chain:
            raise DivergenceError(
                f"{journal}: it has no record in common with the stream: this is another venue's log; name an empty "
                "folder, or the venue of this log with --venue"
            )
        if place != (end.segment, end.number):
            if not led and (led is not None or last.message.place == place):
                return None  # it all came from the stream, or nothing shows yet that it did not
            _cut(config, place, known, last.message.author.epoch)
        if led or any(data.glob("fenced-*.part")):
            _note_common(data, found.seq)
        led_epochs.clear(data)
    return _finish(data)


def _note_common(data: Path, seq: int) -> None:
    """Note that this folder has the stream up to the first message at its journal's end: it goes on from there.

    Behind it the other node has sent the whole registry. A copy of before says nothing of what this node led.
    """
    for name in ("registry.copy", "registry.copy.version"):
        (data / name).unlink(missing_ok=True)
    note_place(data, seq)


class _Locked:
    """The journal's lock, so that no venue runs on it."""

    def __init__(self, journal: Path) -> None:
        self._lock = host.Lock(journal)

    def close(self) -> None:
        """Let another process have it."""
        self._lock.release()


# --- where the two part -----------------------------------------------------------------------------------------------


async def _last(stream: LogStream, known_seq: int) -> Stored | None:
    """The stream's last message, from somebody who has all up to a known one; None where nobody has in AHEAD_NS."""
    begun_ns = clock.steady_ns()
    while True:
        with suppress(StreamError):
            last = await stream.last()
            if last is None or last.seq >= known_seq:
                return last
            if clock.steady_ns() - begun_ns > AHEAD_NS:
                return None
        await asyncio.sleep(WAIT_SECONDS)


class _PurgedError(Exception):
    """A message that is looked at was purged meanwhile: the stream begins behind it."""


async def _bounds(stream: LogStream) -> Bounds:
    """What the stream has, however long it takes to find out."""
    while True:
        with suppress(StreamError):
            found = await stream.bounds()
            if found is not None:
                return found
        await asyncio.sleep(WAIT_SECONDS)


async def _get(stream: LogStream, seq: int) -> Stored:
    """A message, from a server that has it. _PurgedError when the stream begins behind it."""
    while True:
        with suppress(StreamError):
            found = await stream.get(seq)
            if found is not None:
                return found
            if (await _bounds(stream)).first_seq > seq:
                raise _PurgedError
        await asyncio.sleep(WAIT_SECONDS)


async def _common(stream: LogStream, own: _Journal, end: Place, last: Stored) -> Stored | None:
    """As `_common_of`; where the stream is purged meanwhile it is looked for again in what is left."""
    while True:
        with suppress(_PurgedError):
            return await _common_of(stream, own, end, last)


async def _common_of(stream: LogStream, own: _Journal, end: Place, last: Stored) -> Stored | None:
    """The first message that stands at the last record which both have; None where the stream begins behind the end.

    Where not even the first message is in the journal it is that one.

    The hash of a log is that of all before it, so what matches at one place matches before: it is looked for by halves,
    from the own end backwards, so that few segments are read.
    """
    first = (await _bounds(stream)).first_seq
    if first > last.seq:
        return None

    def matches(stored: Stored) -> bool:
        place = stored.message.place
        known = own.at(place) if place.segment else None
        return place.segment == 0 or (known is not None and known.chain == stored.message.chain)

    behind = await _first_at(stream, (first, last.seq), end)
    wrong, step = behind + 1, 1
    while (at := max(first, wrong - step)) < wrong and not matches(await _get(stream, at)):
        wrong, step = at, 2 * step
    if at == wrong:
        found = await _get(stream, first)
        return None if found.message.place > end else found
    while wrong - at > 1:
        middle = (at + wrong) // 2
        if matches(await _get(stream, middle)):
            at = middle
        else:
            wrong = middle
    place = (await _get(stream, at)).message.place
    return await _get(stream, await _first_at(stream, (first, at), place))


async def _first_at(stream: LogStream, between: tuple[int, int], place: Place) -> int:
    """The first of these messages that stands at this place or behind it; the last one when none does."""
    low, high = between
    while low < high:
        middle = (low + high) // 2
        if (await _get(stream, middle)).message.place < place:
            low = middle + 1
        else:
            high = middle
    return low


# --- cutting ----------------------------------------------------------------------------------------------------------


def _cut(config: Config, place: Place, known: _Known, epoch: int) -> None:
    """Move what lies behind a record into a folder of its own, then end the journal there."""
    folder, journal = Path(config.data), config.journal
    moving = next(iter(folder.glob(f"fenced-*-{known.last_seq + 1}.part")), None)  # of a run that ended in the midst
    if moving is None:
        moving = folder / f"fenced-{epoch}-{known.last_seq + 1}.part"
    disk.current().make_folder(moving)
    disk.current().make_folder(moving / journal.name)
    cut = _counted_cut(moving, journal, place, known)
    for path in _made_from(config, known.last_seq, bool(cut.commands)):
        _move(path, moving / path.relative_to(folder))
    if not cut.commands:
        for path in folder.glob(f"{config.registry.name}*"):
            disk.write_atomically(moving / path.name, [disk.read(path)])
    segments = sorted(journal.glob("journal-*.log"))
    for path in segments:
        if _number(path) < place.segment:
            _link(path, moving / journal.name / path.name)
        elif _number(path) == place.segment:
            disk.write_atomically(moving / journal.name / path.name, [disk.read(path)])
    if not (moving / FACTS).exists():  # else a run has noted it that may have moved some of it since
        disk.write_atomically(moving / FACTS, [json.dumps({"epoch": epoch, **cut.facts()}).encode()])
    for path in reversed(segments):
        if _number(path) > place.segment:
            _move(path, moving / journal.name / path.name)
    disk.current().sync_folder(folder)
    disk.current().sync_folder(journal)
    _truncate(next(path for path in segments if _number(path) == place.segment), known.end)


def _noted_cut(moving: Path) -> Cut | None:
    """What is cut, as it was noted before any of it was moved."""
    if not (moving / FACTS).exists():
        return None
    noted = json.loads(disk.read(moving / FACTS))
    return Cut(moving.with_suffix(""), noted["first_sequence"], noted["last_sequence"], noted["commands"])


def _counted_cut(moving: Path, journal: Path, place: Place, known: _Known) -> Cut:
    """What lies behind a record."""
    kinds: Counter[str] = Counter()
    last_seq = known.last_seq
    for record in host.raw_records(journal, place.segment):
        if (record.segment, record.number) > place:
            rows = np.frombuffer(record.parts[2], COMMAND)
            kinds.update(CommandKind(kind).name.lower() for kind in rows["kind"].tolist())
            last_seq = max(last_seq, record.last_seq)
    return Cut(moving.with_suffix(""), known.last_seq + 1, last_seq, dict(sorted(kinds.items())))


def _made_from(config: Config, seq: int, has_commands: bool) -> list[Path]:
    """The files that say something of commands behind a sequence, and of the registry as this node had it.

    Without commands there is nothing that history could have of them, and the registry is the one of this log.
    """
    folder, journal = Path(config.data), config.journal
    found = [host.tip_path(journal), folder / PLACE, folder / "registry.copy", folder / "registry.copy.version"]
    snapshots = {each: path for path in journal.glob("snapshot-*.state") if (each := _number(path)) > seq}
    found += [*snapshots.values(), *(projection_path(folder, each) for each in snapshots)]
    found += [path for path in folder.glob("projection-*.rows") if _number(path) > seq and path not in found]
    for name in (config.registry.name, config.history.name) if has_commands else ():
        found += sorted(folder.glob(f"{name}*"))
    if _last_alert(file_of(folder)) > seq:
        found += sorted(folder.glob(f"{file_of(folder).name}*"))
    return [path for path in found if path.exists()]


def _last_alert(path: Path) -> int:
    """The last sequence that an alert is about."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as alerts, suppress(sqlite3.OperationalError):  # it may have no table yet
        return int(alerts.execute("SELECT coalesce(max(last_seq), 0) FROM alerts").fetchone()[0])
    return 0


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _move(path: Path, target: Path) -> None:
    disk.current().make_folder(target.parent)
    disk.current().rename(path, target)


def _link(path: Path, target: Path) -> None:
    """The same file in the folder that is kept too, so that the whole journal can be verified there."""
    with suppress(FileExistsError):
        target.hardlink_to(path)


def _truncate(path: Path, size_bytes: int) -> None:
    using = disk.current()
    descriptor = using.open(path, os.O_WRONLY)
    try:
        using.truncate(descriptor, size_bytes)
        using.sync(descriptor)
    finally:
        using.close(descriptor)
    using.sync_folder(path.parent)


def _finish(folder: Path) -> Cut | None:
    """Once the journal is cut, the folder with all that was cut gets its name: what that was, None for nothing.

    Also one of a run that ended in the midst, after it had cut the journal.
    """
    cut = None
    for moving in folder.glob("fenced-*.part"):
        noted = _noted_cut(moving)
        if noted is not None:
            disk.current().rename(moving, noted.folder)
            disk.current().sync_folder(folder)
            cut = noted
    return cut
