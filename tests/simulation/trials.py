"""What-if starts: a copy of the disk rots, and a start on it must refuse, or be the start that it would have been.

Something of a stopped machine is changed: a bit, a sector that was written in the wrong place, the end of a file, a
whole file. A start on that may say that it does not go on; then the damage is found. If it goes on, its state and its
read model must be those of a start on the undamaged disk: the damage is harmless. Anything else serves what is wrong.
Only a tail of the journal that nothing proves to have been durable may be cut without a word.
"""

import sqlite3
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from engine import host
from engine.journal.tip import read_tip
from tests.simulation.clients import BrokenPromiseError
from tests.simulation.machine import REFUSALS, Image, Machine
from tests.simulation.virtual_disk import SECTOR, File, VirtualDisk

if TYPE_CHECKING:
    from tests.simulation.world import World


def try_damage(world: "World", facts_of: Callable[[Any], dict[str, Any]]) -> None:
    """Start a copy of a stopped machine with a damaged disk, and one without the damage. BrokenPromiseError."""
    damaged = _copy(world)
    what = _damaged(damaged.disk, world.chance)
    outcome = _start(damaged, facts_of)
    if "refusal" in outcome:
        world.log(f"{what}: refused, {outcome['refusal']}")
        return
    sound = _copy(world)
    proven = _proven(sound)
    expected = _start(sound, facts_of)
    if "refusal" in expected:
        raise BrokenPromiseError(f"the venue does not start on an undamaged disk: {expected['refusal']}")
    if proven <= outcome["sequence"] < expected["sequence"]:
        world.log(f"{what}: a tail that nothing proves is cut")
        return
    differing = [name for name, value in expected.items() if outcome[name] != value]
    if differing:
        raise BrokenPromiseError(f"{what}: a start goes on with another {', '.join(differing)}")
    world.log(f"{what}: harmless")


def _copy(world: "World") -> Machine:
    """Another machine with the same disk, as it shows itself now, in a folder of its own."""
    machine = world.machine
    folder = machine.folder.with_name(machine.folder.name + "-trial")
    disk = machine.disk.copy_settled(Random(0))
    image = Image(disk, machine.files()).moved(machine.folder, folder)
    copy = Machine(folder, Random(world.chance.getrandbits(32)), image)
    copy.clock.now_ns = machine.clock.now_ns
    return copy


def _start(machine: Machine, facts_of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """What a start comes to, or how it refuses."""
    with machine.in_place():
        try:
            machine.boot()
            assert machine.server is not None
            return facts_of(machine.server.venue)
        except REFUSALS as refusal:
            return {"refusal": str(refusal)}
        except (OSError, ValueError, sqlite3.Error, KeyError, IndexError) as error:
            raise BrokenPromiseError(f"damage is met with {type(error).__name__}, not a refusal: {error}") from error
        finally:
            machine.kill()


def _proven(machine: Machine) -> int:
    """Up to which sequence something outside the journal shows that it was durable."""
    with machine.running():
        tip = read_tip(machine.config.journal)
        seqs = host.snapshot_seqs(machine.config.journal)
    return max([tip.seq if tip else 0, *seqs])


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
