"""What must hold of the data folder at the end of a run, whoever was told what."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import host, invariants
from engine.codes import CommandKind
from engine.journal.tip import End, read_tip
from engine.schema import DIRECTIVE
from gateway.read_model.history import History
from gateway.read_model.projection import Projection
from gateway.read_model.rows_ahead import BEHIND
from tests.simulation.clients import BrokenPromiseError
from tests.simulation.machine import Machine

if TYPE_CHECKING:
    from tests.simulation.world import World


class Replayed:
    """The journal, replayed from its beginning by nobody that was there: state, read model, and its directives."""

    def __init__(self, world: "World") -> None:
        machine = world.machine
        reader = host.JournalReader(machine.config.journal)
        self.engine = host.Engine(host.create(reader.capacities, reader.mode))
        self.projection = Projection(host.RING_ROWS, machine.config.report_rows)  # all history in memory
        self.projection.attach(self.engine.root)
        self.references: Counter[int] = Counter()
        self.deposits: Counter[tuple[int, int]] = Counter()
        self._time_ns = 0
        host.replay(reader, self.engine, sink=self._sink)

    def _sink(self, commands: Any, events: Any) -> None:
        self.projection.replay(commands, events)
        times = commands["time_ns"][commands["kind"] != CommandKind.LABEL]
        if len(times) and (times[0] < self._time_ns or (np.diff(times) < 0).any()):
            raise BrokenPromiseError(f"time goes back in the log at sequence {commands['seq'][0]}")
        self._time_ns = int(times[-1]) if len(times) else self._time_ns
        rows = commands.view(DIRECTIVE)
        rows = rows[(rows["kind"] >= CommandKind.ACCOUNT_OPEN) & (rows["reference"] > 0)]
        self.references.update(rows["reference"].tolist())
        paid = rows[rows["kind"] == CommandKind.DEPOSIT]
        self.deposits.update(zip(paid["account_slot"].tolist(), paid["amount_micros"].tolist(), strict=True))


def audit(world: "World") -> str:
    """Stop the venue, replay its journal, start it again, and compare all three. The final state's digest."""
    machine = world.machine
    world.stop()
    with machine.running():
        replayed = Replayed(world)
    invariants.check(replayed.engine.root)
    twice = [reference for reference, count in replayed.references.items() if count > 1]
    if twice:
        raise BrokenPromiseError(f"changes of the registry are in the log twice: {twice}")
    wanted = Counter(world.deposits)
    logged = Counter({key: count for key, count in replayed.deposits.items() if key in wanted})
    if wanted != logged:
        raise BrokenPromiseError(f"deposits: entered {wanted - logged} not in the log, {logged - wanted} too often")
    world.boot()
    server = machine.server
    assert server is not None
    engine = server.venue.engine
    if engine.last_seq != replayed.engine.last_seq:
        end = replayed.engine.last_seq
        raise BrokenPromiseError(f"a start is at sequence {engine.last_seq}, its journal ends at {end}")
    ours, theirs = facts(server.venue), read_model_facts(replayed.projection) | {"state": replayed.engine.digest()}
    for name, value in theirs.items():
        if ours[name] != value:
            raise BrokenPromiseError(f"a start's {name} is not what the journal leads to, at {engine.last_seq}")
    return engine.digest()


def check_tip(machine: Machine) -> None:
    """After a stop in order the tip is exactly where the journal ends, and says so."""
    with machine.running():
        reader, tip = host.JournalReader(machine.config.journal), read_tip(machine.config.journal)
        for _ in reader.batches():
            pass
    if tip is None or tip.end is not End.CLOSED or (tip.seq, tip.chain) != (reader.last_seq, reader.position.chain):
        raise BrokenPromiseError(f"the journal was closed at sequence {reader.last_seq}, its tip says {tip}")


def facts(venue: Any) -> dict[str, Any]:
    """All that a start has recovered: the state's digest and the read model."""
    return read_model_facts(venue.projection) | {"state": venue.engine.digest(), "sequence": venue.engine.last_seq}


def read_model_facts(projection: Projection) -> dict[str, Any]:
    """All that a read model has folded."""
    row = projection.view[0]
    orders, accounts = int(row["orders_used"]), int(row["accounts_used"])
    return {
        "applied_seq": int(row["applied_seq"]),
        "orders": row["orders"][:orders].tobytes(),
        "accounts": row["accounts"][:accounts].tobytes(),
        "connections": row["connections"][:orders].tobytes(),
        "markets": row["markets"].tobytes(),
        "history": b"".join(_history_rows(projection.history)),
    }


def _history_rows(history: History) -> Iterator[bytes]:
    """All rows, those on disk first."""
    first = history.segments[0].first
    if history.store is not None and first:
        for segment, begin, end in history.store.ranges("all", 0, (0, first - 1, 0, BEHIND), is_ascending=True):
            yield segment.legs[begin:end].tobytes()
    for part in history.segments:
        yield part.legs[: part.used].tobytes()
