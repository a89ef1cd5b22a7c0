"""Opening a journal that is held against what is known of it from outside, and the one way past a loss.

Known are the tip, the snapshots and what the caller expects. Whoever accepts a loss names the sequence at which the
journal ends; what knew more is moved to a folder beside the journal, so that it is no proof against the log that goes
on from there.
"""

from pathlib import Path

from engine import disk
from engine.journal.reader import JournalReader
from engine.journal.snapshot import sound_headers
from engine.journal.tip import Expected, LossError, Proof, check_length, read_tip, tip_damage, tip_path, tip_proof
from engine.journal.writer import write_again


def begin_anew(directory: Path, expected: Expected) -> list[Path]:
    """Before a first journal is made: nothing may show that there was one, unless its loss is accepted.

    Answers the files that were moved aside. LossError.
    """
    if expected.accepted_seq is not None:
        _check_accepted(directory, 0, expected.accepted_seq)
        return _set_aside(directory, 0, [*(found.path for found in sound_headers(directory)), *expected.beyond])
    _check_tip(directory)
    tip = read_tip(directory)
    own = [tip_proof(directory, tip)] if tip else []
    check_length(directory, 0, [*own, *_snapshot_proofs(directory), *expected.proofs])
    return []


def begin_reading(reader: JournalReader, expected: Expected) -> list[Path]:
    """Hold a journal against all that is known of it while it is read.

    Where its end is accepted it is held against nothing, and what knows more is moved aside: the files. LossError when
    it does not end there.
    """
    directory = reader.directory
    if expected.accepted_seq is None:
        _check_tip(directory)
        reader.expect([*_snapshot_proofs(directory), *expected.proofs])
        return []
    reader.accept_end()
    bare = JournalReader(directory)
    bare.accept_end()
    for _ in bare.batches():
        pass
    _check_accepted(directory, bare.last_seq, expected.accepted_seq)
    beyond = [found.path for found in sound_headers(directory) if not bare.seek(found.seq, found.chain)]
    return _set_aside(directory, expected.accepted_seq, [*beyond, *expected.beyond])


def write_read_again(reader: JournalReader) -> None:
    """Have on the disk what a start goes on from, from the tip to where reading ended: see `write_again`."""
    tip, position = reader.tip, reader.position
    end = (position.segment.number, position.offset)
    write_again(reader.directory, (*end[:1], 0) if tip is None else (tip.segment, tip.offset), end)


def lost_folder(directory: Path, last_seq: int) -> Path:
    """Where what knew more than an accepted end is kept, beside the journal's folder: a new one each time."""
    number = 1
    while disk.current().is_there(folder := directory.with_name(f"lost-after-{last_seq}-{number}")):
        number += 1
    return folder


def _check_accepted(directory: Path, last_seq: int, accepted_seq: int) -> None:
    if accepted_seq != last_seq:
        raise LossError(
            f"--accept-loss {accepted_seq}: {directory} ends at sequence {last_seq}; look again at what is missing, "
            f"and name {last_seq} if you accept that"
        )


def _check_tip(directory: Path) -> None:
    damage = tip_damage(directory)
    if damage:
        raise LossError(
            f"{damage}; restore it from a copy, or have `lionrock verify` show where the journal ends and name that "
            "sequence: `lionrock serve --accept-loss SEQ --reason TEXT`"
        )


def _snapshot_proofs(directory: Path) -> list[Proof]:
    return [
        Proof(snapshot.seq, snapshot.chain, f"the snapshot {snapshot.path}") for snapshot in sound_headers(directory)
    ]


def _set_aside(directory: Path, last_seq: int, files: list[Path]) -> list[Path]:
    """Move the tip and these files away, whole; answers where they are now."""
    using, tip = disk.current(), tip_path(directory)
    moved = [*files, *([tip] if using.is_there(tip) else [])]
    if not moved:
        return []
    folder = lost_folder(directory, last_seq)
    using.make_folder(folder)
    for path in moved:
        using.rename(path, folder / path.name)
    for place in (folder, folder.parent, directory):
        using.sync_folder(place)
    return [folder / path.name for path in moved]
