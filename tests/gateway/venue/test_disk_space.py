"""With little room on the disk new orders are refused by name, all that must go on does, and trading comes back."""

import errno
import os
import subprocess
import threading
import time

import pytest

from engine import disk, host
from engine.codes import CommandKind
from gateway.venue import disk_space
from gateway.venue.disk_space import DiskSpace, sparing
from gateway.venue.health import Health
from gateway.venue.snapshots import Snapshots
from gateway.venue.venue import Venue
from gateway.wire.command_rows import bare_row
from tests.gateway.live import request
from tests.gateway.socketless_venue import SocketlessVenue, buy, replies_of
from tests.watched_disk import SmallDisk

RESERVE = 1 << 28


def answer(venue, message):
    [reply] = replies_of(venue.send([message]))
    return reply.get("result") or reply["error"]


def test_trading_stops_below_the_reserve_and_comes_back_with_a_quarter_more(tmp_path):
    small, seen = SmallDisk(), []
    with disk.use(small):
        space = DiskSpace(tmp_path, RESERVE, health := Health())
        for free in (RESERVE, RESERVE - 1, RESERVE, RESERVE * 5 // 4 - 1, RESERVE * 5 // 4, 0):
            small.free = free
            space.look()
            seen.append(health.state)
        assert seen == ["serving", *["no_new_orders"] * 3, "serving", "no_new_orders"]
        assert "0.0 MiB are free, less than disk_reserve_bytes (256.0 MiB)" in health.cause
        off = DiskSpace(tmp_path, 0, Health())
        off.look()
        assert off.free_bytes == 0


def test_cancels_time_and_the_journal_go_on(tmp_path):
    small = SmallDisk()
    small.free = 1 << 40
    with disk.use(small):
        desk = SocketlessVenue(tmp_path)
        venue = desk.venue
        venue.tick()
        assert "order" in answer(desk, buy(price=17_000))
        small.free = RESERVE // 2
        venue.tick()
        refused = answer(desk, buy(price=17_001))
        assert (refused["code"], refused["data"]["reason"]) == (10041, disk_space.NAME)
        assert "MiB are free" in refused["data"]["message"]
        before = venue.engine.last_seq
        venue.sequencer.submit(bare_row(CommandKind.TIME), None, None)
        venue.settle()
        assert venue.engine.last_seq == before + 1, "what the venue does by itself goes on"
        assert answer(desk, request(2, "private/cancel_all")) == 1
        small.free = 1 << 40
        venue.tick()
        assert "order" in answer(desk, buy(price=17_002))
        venue.close()


def test_a_process_beside_the_venue_leaves_half_of_the_reserve(tmp_path):
    """What does not fit any more is not begun, and nothing of it stays; without a reserve nobody looks."""
    path, parts, small = tmp_path / "large", [bytes(1 << 20)] * 4, SmallDisk()
    small.free = RESERVE // 2 + (1 << 20)
    with disk.use(small):
        with sparing(tmp_path, RESERVE):
            disk.write_atomically(path, parts)  # each write leaves it: the disk does not get smaller here
            with pytest.raises(OSError, match=r"the last 128\.0 MiB, half of disk_reserve_bytes, are the") as full:
                disk.write_atomically(tmp_path / "larger", [bytes(100), bytes((1 << 20) + 1)])
            assert full.value.errno == errno.ENOSPC
            other = threading.Thread(target=disk.write_atomically, args=(tmp_path / "other", [bytes(2 << 20)]))
            other.start()
            other.join()
        assert {left.name for left in tmp_path.iterdir()} == {"large", "other"}, "the journal's thread may use it"
        with sparing(tmp_path, 0):
            disk.write_atomically(path, [bytes(2 << 20)])
        disk.write_atomically(path, [bytes(3 << 20)])


def test_the_snapshot_of_a_stop_leaves_half_of_the_reserve(tmp_path):
    """It is left out then: the journal ends in order, and the next start replays more."""
    small = SmallDisk()
    small.free = 1 << 40
    with disk.use(small):
        desk = SocketlessVenue(tmp_path)
        assert "order" in answer(desk, buy(price=17_000))
        config, last_seq = desk.venue.config, desk.venue.engine.last_seq
        small.free = RESERVE // 2 + 100
        with pytest.raises(OSError, match="half of disk_reserve_bytes, are the journal's"):
            desk.venue.close()
        assert not host.snapshot_seqs(config.journal)
        assert not [path for path in tmp_path.rglob("*") if path.suffix == disk.TEMPORARY]
        small.free = 1 << 40
        again = Venue(config)
        assert again.engine.last_seq >= last_seq
        again.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 96 MiB in memory."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("no file system can be mounted here: " + done.stderr.decode().strip())
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_real_disk_that_fills_up(small_disk):
    desk = SocketlessVenue(small_disk)
    venue = desk.venue
    space = venue.disk_space = DiskSpace(small_disk, 24 << 20, venue.health)
    venue.tick()
    assert space.free_bytes > 30 << 20 and "order" in answer(desk, buy(price=17_000))
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, space.free_bytes - (8 << 20))
    venue.tick()
    assert answer(desk, buy(price=17_001))["data"]["reason"] == disk_space.NAME
    assert answer(desk, request(2, "private/cancel_all")) == 1
    venue.engine.journal.sync()
    ballast.unlink()
    venue.tick()
    assert "order" in answer(desk, buy(price=17_002))
    venue.close()


def ended(snapshots, seq, seconds=300):
    """Wait for a process to end that writes a snapshot up to this sequence."""
    snapshots.begin(seq)
    until = time.monotonic() + seconds
    while snapshots.is_running:
        assert time.monotonic() < until
        time.sleep(0.05)
        snapshots.tick(0)


def test_a_snapshot_leaves_half_of_the_reserve_to_the_journal(small_disk):
    reserve = 24 << 20
    desk = SocketlessVenue(small_disk, disk_reserve_bytes=reserve)
    venue, folder = desk.venue, small_disk / "venue"
    assert "order" in answer(desk, buy(price=17_000))
    venue.engine.journal.sync()
    free = disk.current().free_bytes(folder)
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - reserve // 2 - (64 << 10))
    files, snapshots = set(folder.rglob("*")), Snapshots(venue.config, health := Health(), 0)
    ended(snapshots, venue.engine.durable_seq)
    assert snapshots.failures == 1 and "half of disk_reserve_bytes, are the journal's" in health.cause
    assert disk.current().free_bytes(folder) >= reserve // 2
    assert not [path for path in set(folder.rglob("*")) - files if path.suffix == disk.TEMPORARY]
    venue.tick()
    assert answer(desk, request(2, "private/cancel_all")) == 1
    venue.engine.journal.sync()
    ballast.unlink()
    ended(snapshots, venue.engine.durable_seq)
    assert snapshots.last_seq == venue.engine.durable_seq and not health.troubles
    venue.close()
