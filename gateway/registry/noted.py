"""What the registry has noted of the log and of the contracts, read by another process than the one that writes it."""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

_UNFINISHED = "SELECT applied_seq, kind FROM intents WHERE sweeps = 1 AND applied_seq > 0 AND orders_cancelled IS NULL"


@contextmanager
def _reading(path: Path, more: str = "") -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{more}", uri=True)
    try:
        yield db
    finally:
        db.close()


def unfinished_sweeps(path: Path) -> list[tuple[int, int]]:
    """The sequences and kinds of the intents in the log whose sweep is not known to have ended."""
    with _reading(path) as db:
        return db.execute(_UNFINISHED).fetchall()


def has_noted(path: Path, last_reference: int, swept: Collection[int]) -> bool:
    """Whether every intent up to a reference is noted as in the log, and the end of these sweeps, by sequence."""
    with _reading(path) as db:
        query = "SELECT 1 FROM intents WHERE applied_seq IS NULL AND reference <= ? LIMIT 1"
        if db.execute(query, (last_reference,)).fetchone() is not None:
            return False
        return not {seq for seq, _ in db.execute(_UNFINISHED)} & set(swept)


def listed_contracts(path: Path) -> list[tuple[int, str, str, str]]:
    """(slot, name, tick, lot) of each contract, by slot. The folder is left as it is, and need not be writable."""
    is_closed = not path.with_name(path.name + "-wal").exists()
    with _reading(path, "&immutable=1" if is_closed else "") as db:  # SQLite would leave side files without that
        return db.execute("SELECT slot, name, tick, lot FROM contracts ORDER BY slot").fetchall()
