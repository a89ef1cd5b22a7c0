"""Broken builds: one rule of the product is left out each, in memory, and the simulation has to find every one.

A break replaces text in the source of one function, compiles that and puts it in the function's place for a while.
"""

import contextlib
import inspect
import json
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.simulation import world
from tests.simulation.world import Genesis


@dataclass(frozen=True)
class Break:
    """A rule that is left out: in which function, and the text that stands for which."""

    name: str
    module: str
    function: str
    old: str
    new: str

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The product is broken as long as this lasts. ValueError when the text is not there any more."""
        owner: Any = import_module(self.module)
        *path, last = self.function.split(".")
        for part in path:
            owner = getattr(owner, part)
        found = inspect.getattr_static(owner, last)
        function = found.fget if isinstance(found, property) else inspect.unwrap(getattr(found, "__func__", found))
        source = textwrap.dedent(inspect.getsource(function))
        if source.count(self.old) != 1:
            raise ValueError(f"{self.name}: {self.module}.{self.function} has {source.count(self.old)} x {self.old!r}")
        names: dict[str, Any] = {}
        exec(compile("from __future__ import annotations\n" + source.replace(self.old, self.new), self.name, "exec"),
             function.__globals__, names)  # fmt: skip
        setattr(owner, last, names[last])
        try:
            yield
        finally:
            setattr(owner, last, found)


STEPS = 600
"""How many steps of a seed a broken build is looked for in."""
FOUND_BY = Path(__file__).with_name("found_by.json")
"""The seed that found each, when they were all looked for the last time."""


def search(genesis: Genesis, broken: Break, seeds: Iterable[int]) -> tuple[int, str] | None:
    """The first seed that finds a broken build, and the promise that is broken; None when none does."""
    with broken.in_place():
        for seed in seeds:
            violation = world.run(genesis, seed, world.steps_of(seed, STEPS)).violation
            if violation:
                return seed, violation
    return None


def found_by() -> dict[str, int]:
    """The seeds that were recorded."""
    found: dict[str, int] = json.loads(FOUND_BY.read_text())
    return found


_WRITER, _VENUE, _SEQUENCER = "engine.journal.writer", "gateway.venue.venue", "gateway.venue.sequencer"
_FIRST_WRITE = "written = write(self._descriptor, parts, offset, flags)"
BREAKS = (
    Break("fsync skipped", _WRITER, "Journal._write", "self._written_seq, os.RWF_DSYNC)", "self._written_seq)"),
    Break(
        "answer before durable",
        _SEQUENCER,
        "Sequencer.release",
        "released_seq = self._released_to.seq",
        "released_seq = self.engine.last_seq",
    ),
    Break(
        "durable before the sync",
        _WRITER,
        "Journal._write_pending",
        "self._taken_seq = batches[-1][2]",
        "self._taken_seq = self.durable_seq = batches[-1][2]",
    ),
    Break(
        "answer released one batch early",
        _SEQUENCER,
        "Sequencer.close_turn",
        "self._outbox.append((self.engine.last_seq,",
        "self._outbox.append((self.engine.durable_seq,",
    ),
    Break(
        "file renamed before it is synced",
        "engine.disk",
        "write_atomically",
        "_disk.sync(descriptor)",
        "pass",
    ),
    Break(
        "name of a new file not synced",
        "engine.disk",
        "write_atomically",
        "_disk.sync_folder(path.parent)",
        "pass",
    ),
    Break(
        "name of a killed writer's segment not synced",
        _WRITER,
        "SegmentWriter.__init__",
        "self._disk.sync_folder(directory)",
        "pass",
    ),
    Break(
        "failed sync swallowed",
        _WRITER,
        "Journal._write_pending",
        "self._fail(error)\n        raise self._refusal() from error",
        "pass",
    ),
    Break(
        "full disk ignored",
        _WRITER,
        "SegmentWriter._write_at",
        _FIRST_WRITE,
        f"try:\n        {_FIRST_WRITE}\n    except OSError:\n        written = size_bytes",
    ),
    Break(
        "short write taken for a whole one",
        _WRITER,
        "SegmentWriter._write_at",
        "while written < size_bytes",
        "while written < 0",
    ),
    Break(
        "segment reused",
        _WRITER,
        "SegmentWriter._rotate",
        "SegmentHeader(old.number + 1,",
        "SegmentHeader(old.number,",
    ),
    Break(
        "registry's change applied twice after a crash",
        "gateway.venue.recovery",
        "replayed_results",
        'rows["reference"] > 0',
        'rows["reference"] > 1 << 40',
    ),
    Break(
        "double apply on resume",
        "gateway.client.private_channels",
        "PrivateChannels.resumed",
        "sequence > self._said[channel]",
        "sequence >= self._said[channel]",
    ),
    Break(
        "resume skips the last one",
        "gateway.read_model.reports",
        "Reports.since",
        "_later(self._segments, account_slot, after), (after, until), count)",
        "_later(self._segments, account_slot, after), (after, until - 1), count)",
    ),
    Break(
        "history row dropped at a restart",
        "gateway.read_model.projection",
        "Projection.load",
        "part.load(*rows)",
        "part.load(rows[0], rows[1][:-1]) if part is self.history else part.load(*rows)",
    ),
    Break(
        "tip too early",
        _WRITER,
        "Journal._write_pending",
        "self._taken_seq = batches[-1][2]",
        "self._taken_seq = batches[-1][2]; self._durable_tip = self._durable_tip._replace(seq=self._taken_seq)",
    ),
    Break("tip not written at a clean stop", _WRITER, "Journal._stop", "self._write_tip(End.CLOSED)", "pass"),
    Break(
        "tip ignored at a start",
        "engine.host",
        "begin_reading",
        "reader.expect([*_snapshot_proofs(directory), *expected.proofs])",
        "reader.accept_end()",
    ),
    Break(
        "durable record cut as a torn tail",
        "engine.journal.reader",
        "JournalReader._is_end",
        "if self.position.next_seq <= self.proven_seq or was_durable(data, offset, self.position.next_seq):",
        "if False:",
    ),
    Break(
        "snapshot a command late",
        "engine.host",
        "write_snapshot",
        'seq, mode = int(root["last_seq"][0]),',
        'seq, mode = int(root["last_seq"][0]) - 1,',
    ),
    Break(
        "change noted before it is durable",
        _VENUE,
        "Venue.submit_intents",
        "self.sequencer.close_turn(partial(self._mark, results))",
        "self.registry.mark_applied(results); self.sequencer.close_turn(partial(self._mark, results))",
    ),
    Break(
        "cancel on disconnect forgotten",
        "gateway.sessions.session",
        "Session.lost",
        "if self.key is None or not self.signer.connection:",
        "if True:",
    ),
    Break(
        "limit on the wall clock",
        "gateway.net.websocket_input",
        "WebsocketInput._take",
        "    steady_ns = clock.steady_ns()\n    if steady_ns",
        "    steady_ns = clock.wall_ns()\n    if steady_ns",
    ),
    Break(
        "jump of the clock in the log",
        "gateway.clock",
        "VenueTime.follow",
        "(0 if self.is_doubtful else max(-reach, min(reach, away)))",
        "max(0, away)",
    ),
    Break(
        "cancel on disconnect forgotten after a crash",
        _VENUE,
        "Venue._cancel_for_lost",
        "list(self.projection.switches.connections.values())",
        "[]",
    ),
    Break(
        "read-only venue shows what is not durable",
        "gateway.venue.read_only",
        "ReadOnlyVenue._open_engine",
        "self._failure.durable_seq",
        "1 << 60",
    ),
    Break(
        "segment leaves without its archive",
        "engine.journal.retention",
        "archive_segment",
        "archive or write_archive(source, folder, following, pace)",
        "archive",
    ),
    Break(
        "row of history goes to disk twice",
        "gateway.read_model.history_store",
        "WrittenStore._write",
        "self._end + len(self._tail) - 1",
        "self._end + len(self._tail) - 2",
    ),
)
