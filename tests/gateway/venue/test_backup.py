"""Backups of a venue that trades meanwhile, and what is restored from them; what is refused, and changes nothing."""

import json
import os
import shutil
import stat
import threading
from pathlib import Path

import pytest

from engine import disk, host
from engine.codes import CommandKind
from gateway import cli, clock
from gateway.config import Config
from gateway.registry import database_copy
from gateway.registry.registry import Intent, Registry, RegistryError
from gateway.venue import backup, disk_space, restore
from gateway.venue.backup import Choice, take
from gateway.venue.backup_files import MANIFEST, BackupError
from gateway.venue.venue import Venue
from tests.gateway.bit_flips import DataFolder
from tests.gateway.socketless_venue import SocketlessVenue, buy
from tests.recordings.data import compiled
from tests.watched_disk import SmallDisk, WatchedDisk

pytestmark = compiled
ROOT = Path(__file__).parents[3]
PIECE = 1 << 14


def quiet(what, done, total):
    pass


def taken(config, target, **choice):
    return take(config, target, Choice(**choice), quiet)


def restored(backup_folder, data):
    restore.restore(restore.chosen(backup_folder), data, None, False, quiet)
    return Config(data=str(data))


def trade(made, first, count):
    for number in range(first, first + count):
        made.send([buy(number, price=19_000 + number % 90)], who=number % 2)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def deposit(registry, amount_micros=1_000_000):
    registry.add_intents(
        [Intent(CommandKind.DEPOSIT, account_slot=0, amount_micros=amount_micros, note="wire 9")], clock.wall_ns()
    )


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A stopped venue that has everything, with a backup."""
    folder = tmp_path_factory.mktemp("backup")
    made = DataFolder(folder / "venue")
    return made, taken(made.config, folder / "backups"), folder


def test_a_venue_that_trades_is_backed_up_and_the_copy_starts_where_it_says(tmp_path):
    made = SocketlessVenue(tmp_path / "venue", segment_bytes=1 << 16)
    config, failures, found, over = made.venue.config, [], [], threading.Event()
    trade(made, 0, 600)  # some whole segments, which the backups share

    def back_up():
        try:
            while len(found) < 3 and not failures:
                found.append(taken(config, tmp_path / "backups"))
        except Exception as error:
            failures.append(error)
        finally:
            over.set()

    thread = threading.Thread(target=back_up)
    thread.start()
    other, number = Registry(config.registry), 600
    while not over.is_set():
        trade(made, number, 20)
        number += 20
        deposit(other)
        made.venue.tick()
    thread.join()
    other.close()
    assert not failures, failures
    made.venue.settle()
    made.venue.engine.journal.sync()
    digest, last_seq = made.venue.engine.digest(), made.venue.engine.last_seq
    still = taken(config, tmp_path / "backups")
    assert made.venue.engine.last_seq == last_seq
    made.venue.close()
    sequences = [one.manifest.sequence for one in [*found, still]]
    assert sequences == sorted(sequences) and sequences[-1] == last_seq
    for place, one in enumerate([*found, still]):
        again = Venue(restored(one.folder, tmp_path / f"restored-{place}"))
        assert again.engine.last_seq == one.manifest.sequence
        again.start()
        again.close()
    assert still.linked_bytes > 0
    state = Venue(restored(still.folder, tmp_path / "last"))
    assert state.engine.digest() == digest
    state.close()


def test_results_that_the_registry_learnt_meanwhile_are_in_the_copied_log(tmp_path, monkeypatch):
    made = SocketlessVenue(tmp_path / "venue")
    config, copied = made.venue.config, backup.copy_database

    def later(path, copy, pace):
        if path == config.registry:
            other = Registry(config.registry)
            deposit(other, 7_000_000)
            reference = other.last_reference()
            other.close()
            made.venue.submit_intents()
            made.venue.settle()
            made.venue.engine.journal.sync()
            made.venue.tick()
            assert made.venue.registry.last_applied() > ends[0].seq
            references.append(reference)
        copied(path, copy, pace)

    ends, references, read_end = [], [], backup._read_end

    def reading(*args):
        ends.append(read_end(*args))
        return ends[-1]

    monkeypatch.setattr(backup, "copy_database", later)
    monkeypatch.setattr(backup, "_read_end", reading)
    one = taken(config, tmp_path / "backups")
    made.venue.close()
    assert [end.seq for end in ends] == sorted({end.seq for end in ends}) and len(ends) == 2
    assert one.manifest.sequence == ends[1].seq
    again = Venue(restored(one.folder, tmp_path / "restored"))
    assert again.registry.last_applied() <= again.engine.last_seq and not again.registry.pending_intents()
    again.close()


def test_beside_a_running_venue_it_writes_and_removes_a_piece_at_a_time(tmp_path, monkeypatch):
    """The syncs of the venue's journal wait while the disk takes more than that at once."""
    made = SocketlessVenue(tmp_path / "venue", segment_bytes=1 << 16)
    config, target = made.venue.config, tmp_path / "backups"
    trade(made, 0, 600)
    made.venue.engine.journal.sync()
    pauses = []
    monkeypatch.setattr(disk, "PIECE_BYTES", PIECE)
    monkeypatch.setattr(database_copy, "_PIECE_PAGES", 4)
    monkeypatch.setattr(disk_space, "pause", lambda: pauses.append(1))
    with disk.use(watched := WatchedDisk()):
        first = taken(config, target, is_quick=True)
        assert watched.most_bytes <= PIECE and len(pauses) > first.manifest.size_bytes // PIECE // 2
        whole, watched.cut_files = contents(first.folder), 0
        with monkeypatch.context() as patch, pytest.raises(BackupError, match="no"):
            patch.setattr(backup, "write_manifest", _refuse)
            taken(config, target, is_quick=True)
        assert watched.cut_files > 0 and contents(first.folder) == whole, "what they share is not cut"
        assert not (target / backup.PARTIAL).exists()
        made.venue.close()
        pauses.clear()
        taken(config, target, is_quick=True)
        assert not pauses, "a stopped venue waits for nothing"


def _refuse(*_):
    raise BackupError("no")


def test_a_backup_on_the_disk_of_a_running_venue_leaves_half_of_the_reserve(tmp_path, monkeypatch):
    small = SmallDisk()
    small.free = 1 << 40
    with disk.use(small):
        made = SocketlessVenue(tmp_path / "venue")
        config = made.venue.config
        small.free = config.disk_reserve_bytes // 2 + 100
        with pytest.raises(OSError, match=r"half of disk_reserve_bytes, are the journal's; make room on this disk"):
            taken(config, tmp_path / "backups")
        assert [path.name for path in (tmp_path / "backups").iterdir()] == [backup.LOCK]
        small.free = 1 << 40
        made.venue.close()
        small.free = 100
        taken(config, tmp_path / "backups")


def test_a_backup_has_every_file_and_starts_like_the_folder(stopped, tmp_path):
    made, one, _ = stopped
    names = {file.path for file in one.manifest.files}
    locks = {name for name in made.files() if name.endswith("lock")}
    assert names == set(made.files()) - locks and one.manifest.left_out == [] and one.checked_from == 0
    for path in (one.folder, *one.folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    again, made.config = made.config, restored(one.folder, tmp_path / "restored")
    try:
        assert made.start() == made.expected
    finally:
        made.config = again


def test_what_the_backup_before_has_is_shared_unless_it_has_changed(stopped, tmp_path):
    made, *_ = stopped
    first = taken(made.config, tmp_path)
    second = taken(made.config, tmp_path, is_quick=True)
    shared = [file for file in second.manifest.files if (second.folder / file.path).stat().st_nlink > 1]
    assert "archive/journal-00000001.log.zst" in {file.path for file in shared} and second.checked_from > 0
    assert sum(file.size_bytes for file in shared) == second.linked_bytes
    path = first.folder / shared[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    third = taken(made.config, tmp_path)
    assert third.linked_bytes == second.linked_bytes - shared[0].size_bytes
    assert restore.check(third.folder, False, quiet)[0] == third.manifest
    with pytest.raises(BackupError, match=r"not what was backed up; use another backup"):
        restore.check(first.folder, False, quiet)
    shutil.rmtree(first.folder)
    shutil.rmtree(second.folder)
    restored(tmp_path, tmp_path / "restored")


def test_each_damaged_or_missing_file_is_refused_and_nothing_is_made(stopped, tmp_path):
    _, one, _ = stopped
    folder, target = tmp_path / "copy", tmp_path / "data"
    shutil.copytree(one.folder, folder)
    for name in sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file()):
        path = folder / name
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 4
        for spoilt in (whole[:-2], flipped):
            path.write_bytes(spoilt)
            with pytest.raises(BackupError, match=r"use another backup|use the release"):
                restore.restore(folder, target, None, False, quiet)
        path.unlink()
        with pytest.raises((BackupError, FileNotFoundError)):
            restore.restore(folder, target, None, False, quiet)
        path.write_bytes(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]
    target.mkdir()
    (target / "note").write_text("mine")
    with pytest.raises(BackupError, match="it is not empty; name a new folder"):
        restore.restore(folder, target, None, False, quiet)
    assert (target / "note").read_text() == "mine"


def test_a_restored_copy_beside_a_newer_registry_is_refused_at_the_start(tmp_path):
    made = SocketlessVenue(tmp_path / "venue")
    config = made.venue.config
    one = taken(config, tmp_path / "backups")
    trade(made, 0, 5)
    deposit(made.venue.registry)
    made.venue.tick()
    made.venue.close()
    old = restored(one.folder, tmp_path / "restored")
    shutil.copy(config.registry, old.registry)
    with pytest.raises(host.LossError, match=r"the registry .* shows that it had"):
        Venue(old)


def test_a_folder_that_a_start_would_refuse_is_not_backed_up(stopped, tmp_path):
    made, *_ = stopped
    data = tmp_path / "data"
    shutil.copytree(made.data, data)
    last = max((data / "journal").glob("journal-*.log"))
    os.truncate(last, 300)
    before = contents(data)
    with pytest.raises((BackupError, host.JournalError)):
        taken(Config(data=str(data)), tmp_path / "backups")
    assert contents(data) == before and not list((tmp_path / "backups").glob(f"*/{MANIFEST}"))
    with pytest.raises(BackupError, match="it lies in the data folder"):
        taken(made.config, made.data / "backups")
    with pytest.raises(BackupError, match="no journal there"):
        taken(Config(data=str(tmp_path / "none")), tmp_path / "backups")


def test_a_snapshot_that_a_start_passes_over_does_not_keep_from_a_backup(stopped, tmp_path):
    made, *_ = stopped
    data = tmp_path / "data"
    shutil.copytree(made.data, data)
    newest = max((data / "journal").glob("snapshot-*.state"))
    os.truncate(newest, newest.stat().st_size - 1)
    one = taken(Config(data=str(data)), tmp_path / "backups")
    again = Venue(restored(one.folder, tmp_path / "restored"))
    assert again.engine.last_seq == one.manifest.sequence and len(again.engine.recovery.ignored) == 1
    again.close()


def test_the_commands(stopped, tmp_path, capsys):
    made, *_ = stopped
    before = contents(made.data)
    place = tmp_path / "backups"
    words = ["backup", str(made.data), "--to", str(place), "--without-vault", "--without-history", "--json"]
    assert cli.main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["left_out"] == ["history.db", "vault.key"] and contents(made.data) == before
    assert cli.main(["restore", str(place), "--check", "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["sequence"] == told["sequence"] and not checked["has_vault"] and checked["log_time_ns"] > 0
    assert cli.main(["restore", str(place), "--to", str(tmp_path / "a"), "--quick"]) == 0
    out = capsys.readouterr().out
    assert "put it into the data folder before a start" in out and f"{told['sequence']:,}" in out
    with pytest.raises(RegistryError, match=r"vault\.key: it is missing"):
        Venue(Config(data=str(tmp_path / "a")))
    key = made.config.vault
    assert cli.main(["restore", str(place), "--to", str(tmp_path / "b"), "--vault", str(key), "--quick"]) == 0
    Venue(Config(data=str(tmp_path / "b"))).close()
    capsys.readouterr()
    with pytest.raises(SystemExit, match="2"):
        cli.main(["restore", str(place), "--to", str(tmp_path / "b")])
    assert "is not empty; name a new folder" in capsys.readouterr().err
    assert cli.main(["backup", str(made.data), "--to", str(place)]) == 0
    assert "every file, the log from sequence 1 on" in capsys.readouterr().out


def test_the_documents_commands(stopped, tmp_path, monkeypatch):
    made, *_ = stopped
    text = (ROOT / "gateway" / "venue" / "README.md").read_text().partition("\n## Backup and restore\n")[2]
    lines = text.partition("```sh\n")[2].partition("```")[0].splitlines()
    shutil.copytree(made.data, tmp_path / "lionrock-data")
    monkeypatch.chdir(tmp_path)
    assert len(lines) == 3 and [cli.main(line.split()[1:]) for line in lines] == [0, 0, 0]
    assert host.holds_journal(tmp_path / "restored-data" / "journal")
