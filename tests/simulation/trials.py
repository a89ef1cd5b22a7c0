"""What-if starts: a copy of the disk rots, and a start on it must refuse, or be the start that it would have been.

Something of a stopped machine is changed: a bit, a sector that was written in the wrong place, the end of a file, a
whole file. A start on that may say that it does not go on; then the damage is found. If it goes on, its state and its
read model must be those of a start on the undamaged disk: the damage is harmless. Anything else serves what is wrong.
Only a tail of the journal that nothing proves to have been durable may be cut without a word.
"""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from engine import disk, host
from engine.journal.format import RECORD_BYTES, ROW_BYTES, SEGMENT_BYTES
from engine.journal.records import record_at
from engine.journal.tip import read_tip
from tests.simulation.clients import BrokenPromiseError
from tests.simulation.machine import REFUSALS, Image, Machine, moved
from tests.simulation.virtual_disk import SECTOR, File

if TYPE_CHECKING:
    from tests.simulation.world import World


def try_damage(world: "World", facts_of: Callable[[Any], dict[str, Any]]) -> None:
    """Start a copy of a stopped machine with a damaged disk, and one without the damage. BrokenPromiseError."""
    _try_durable_record(world, facts_of)
    damaged = _copy(world, world.chance)
    what, path, bytes_hit = _damaged(damaged, world.chance)
    outcome = _start(damaged, facts_of)
    if "refusal" in outcome:
        world.log(f"{what}: refused, {outcome['refusal']}")
        return
    sound = _copy(world, world.chance)
    whole = [record for record in _records(sound) if record.is_left(damaged, path, bytes_hit)]
    proven = max([_proven(sound), *(record.durable_seq for record in whole)])
    expected = _start(sound, facts_of)
    if "refusal" in expected:
        raise BrokenPromiseError(f"the venue does not start on an undamaged disk: {expected['refusal']}")
    if proven <= outcome["recovered"] < expected["recovered"]:
        world.log(f"{what}: a tail that nothing proves is cut")
        return
    differing = [name for name, value in expected.items() if outcome[name] != value]
    if differing:
        raise BrokenPromiseError(f"{what}: a start goes on with another {', '.join(differing)}")
    world.log(f"{what}: harmless")


def _try_durable_record(world: "World", facts_of: Callable[[Any], dict[str, Any]]) -> None:
    """Flip a bit of a record that only records behind it show to have been durable: a start must refuse.

    It draws no random numbers of the world, so what the steps do is the same with and without it.
    """
    outside_seq, records = _proven(world.machine), _records(world.machine)
    durable_seq = max((record.durable_seq for record in records), default=0)
    proven = [record for record in records if outside_seq < record.first_seq <= durable_seq]
    if not proven:
        return
    damaged, path, place = _copy(world, Random(0)), proven[-1].path, proven[-1].place.stop - 1
    path = damaged.folder / path.relative_to(world.machine.folder)
    file = damaged.disk.names[path]
    _change(file, place, bytes([file.data[place] ^ 1]))
    what = f"a bit of byte {place} of {path.name} is flipped, in a record that was durable"
    outcome = _start(damaged, facts_of)
    if "refusal" not in outcome:
        raise BrokenPromiseError(f"{what}: a start goes on from sequence {outcome['recovered']}")
    world.log(f"{what}: refused, {outcome['refusal']}")


def _copy(world: "World", chance: Random) -> Machine:
    """Another machine with the same disk, as it shows itself now, in a folder of its own."""
    machine = world.machine
    world.trials += 1
    folder = machine.folder.with_name(f"{machine.folder.name}-trial-{world.trials}")
    disk = machine.disk.copy_settled(Random(0))
    image = Image(disk, machine.files()).moved(machine.folder, folder)
    copy = Machine(moved(machine.config, folder), Random(chance.getrandbits(32)), image)
    copy.clock.now_ns = machine.clock.now_ns - machine.clock.wrong_ns
    return copy


def _start(machine: Machine, facts_of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """What a start comes to, or how it refuses. `recovered`: the last sequence before it adds commands of its own."""
    with machine.in_place():
        try:
            machine.boot()
            assert machine.server is not None
            venue = machine.server.venue
            recovery = venue.engine.recovery
            return facts_of(venue) | {"recovered": recovery.snapshot_seq + recovery.replayed}
        except REFUSALS as refusal:
            return {"refusal": str(refusal)}
        except (OSError, ValueError, sqlite3.Error, KeyError, IndexError) as error:
            raise BrokenPromiseError(f"damage is met with {type(error).__name__}, not a refusal: {error}") from error
        finally:
            machine.kill()
            shutil.rmtree(machine.folder)  # each has its own: whoever still has a file of it open harms no other


def _proven(machine: Machine) -> int:
    """Up to which sequence something outside the journal shows that it was durable."""
    with machine.running():
        tip = read_tip(machine.config.journal)
        seqs = host.snapshot_seqs(machine.config.journal)
    return max([tip.seq if tip else 0, *seqs])


class _Record(NamedTuple):
    """A record of the journal: where it is, and up to which sequence it says that the log was durable before it."""

    path: Path
    place: range
    first_seq: int
    durable_seq: int

    def is_left(self, machine: Machine, path: Path, bytes_hit: range) -> bool:
        """Whether a damaged machine still has it, when these bytes of a file were hit."""
        is_hit = self.place.start < bytes_hit.stop and bytes_hit.start < self.place.stop
        return self.path in machine.disk.names and not (self.path == path and is_hit)


def _records(machine: Machine) -> list[_Record]:
    """All records of an undamaged journal; one that a loss of power tore shows nothing."""
    found = []
    with machine.running():
        for path in machine.disk.files(machine.config.journal, "journal-*.log"):
            data, offset = disk.read(path), SEGMENT_BYTES
            while offset + RECORD_BYTES <= len(data):
                record = record_at(data, offset)
                if record is None:
                    break
                _, count, _, first_seq, durable_seq, _ = record[1]
                end = offset + RECORD_BYTES + count * ROW_BYTES
                found.append(_Record(path, range(offset, end), first_seq, durable_seq))
                offset = end
    return found


_Damage = tuple[str, Path, range]
"""What was done, to which file, and which bytes of it are not what they were."""


def _damaged(machine: Machine, chance: Random) -> _Damage:
    """Change something on a machine's disk; says what."""
    disk = machine.disk
    path = chance.choice(sorted(disk.names))
    file, name = disk.names[path], path.name
    kind = chance.choice(("bit", "bit", "bit", "sector", "end", "file", "record"))
    if kind == "record":
        return _cut_at_record(machine, chance)
    if kind == "file" or not file.data:
        size = len(file.data)
        disk.lose(path)
        return f"{name} is gone", path, range(size + 1)
    if kind == "bit":
        place = _place(file, chance)
        _change(file, place, bytes([file.data[place] ^ 1 << chance.randrange(8)]))
        return f"a bit of byte {place} of {name} is flipped", path, range(place, place + 1)
    if kind == "sector":
        other = disk.names[chance.choice(sorted(disk.names))]
        source, target = _place(other, chance) // SECTOR * SECTOR, _place(file, chance) // SECTOR * SECTOR
        part = bytes(other.data[source : source + SECTOR])[: len(file.data) - target]
        _change(file, target, part)
        what = f"a sector was written to byte {target} of {name} instead of elsewhere"
        return what, path, range(target, target + len(part))
    size = chance.randrange(len(file.data))
    what, hit = f"{name} ends at byte {size}", range(size, len(file.data) + 1)
    _cut(file, size)
    return what, path, hit


def _cut_at_record(machine: Machine, chance: Random) -> _Damage:
    """Cut the journal where a record ends: all that is left of it is sound."""
    record = chance.choice(_records(machine)[-8:])
    later = [path for path in machine.disk.names if path.parent == record.path.parent and path.name > record.path.name]
    for path in later:
        if path.suffix == record.path.suffix:
            machine.disk.lose(path)
    file = machine.disk.names[record.path]
    hit = range(record.place.start, len(file.data) + 1)
    _cut(file, record.place.start)
    return f"{record.path.name} ends before the record at byte {record.place.start}", record.path, hit


def _cut(file: File, size_bytes: int) -> None:
    del file.data[size_bytes:]
    del file.durable[size_bytes:]


def _place(file: File, chance: Random) -> int:
    """A byte of a file, most often one that is not in the zeros at its end."""
    used = len(file.data.rstrip(b"\0")) or len(file.data)
    return chance.randrange(used) if used and chance.random() < 0.9 else chance.randrange(max(len(file.data), 1))


def _change(file: File, place: int, part: bytes) -> None:
    file.data[place : place + len(part)] = part
    file.durable[place : place + len(part)] = part
