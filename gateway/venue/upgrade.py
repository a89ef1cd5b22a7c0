"""A data folder that an earlier release wrote, brought to what this one writes: after a checked copy of it was made.

Registry and alerts get their present tables. A snapshot or a read model of another layout is made anew from the
journal. A journal of another semantics version is refused and stays as it is: replayed by this release it would lead
to other balances than those that clients were told.
"""

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from engine import host
from gateway.clock import Accepted
from gateway.config import Config
from gateway.read_model.saved_rows import SavedRows, SavedRowsError
from gateway.registry import tables
from gateway.registry.database_copy import copy_database
from gateway.surveillance import store
from gateway.venue.backup import Choice, Taken, take
from gateway.venue.backup_check import Progress
from gateway.venue.recovery import projection_path, write_pair
from gateway.venue.venue import Venue

_OTHER_LOG = "nothing was changed; how a venue moves to this release: Another release, in gateway/venue/README.md"


class UpgradeError(ValueError):
    """A folder that cannot be upgraded: one line with the remedy. Nothing was changed."""


@dataclass(frozen=True)
class Upgraded:
    """What was brought up to date, one line each, and the backup that was made before; none when there was nothing."""

    changes: list[str]
    backup: Taken | None = None


def outdated(config: Config) -> list[str]:
    """What of a folder another release wrote, one line each. Nothing is changed. UpgradeError for another log."""
    if not host.holds_journal(config.journal):
        raise UpgradeError(f"{config.data}: no journal there; name the data folder of a venue")
    try:
        host.JournalReader(config.journal)
    except host.CorruptJournalError:
        raise
    except host.JournalError as error:
        raise UpgradeError(f"{error}; {_OTHER_LOG}") from None
    found = _old_tables(config.registry, tables.SCHEMA_VERSION)
    found += _old_tables(store.file_of(Path(config.data)), store.SCHEMA_VERSION)
    return found + _old_pair(config)


def upgrade(config: Config, backups: Path, accepted_time: Accepted, progress: Progress) -> Upgraded:
    """Bring a stopped venue's folder up to date, after a backup of it. Errors as of `take` and of a start."""
    changes = outdated(config)
    if host.is_written(config.journal):
        raise UpgradeError(f"{config.data}: a venue runs on it; stop it first")
    if not changes:
        return Upgraded(changes)
    backup = take(config, backups, Choice(), progress)

    def show(done: int, total: int) -> None:
        progress("bytes of the journal", done, total)

    venue = Venue(config, show, accepted_time=accepted_time)
    try:
        write_pair(venue.engine, venue.projection, Path(config.data))
    finally:
        venue.abandon()  # a stop in order writes to the log, and then time goes on: orders would end
    left = outdated(config)
    if left:
        raise UpgradeError(f"{left[0]}: still so after an upgrade; restore {backup.folder}, and report it")
    return Upgraded(changes, backup)


def _old_tables(path: Path, version: int) -> list[str]:
    """A line when a database's tables are of an earlier version; one of a later version is an error."""
    if not path.exists():
        return []
    with tempfile.TemporaryDirectory(prefix="lionrock-upgrade-") as temporary:
        copy = Path(temporary) / path.name
        copy_database(path, copy)
        with closing(sqlite3.connect(copy)) as db:
            of_file = int(db.execute("PRAGMA user_version").fetchone()[0])
    if of_file > version:
        raise UpgradeError(f"{path}: tables of version {of_file}, this release has {version}; use the later release")
    return [f"{path.name}: tables of version {of_file} become version {version}"] if of_file < version else []


def _old_pair(config: Config) -> list[str]:
    """A line when the newest snapshot, or its read model, is not what this release reads."""
    seqs = [int(path.stem.removeprefix("snapshot-")) for path in config.journal.glob("snapshot-*.state")]
    newest = max(seqs, default=None)
    if newest is None:
        return []
    if newest not in host.retention.sound_snapshots(config.journal):
        return [f"the snapshot at {newest}: of another layout, or damaged; made anew from the journal"]
    try:
        SavedRows(projection_path(Path(config.data), newest))
    except SavedRowsError:
        return [f"the read model at {newest}: of another layout, missing or damaged; made anew from the journal"]
    return []
