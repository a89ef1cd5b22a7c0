"""Starts the venue on a disk that a crash left, and says which promise is broken, if one is.

The start must not refuse. All that was told before the crash is there: the log has every answered command, the registry
every account, key and change. The state is the one that the recorded log leads to at its sequence, history's rows are
those of the log, each once. Then the venue trades on: each change of the registry is in the log exactly once.
"""

import contextlib
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from engine import host
from engine.codes import CommandKind
from engine.schema import DIRECTIVE
from gateway.read_model.event_fold import ORDER_KIND, TRADE_KIND
from gateway.read_model.history import History
from gateway.read_model.history_store import Own
from gateway.read_model.projection import Projection
from gateway.registry.registry import RegistryError
from gateway.venue.venue import Venue
from tests.crash import story
from tests.crash.images import Image
from tests.crash.recorded import Call
from tests.many_starts import quick_starts

REFUSALS = (host.JournalError, RegistryError)


@contextlib.contextmanager
def silent_starts() -> Iterator[None]:
    """A start is quick, has the story's small segments of history, and says nothing."""
    log = logging.getLogger("lionrock")
    with contextlib.ExitStack() as stack:
        stack.callback(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL + 1)
        stack.enter_context(story.small_segments())
        stack.enter_context(quick_starts())
        yield


class Expected:
    """What the recorded log leads to: by sequence, the state's digest and where history ends."""

    def __init__(self, journal: Path) -> None:
        engine = host.Engine(host.create())
        self.history = History()
        projection = Projection(host.RING_ROWS, story.SETTINGS["report_rows"], self.history)
        self.digests = {0: engine.digest()}
        self.history_ends = {0: 0}
        for commands in host.JournalReader(journal).batches():
            engine.feed(commands, projection.replay)
            self.digests[engine.last_seq] = engine.digest()
            self.history_ends[engine.last_seq] = self.history.end
        self.rows = np.concatenate([segment.legs[: segment.used] for segment in self.history.segments])

    @property
    def last_seq(self) -> int:
        """Where the recorded log ends."""
        return max(self.digests)


def told_at(calls: list[Call], point: int, before: dict[str, Any] | None = None) -> dict[str, Any]:
    """What had been told when so many calls were done."""
    told: dict[str, Any] = dict(before or {"seq": 0})
    for call in calls[:point]:
        if call.path.name == story.TOLD and call.kind == "write":
            told |= json.loads(call.data)
    return told


class Starts:
    """Starts on images, in a folder in memory."""

    def __init__(self, recorded: Path, expected: Expected) -> None:
        shared = Path("/dev/shm")
        self.folder = Path(mkdtemp(prefix="lionrock-crash-", dir=shared if shared.is_dir() else None))
        self._recorded, self._expected = recorded, expected

    def close(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def lay(self, image: Image) -> None:
        """Write an image's files, and nothing else."""
        data = self.folder / "venue"
        if data.exists():
            left = Path(mkdtemp(dir=self.folder))
            data.rename(left)
            shutil.rmtree(left, ignore_errors=True)  # a thread of the start before may still write
        data.mkdir(mode=0o700)
        for path, content in image.files.items():
            target = self.folder / path.relative_to(self._recorded)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            target.write_bytes(content)

    def check(self, image: Image, told: dict[str, Any]) -> str:
        """The promise that a start on an image breaks; empty when it keeps all."""
        self.lay(image)
        config = story.config(self.folder)
        try:
            venue = Venue(config)
        except REFUSALS as error:
            return f"refused: {error}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        try:
            return self._wrong(venue, told) or self._goes_on_wrong(venue)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        finally:
            venue.abandon()

    def _wrong(self, venue: Venue, told: dict[str, Any]) -> str:
        seq, expected = venue.engine.last_seq, self._expected
        if seq < told["seq"]:
            return f"commands {seq + 1} to {told['seq']} were answered and are lost"
        if venue.engine.digest() != expected.digests.get(seq):
            return f"at sequence {seq} the state is not the one of the log"
        if venue.projection.applied_seq != seq or venue.history.end != expected.history_ends[seq]:
            return f"at sequence {seq} the read model has {venue.projection.applied_seq}, history {venue.history.end}"
        for account in range(2):
            wrong = self._wrong_rows(venue.history, account, expected.history_ends[seq])
            if wrong:
                return wrong
        return _wrong_registry(venue, told)

    def _wrong_rows(self, history: History, account: int, end: int) -> str:
        """Whether an account's ended orders and trades are those of the log, each once, in their order."""
        own, found = Own((ORDER_KIND, TRADE_KIND)), []
        for segment, places in history.own_parts(account, own, is_ascending=True):
            rows, at = segment.legs[places], segment.first + places
            if not np.array_equal(rows, self._expected.rows[at]):
                return f"history's rows of account {account} from place {at[0]} on are not those of the log"
            found += at.tolist()
        recorded = [
            place
            for segment, places in self._expected.history.own_parts(account, own, is_ascending=True)
            for place in (segment.first + places).tolist()
            if place < end
        ]
        if found != recorded:
            return f"history has {len(found)} rows of account {account}, the log {len(recorded)}"
        return ""

    def _goes_on_wrong(self, venue: Venue) -> str:
        """Start to trade: each change of the registry is in the log exactly once, and noted so."""
        venue.start()
        venue.engine.journal.sync()
        venue.sequencer.release()
        venue.tick()
        references: list[int] = []
        for commands in host.JournalReader(venue.config.journal).batches():
            rows = commands.view(DIRECTIVE)
            rows = rows[(rows["kind"] >= CommandKind.ACCOUNT_OPEN) & (rows["reference"] > 0)]
            references += rows["reference"].tolist()
        asked = venue.registry.last_reference()
        if references != list(range(1, asked + 1)):
            return f"the registry asked for changes 1 to {asked}, the log has {references}"
        if venue.registry.pending_intents():
            return "changes that the log holds are not noted as done"
        return "sweeps stay unfinished" if venue.registry.unfinished_sweeps() else ""


def _wrong_registry(venue: Venue, told: dict[str, Any]) -> str:
    registry = venue.registry
    lost = set(told.get("accounts", ())) - {account.name for account in registry.accounts()}
    if lost:
        return f"accounts {sorted(lost)} are lost"
    keys = {key.id: key.revoked_ns is not None for key in registry.keys()}  # noqa: SIM118
    for key, is_revoked in told.get("keys", {}).items():
        if key not in keys or keys[key] < is_revoked:
            return f"key {key} is lost, or its end is"
    if registry.last_reference() < told.get("reference", 0):
        return f"changes {registry.last_reference() + 1} to {told['reference']} are lost"
    return ""
