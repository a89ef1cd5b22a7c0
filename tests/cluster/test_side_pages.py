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
from gateway.cluster.messages import Author, SideMessage
from gateway.cluster.side_copy import SideCopy, SideError
from gateway.cluster.side_pages import SideFile

END = host.LogEnd(1, 2, 3, bytes(32))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "side.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, text)")
    return path


class Kept:
    """A copy on the disk, and the files that it has been as a whole."""

    def __init__(self, folder: Path) -> None:
        self.images: list[bytes] = []
        self.copy = SideCopy(folder / "side.copy", lambda path: self.images.append(path.read_bytes()))

    def take(self, sent: list[SideMessage]) -> list[bytes]:
        """The files that it has become by these messages."""
        before = len(self.images)
        for message in sent:
            self.copy.take(message)
        return self.images[before:]


def messages_of(file: SideFile, epoch: int = 1) -> list[SideMessage]:
    return [side_message(Author(epoch, "a"), END, change) for change in file.changes()]


def rows_in(image: bytes) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.deserialize(image)
        db.execute("PRAGMA journal_mode=MEMORY")
        return list(db.execute("SELECT * FROM rows ORDER BY number"))


def test_a_copy_follows_a_file_that_grows_changes_and_shrinks(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_pages, "SIDE_BYTES", 3 * 4096)
    file, kept, rolls = SideFile(database), Kept(database.parent), random.Random(1)
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        for step in range(12):
            for _ in range(rolls.choice((1, 60))):
                row = (rolls.randrange(500), "x" * rolls.randrange(900))
                db.execute("INSERT OR REPLACE INTO rows VALUES (?, ?)", row)
            if step == 8:
                db.execute("DELETE FROM rows WHERE number > 20")
                db.execute("VACUUM")
            (image,) = kept.take(messages_of(file))
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


def grown(database: Path, file: SideFile, epoch: int, count: int) -> list[SideMessage]:
    """The messages of a file that gets a row so many times."""
    found: list[SideMessage] = []
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        for _ in range(count):
            db.execute("INSERT INTO rows (text) VALUES (?)", ["x" * 3000])
            found += messages_of(file, epoch)
    return found


def test_what_does_not_follow_or_is_not_what_was_sent_is_refused(database: Path) -> None:
    first, second, third = grown(database, SideFile(database), 1, 3)
    kept = Kept(database.parent)
    assert kept.take([second, third]) == [] and not kept.copy.is_whole, "changes of a file that was never here"
    assert len(kept.take([first])) == 1
    with pytest.raises(SideError, match=r"version 3 of side\.db, epoch 1, does not follow version 1 of epoch 1"):
        kept.take([third])
    with pytest.raises(SideError, match="is not what a has"):
        kept.take([msgspec.structs.replace(second, digest=bytes(32))])
    (again,) = grown(database, SideFile(database), 2, 1)
    assert len(kept.take([again])) == 1 and kept.copy.version == (2, 1), "another process begins anew"


def test_what_comes_again_after_a_restart_changes_nothing(database: Path) -> None:
    sent = grown(database, SideFile(database), 1, 6)
    kept = Kept(database.parent)
    *_, last = kept.take(sent)
    again = Kept(database.parent)
    assert again.take(sent[2:]) == [] and again.copy.path.read_bytes() == last
    (newer,) = again.take(grown(database, SideFile(database), 2, 1))
    assert newer != last


def test_what_is_held_is_passed_on_once_also_after_a_restart(database: Path) -> None:
    sent = grown(database, SideFile(database), 1, 3)
    kept = Kept(database.parent)
    kept.copy.is_held = True
    assert kept.take(sent) == []
    again = Kept(database.parent)
    again.copy.is_held = True
    again.copy.release()
    assert again.images == [again.copy.path.read_bytes()]
    later = Kept(database.parent)
    later.copy.is_held = True
    later.copy.release()
    assert later.images == []


def test_a_version_in_parts_is_taken_whole_or_not_at_all(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_pages, "SIDE_BYTES", 4096)
    parts = grown(database, SideFile(database), 1, 1)
    assert len(parts) > 1
    kept = Kept(database.parent)
    assert kept.take(parts[:1]) == [] and kept.copy.is_partial
    kept.copy.forget_parts()
    assert kept.take(parts[1:]) == [] and not kept.copy.is_partial and not kept.copy.is_whole
    assert len(kept.take(parts)) == 1 and not kept.copy.is_partial
