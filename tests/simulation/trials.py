"""What-if starts: a copy of the disk rots, and a start on it must refuse, or be the start that it would have been.

Something of a stopped machine is changed: a bit, a sector that was written in the wrong place, the end of a file, a
whole file. A start on that may say that it does not go on; then the damage is found. If it goes on, its state and its
read model must be those of a start on the undamaged disk: the damage is harmless. Anything else serves what is wrong.
Only a tail of the journal that nothing proves to have been durable may be cut without a word.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from engine import host
from engine.journal.tip import read_tip
from tests.simulation.clients import BrokenPromiseError
from tests.simulation.machine import REFUSALS
from tests.simulation.virtual_disk import SECTOR, File, VirtualDisk

if TYPE_CHECKING:
    from tests.simulation.world import World


def try_damage(world: "World", facts_of: Callable[[Any], dict[str, Any]]) -> None:
    """Damage a copy of a stopped machine's disk and start on it, then without the damage. BrokenPromiseError."""
    machine, sound = world.machine, world.machine.disk
    files = {path.name: path.read_bytes() for path in machine.folder.iterdir() if path.is_file()}
    machine.disk = sound.copy_settled(machine.chance)
    what = _damaged(machine.disk, machine.chance)
    outcome = _start(world, facts_of)
    machine.disk = sound
    _put_back(machine.folder, files)
    if outcome is None:
        world.log(f"{what}: refused")
        return
    machine.disk = sound.copy_settled(machine.chance)
    expected = _start(world, facts_of)
    machine.disk = sound
    _put_back(machine.folder, files)
    if expected is None:
        raise BrokenPromiseError("the venue does not start on an undamaged disk")
    if _proven(world) <= outcome["sequence"] < expected["sequence"]:
        world.log(f"{what}: a tail that nothing proves is cut")
        return
    differing = [name for name, value in expected.items() if outcome[name] != value]
    if differing:
        raise BrokenPromiseError(f"{what}: a start goes on with another {', '.join(differing)}")
    world.log(f"{what}: harmless")


def _start(world: "World", facts_of: Callable[[Any], dict[str, Any]]) -> dict[str, Any] | None:
    """What a start comes to; None when it refuses."""
    machine = world.machine
    try:
        machine.boot()
        assert machine.server is not None
        return facts_of(machine.server.venue)
    except REFUSALS:
        return None
    except (OSError, ValueError, sqlite3.Error, KeyError, IndexError) as error:
        raise BrokenPromiseError(f"damage is met with {type(error).__name__} instead of a refusal: {error}") from error
    finally:
        machine.kill()


def _proven(world: "World") -> int:
    """Up to which sequence something outside the journal shows that it was durable."""
    with world.machine.running():
        tip = read_tip(world.machine.config.journal)
        seqs = host.snapshot_seqs(world.machine.config.journal)
    return max([tip.seq if tip else 0, *seqs])


def _put_back(folder: Path, files: dict[str, bytes]) -> None:
    for path in folder.iterdir():
        if path.is_file() and path.name not in files:
            path.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)


def _damaged(disk: VirtualDisk, chance: Random) -> str:
    """Change something; says what."""
    path = chance.choice(sorted(disk.names))
    file, name = disk.names[path], path.name
    kind = chance.choice(("bit", "bit", "bit", "sector", "end", "file"))
    if kind == "file" or not file.data:
        disk.lose(path)
        return f"{name} is gone"
    if kind == "bit":
        place = _place(file, chance)
        _change(file, place, bytes([file.data[place] ^ 1 << chance.randrange(8)]))
        return f"a bit of byte {place} of {name} is flipped"
    if kind == "sector":
        other = disk.names[chance.choice(sorted(disk.names))]
        source, target = _place(other, chance) // SECTOR * SECTOR, _place(file, chance) // SECTOR * SECTOR
        part = bytes(other.data[source : source + SECTOR])[: len(file.data) - target]
        _change(file, target, part)
        return f"a sector was written to byte {target} of {name} instead of elsewhere"
    size = chance.randrange(len(file.data))
    del file.data[size:]
    del file.durable[size:]
    return f"{name} ends at byte {size}"


def _place(file: File, chance: Random) -> int:
    """A byte of a file, most often one that is not in the zeros at its end."""
    used = len(file.data.rstrip(b"\0")) or len(file.data)
    return chance.randrange(used) if used and chance.random() < 0.9 else chance.randrange(max(len(file.data), 1))


def _change(file: File, place: int, part: bytes) -> None:
    file.data[place : place + len(part)] = part
    file.durable[place : place + len(part)] = part
