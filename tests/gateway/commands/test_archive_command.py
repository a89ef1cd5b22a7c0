"""`lionrock archive`: what leaves the journal's folder, where it is then, and what is said of what is missing."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest

from engine import disk, host
from engine.codes import Mode
from engine.journal.lock import Lock
from gateway import cli
from gateway.config import Config
from gateway.venue import disk_space
from tests.test_archive import everything, journal  # noqa: F401 - a fixture
from tests.test_journal import flip
from tests.watched_disk import SmallDisk, WatchedDisk

PIECE = 1 << 11


@pytest.fixture
def said(capsys):
    """Runs the command with --json: its exit code, what it prints, its lines of error."""

    def run(*words):
        code = cli.main(["archive", *map(str, words), "--json"])
        told = capsys.readouterr()
        return code, json.loads(told.out) if told.out else None, told.err

    return run


def test_archive_list_verify_move_and_back(journal, said, tmp_path):  # noqa: F811
    data, before = journal.parent, everything(journal)
    code, facts, _ = said(data, "--keep", 2)
    assert code == 0 and facts["archived"] == [1, 2, 3] and 0 < facts["archive_bytes"] < facts["segment_bytes"]
    code, facts, _ = said(journal)
    assert code == 0 and facts["archived"] == [4, 5] and facts["needed_from"] == host.snapshot_seqs(journal)[-1] + 1
    code, facts, _ = said(data)
    assert code == 0 and facts["archived"] == []
    _, facts, _ = said(data, "--list")
    places = [row["in"] for row in facts["segments"]]
    assert places[:5] == ["archive"] * 5 and set(places[5:]) == {"journal"}
    spans = [(row["first_seq"], row["last_seq"]) for row in facts["segments"]]
    assert all(last + 1 == first for (_, last), (first, _) in pairwise(spans))
    code, facts, _ = said(data, "--verify")
    assert (code, facts["checked"], facts["problems"]) == (0, 5, [])
    away = tmp_path / "cold"
    code, facts, _ = said(data, "--to", away)
    assert code == 0 and facts["moved"] == [1, 2, 3, 4, 5]
    assert [row["in"] for row in said(data, "--list")[1]["segments"]][:5] == ["nowhere"] * 5
    code, facts, err = said(data, "--verify")
    assert code == 1 and "journal-00000005.log.zst: missing; put it back" in err
    engine = host.Engine.open(journal, Mode.RESEARCH)  # a start needs none of them
    engine.close()
    for path in away.iterdir():
        path.rename(data / "archive" / path.name)
    assert everything(journal) == before and said(data, "--verify")[0] == 0


def test_beside_a_running_venue_it_writes_and_removes_a_piece_at_a_time(journal, said, tmp_path, monkeypatch):  # noqa: F811
    pauses = []
    monkeypatch.setattr(disk, "PIECE_BYTES", PIECE)
    monkeypatch.setattr(disk_space, "pause", lambda: pauses.append(1))
    lock = Lock(journal)  # as a venue has it
    with disk.use(watched := WatchedDisk()):
        assert said(journal)[1]["archived"] == [1, 2, 3, 4, 5]
        assert watched.most_bytes == PIECE and watched.cut_files and len(pauses) > watched.cut_files
        watched.cut_files = 0
        assert said(journal, "--to", tmp_path / "cold")[1]["moved"] == [1, 2, 3, 4, 5]
        assert watched.most_bytes == PIECE and watched.cut_files
    lock.release()
    for path in (tmp_path / "cold").iterdir():
        path.rename(journal.parent / "archive" / path.name)
    assert said(journal, "--verify")[0] == 0


def test_beside_a_running_venue_it_leaves_half_of_the_reserve(journal, said, tmp_path):  # noqa: F811
    lock, small = Lock(journal), SmallDisk()
    small.free = Config().disk_reserve_bytes // 2 + 100
    with disk.use(small):
        code, _, err = said(journal)
        assert code == 2 and "half of disk_reserve_bytes, are the journal's; make room on this disk" in err
        lock.release()
        assert said(journal)[0] == 0, "nobody writes this journal"


def test_a_damaged_archive_is_named(journal, said):  # noqa: F811
    said(journal)
    flip(journal.parent / "archive" / "journal-00000002.log.zst", 900)
    code, facts, err = said(journal, "--verify")
    assert code == 1 and "journal-00000002.log.zst: corrupt" in err and facts["checked"] == 3


def test_what_is_refused(journal, said, tmp_path):  # noqa: F811
    code, _, err = said(tmp_path / "nowhere")
    assert code == 2 and "no journal there; name the data folder" in err
    for path in sorted(journal.glob("snapshot-*"))[:1]:
        path.unlink()
    code, _, err = said(journal)
    assert code == 2 and "1 sound snapshots, two are needed" in err
    with host.retention.retention_lock(journal):
        assert "another process writes a snapshot or archives" in said(journal)[2]
    assert not (journal.parent / "archive").exists()


def test_a_person_reads_tables(journal):  # noqa: F811
    def words(*flags):
        done = subprocess.run(
            [sys.executable, "-m", "gateway.cli", "archive", str(journal), *flags], capture_output=True, text=True
        )
        return done.stdout

    assert "archived       5: 1 to 5" in words()
    assert "archive_bytes" in words("--list")
