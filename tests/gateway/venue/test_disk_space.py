"""With little room on the disk new orders are refused by name, all that must go on does, and trading comes back."""

import os
import subprocess

import pytest

from engine import disk
from engine.codes import CommandKind
from gateway.venue import disk_space
from gateway.venue.disk_space import DiskSpace
from gateway.venue.health import Health
from gateway.wire.command_rows import bare_row
from tests.gateway.live import request
from tests.gateway.socketless_venue import SocketlessVenue, buy, replies_of

RESERVE = 1 << 28


class SmallDisk(disk.SystemDisk):
    """A disk that has as much room as one says."""

    free = RESERVE

    def free_bytes(self, path):
        return self.free


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
