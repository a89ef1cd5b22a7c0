"""A side file goes by its changed pages, and is the same file at the other end; anything else is refused."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from engine import host
from gateway.cluster import side_pages
from gateway.cluster.beginning import side_message
from gateway.cluster.messages import Author, MessageError, SideMessage
from gateway.cluster.side_pages import SideCopy, SideFile

END = host.LogEnd(1, 2, 3, bytes(32))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "side.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, text)")
    return path


def messages_of(file: SideFile) -> list[SideMessage]:
    return [side_message(Author(1, "a"), END, change) for change in file.changes()]


def taken(copy: SideCopy, sent: list[SideMessage]) -> bytes | None:
    *before, last = [copy.take(message) for message in sent]
    assert not any(before)
    return last


def rows_in(image: bytes) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.deserialize(image)
        db.execute("PRAGMA journal_mode=MEMORY")
        return list(db.execute("SELECT * FROM rows ORDER BY number"))


def test_a_copy_follows_a_file_that_grows_changes_and_shrinks(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_pages, "SIDE_BYTES", 3 * 4096)
    file, copy, rolls = SideFile(database), SideCopy(), random.Random(1)
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        for step in range(12):
            for _ in range(rolls.choice((1, 60))):
                row = (rolls.randrange(500), "x" * rolls.randrange(900))
                db.execute("INSERT OR REPLACE INTO rows VALUES (?, ?)", row)
            if step == 8:
                db.execute("DELETE FROM rows WHERE number > 20")
                db.execute("VACUUM")
            image = taken(copy, messages_of(file))
            assert image is not None
            changed = bytearray(image)
            changed[18:20] = b"\1\1"  # not in WAL mode: a database in memory has none
            assert rows_in(bytes(changed)) == list(db.execute("SELECT * FROM rows ORDER BY number"))


def test_only_what_has_changed_is_sent(database: Path) -> None:
    file = SideFile(database)
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.executemany("INSERT INTO rows VALUES (?, ?)", [(number, "x" * 900) for number in range(200)])
        assert len(messages_of(file)[0].pages) > 40
        assert messages_of(file) == []
        db.execute("UPDATE rows SET text = 'y' WHERE number = 100")
        (sent,) = messages_of(file)
    assert 1 <= len(sent.pages) <= 3 and sent.version == 2


def test_what_does_not_follow_or_is_not_what_was_sent_is_refused(database: Path) -> None:
    file, copy = SideFile(database), SideCopy()
    (first,) = messages_of(file)
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("INSERT INTO rows VALUES (1, 'x')")
    (second,) = messages_of(file)
    with pytest.raises(MessageError, match="part 0 of version 2 does not follow"):
        copy.take(second)
    assert copy.take(first)
    with pytest.raises(MessageError, match="version 2 is not what was sent"):
        copy.take(msgspec.structs.replace(second, digest=bytes(32)))
    again = SideCopy()
    assert again.take(first) and again.take(second)
    assert again.take(first), "another process begins anew"
