"""What the crash matrix found once, as small as it gets."""

import os
import sqlite3
import time

import pytest

from engine import disk, host
from gateway import clock
from gateway.read_model import history_file
from gateway.read_model.history_file import HistoryFile
from gateway.read_model.history_store import follow
from tests.gateway.socketless_venue import SocketlessVenue
from tests.recordings.data import compiled

LONGEST_SECONDS = 60


@compiled
def test_a_sweep_is_not_noted_before_its_intent(tmp_path):
    """The journal is durable, and a tick comes before the answers are released: the sweep's end is kept."""
    host.warm_up()
    made = SocketlessVenue(tmp_path, durability="fsync")
    venue, registry = made.venue, made.venue.registry
    until = time.monotonic() + LONGEST_SECONDS
    while venue._unmarked and time.monotonic() < until:
        made.sequencer.release()
        time.sleep(0.001)
    release, made.sequencer.release = made.sequencer.release, lambda: None
    key = registry.keys()[-1]
    registry.revoke_key(key.id, clock.wall_ns())
    assert registry.pending_intents()
    venue.submit_intents()
    venue.engine.journal.sync()
    venue.tick()
    made.sequencer.release = release
    release()
    venue.tick()
    assert not registry.pending_intents() and not registry.unfinished_sweeps()
    venue.abandon()


def test_a_new_file_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    """Whatever call of the disk fails; and one that is there is never changed."""
    path = tmp_path / "vault.key"
    for name, owner in (("sync", disk.SystemDisk), ("link", os)):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, lambda *_: (_ for _ in ()).throw(OSError("no")))
            with pytest.raises(OSError, match="no"):
                disk.write_new(path, b"secret")
        assert list(tmp_path.iterdir()) == []
    disk.write_new(path, b"secret")
    with pytest.raises(FileExistsError):
        disk.write_new(path, b"other")
    assert path.read_bytes() == b"secret" and list(tmp_path.iterdir()) == [path]


def test_a_history_that_is_being_made_has_no_rows_yet(tmp_path):
    """The process that writes snapshots may look between the making of the file and that of its tables."""
    path = tmp_path / "history.db"
    assert follow(path) is None
    path.touch()
    assert follow(path) is None
    HistoryFile(path, is_written=True).close()
    store = follow(path)
    assert store is not None and store.end == 0
    store.close()


def test_the_tables_of_a_history_are_made_all_or_none(tmp_path):
    """Whatever statement the making of the tables ends at, the next start makes them."""
    path = tmp_path / "history.db"
    statements = [statement for statement in history_file._SCHEMA.split(";") if statement.strip()]
    for done in range(len(statements)):
        db = sqlite3.connect(path, isolation_level=None)
        for statement in statements[:done]:
            db.execute(statement)
        db.close()  # in a transaction, as a killed process leaves it
        HistoryFile(path, is_written=True).close()
        path.unlink()
