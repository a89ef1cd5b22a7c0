"""A slice of the simulation: some seeds, every list of steps that was kept, and every broken build is found."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from engine import disk as engine_disk
from engine.journal.tip import SLOT_BYTES, Tip, TipFile, tip_path
from tests.memory import STATES
from tests.simulation import broken, kept, world
from tests.simulation.many import ready
from tests.simulation.virtual_disk import SECTOR, PowerLost, VirtualDisk

SEEDS, STEPS = (*range(1, 31), 2416), 600
"""In 2416 a start makes again what a trial has cut: the damage is no loss."""
LOOKED_FOR = 150
A, B = Path("/d/a"), Path("/d/b")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def genesis():
    return ready()


def test_seeds_break_no_promise(genesis):
    """And leave no venue in memory: each takes 2 GB of addresses, of which a process may not have too many to fork."""
    before = STATES.count
    for seed in SEEDS:
        result = world.run(genesis, seed, world.steps_of(seed, STEPS))
        assert not result.violation, f"python -m tests.simulation --seeds {seed}..{seed} --steps {STEPS} --trace"
        assert result.steps == STEPS
        assert STATES.count <= before


LEFT_IN_MEMORY = """
import gc
from gateway.venue.venue import Venue
from tests.simulation import world
from tests.simulation.machine import Machine
from tests.simulation.many import ready

for seed in (36, 41, 49):  # answers that wait, and failures with their tracebacks
    world.run(ready(), seed, world.steps_of(seed, {steps}))
gc.collect()
print([found for found in gc.get_objects() if isinstance(found, Machine | Venue)])
"""


def test_a_venue_that_failed_leaves_nothing_in_memory():
    """In a process of its own: other tests keep venues."""
    code = LEFT_IN_MEMORY.format(steps=STEPS)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_a_seed_is_the_same_to_the_last_byte(genesis):
    first, second = (world.run(genesis, 7, world.steps_of(7, STEPS)) for _ in range(2))
    assert first == second and first.facts > 50
    assert world.run(genesis, 8, world.steps_of(8, STEPS)).digest != first.digest


@pytest.mark.parametrize("path", list(kept.cases()), ids=lambda path: path.stem)
def test_what_was_kept_breaks_no_promise_any_more(genesis, path):
    case = kept.load(path)
    assert not case.run(genesis).violation, case.about


@pytest.mark.parametrize("rule", broken.BREAKS, ids=lambda rule: rule.name)
def test_a_broken_build_is_found(genesis, rule):
    """By the seed that was recorded; another takes its place when the product has changed."""
    recorded = broken.found_by()[rule.name]
    found = broken.search(genesis, rule, [recorded, *range(1, LOOKED_FOR)])
    assert found, f"python -m tests.simulation --breaks --seeds {LOOKED_FOR}..1000 --record"
    seed, _ = found
    assert not world.run(genesis, seed, world.steps_of(seed, broken.STEPS)).violation


# --- the virtual disk itself ------------------------------------------------------------------------------------------


def write(disk, path, data, offset=0, flags=0):
    descriptor = disk.open(path, os.O_WRONLY | os.O_CREAT)
    disk.pwrite(descriptor, [data], offset, flags)
    return descriptor


def outcomes(prepare, path=A, tries=200):
    """What losses of power leave of a file: all contents that came up, None for no file."""
    found = set()
    for seed in range(tries):
        disk = VirtualDisk(Random(seed))
        prepare(disk)
        disk.lose_power()
        found.add(bytes(disk.names[path].data) if path in disk.names else None)
    return found


def test_what_was_not_synced_may_be_lost_torn_or_kept():
    def prepare(disk):
        disk.sync(write(disk, A, b"a" * 3 * SECTOR))
        disk.sync_folder(A.parent)
        write(disk, A, b"b" * 3 * SECTOR)

    found = outcomes(prepare)
    assert {b"a" * 3 * SECTOR, b"b" * 3 * SECTOR, b"b" * SECTOR + b"a" * SECTOR + b"b" * SECTOR} <= found
    whole = (b"a" * SECTOR, b"b" * SECTOR)
    assert all(data[first : first + SECTOR] in whole for data in found for first in (0, SECTOR))


def test_what_was_synced_stays():
    def prepare(disk):
        disk.sync(write(disk, A, b"whole"))
        disk.sync_folder(A.parent)

    assert outcomes(prepare) == {b"whole"}


def test_a_name_is_lost_without_a_sync_of_its_folder():
    def prepare(disk):
        disk.sync(write(disk, B, b"new"))
        disk.rename(B, A)

    assert outcomes(prepare) == {b"new", None}


def test_a_tip_that_a_killed_process_made_keeps_its_name():
    directory = Path("/d/journal")

    def prepare(disk):
        disk.sync(write(disk, tip_path(directory), bytes(2 * SLOT_BYTES)))
        disk.kill()
        with engine_disk.use(disk):
            TipFile(directory).write(Tip(5, bytes(32), 1, 512))

    assert None not in outcomes(prepare, tip_path(directory), tries=20)


def test_a_write_that_syncs_itself_brings_its_own_bytes_alone():
    def prepare(disk):
        disk.sync(write(disk, A, b"a" * 2 * SECTOR))
        disk.sync_folder(A.parent)
        write(disk, A, b"x" * SECTOR)
        write(disk, A, b"y" * SECTOR, SECTOR, os.RWF_DSYNC)

    assert outcomes(prepare) == {b"a" * SECTOR + b"y" * SECTOR, b"x" * SECTOR + b"y" * SECTOR}


def test_a_failed_sync_shows_what_never_reached_the_disk():
    disk = VirtualDisk(Random(1))
    descriptor = write(disk, A, b"lost")
    disk.sync_folder(A.parent)
    disk.failing["sync"] = 0
    with pytest.raises(OSError, match="Input/output"):
        disk.sync(descriptor)
    disk.sync(descriptor)
    assert disk.pread(descriptor, 4, 0) == b"lost"
    disk.lose_power()
    assert not bytes(disk.names[A].data).strip(b"\0")


def test_a_full_disk_takes_no_more_and_the_power_goes_where_it_was_told():
    disk = VirtualDisk(Random(1))
    disk.capacity_bytes = 4
    with pytest.raises(OSError) as refused:
        write(disk, A, b"12345")
    assert refused.value.errno == errno.ENOSPC
    disk.stop_at = disk.calls + 1
    with pytest.raises(PowerLost):
        write(disk, B, b"1")
