"""The logs of two nodes beside each other: the same hash, and the same state after replaying them."""

from pathlib import Path
from typing import NamedTuple

from engine import host


class Replayed(NamedTuple):
    """Where a journal led: its sequence, the log's hash and the state's digest there."""

    seq: int
    chain: str
    digest: str


def replayed(journal: Path, until_seq: int | None = None) -> Replayed:
    """Replay a journal up to a sequence at which a record ends, or to its end; another process may write it."""
    reader = host.JournalReader(journal)
    engine = host.Engine(host.create(reader.capacities, reader.mode))
    for commands in reader.batches(until_seq):
        engine.feed(commands, _ignore)
    return Replayed(engine.last_seq, reader.position.chain.hex(), engine.digest())


def _ignore(commands: object, events: object) -> None:
    """What the commands do is in the state."""


def faults_of_logs(old: Path, new: Path, until_seq: int) -> list[str]:
    """What keeps the old leader's journal, up to the end that the stream gave it, from being the new leader's.

    A leader that died may have sent a record that it had not written: then its journal is compared up to its end.
    """
    before = replayed(old, until_seq)
    after = replayed(new, before.seq)
    return [] if before == after else [f"{old} led to {before}, and {new} to {after}"]


def faults_of_stopped(journal: Path) -> list[str]:
    """What keeps the state that a node had in memory, as its last snapshot has it, from being what its journal says."""
    snapshot = list(host.snapshots(journal))[-1]
    found = replayed(journal)
    told = Replayed(snapshot.seq, found.chain, snapshot.digest.hex())
    return [] if told == found else [f"{journal} leads to {found}, and the node was at {told}"]
