"""Broken builds: one rule of the product is left out each, in memory, and the simulation has to find every one.

A break replaces text in the source of one function, compiles that and puts it in the function's place for a while.
"""

import contextlib
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Break:
    """A rule that is left out: in which function, and the text that stands for which."""

    name: str
    module: str
    function: str
    old: str
    new: str
    seed: int = 1
    steps: int = 1000

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


_WRITER, _VENUE, _SEQUENCER = "engine.journal.writer", "gateway.venue.venue", "gateway.venue.sequencer"
_FIRST_WRITE = "written = write(self._descriptor, parts, offset, flags)"
BREAKS = (
    Break("fsync skipped", _WRITER, "Journal._write", "self._written_seq, os.RWF_DSYNC)", "self._written_seq)"),
    Break(
        "answer before durable", _SEQUENCER, "Sequencer.release", "durable_seq = self.engine.durable_seq",
        "durable_seq = self.engine.last_seq",
    ),
    Break(
        "durable before the sync", _WRITER, "Journal._write_pending", "self._taken_seq = batches[-1][2]",
        "self._taken_seq = self.durable_seq = batches[-1][2]",
    ),
    Break(
        "answer released one batch early", _SEQUENCER, "Sequencer.close_turn",
        "self._outbox.append((self.engine.last_seq,", "self._outbox.append((self.engine.durable_seq,",
    ),
    Break(
        "file renamed before it is synced", "engine.disk", "write_atomically", "_disk.sync(descriptor)", "pass",
    ),
    Break(
        "name of a new file not synced", "engine.disk", "write_atomically", "_disk.sync_folder(path.parent)", "pass",
    ),
    Break(
        "failed sync swallowed", _WRITER, "Journal._write", "self._writer.sync()",
        "contextlib.suppress(OSError)(self._writer.sync)()",
    ),
    Break(
        "full disk ignored", _WRITER, "SegmentWriter._write_at", _FIRST_WRITE,
        f"try:\n        {_FIRST_WRITE}\n    except OSError:\n        written = size_bytes",
    ),
    Break(
        "short write taken for a whole one", _WRITER, "SegmentWriter._write_at", "while written < size_bytes",
        "while written < 0",
    ),
    Break(
        "segment reused", _WRITER, "SegmentWriter._rotate", "SegmentHeader(old.number + 1,",
        "SegmentHeader(old.number,",
    ),
    Break(
        "registry's change applied twice after a crash", _VENUE, "replayed_results",
        'rows["reference"] > 0', 'rows["reference"] > 1 << 40',
    ),
    Break(
        "double apply on resume", "gateway.client.private_channels", "PrivateChannels.resumed",
        "sequence > self._said[channel]", "sequence >= self._said[channel]",
    ),
    Break(
        "resume skips one", "gateway.sessions.methods.venue", "resume", "projection.reports_since(slot, after,",
        "projection.reports_since(slot, after + 1,",
    ),
    Break(
        "history row dropped at a restart", "gateway.read_model.projection", "Projection.load",
        "self._history.load(history)", "self._history.load(history[:-1])",
    ),
)  # fmt: skip
