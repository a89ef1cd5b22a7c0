"""Signatures and tokens that were used, so that each counts once: `signatures.db` beside the registry.

Every signed HTTP call writes one and does not wait for the disk: after a power cut the last ones may be missing. Each
row has its own checksum, which is looked at when the file is opened.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

from engine import disk
from gateway.registry.errors import SQLITE_FAULTS, BusyError, DamagedError

SIGNATURES = "signatures.db"
_SWEEP_EVERY_NS = 10_000_000_000
_TABLE = """
CREATE TABLE IF NOT EXISTS used (
    digest BLOB PRIMARY KEY, expires_ns INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS used_by_end ON used (expires_ns);
"""
_REMEDY = (
    "restore the data folder from a backup, or remove this file: then signatures of the last minute, and tokens that "
    "were given back within a week, count once more"
)


class SignaturesSeen:
    """The open file. DamagedError when it is not as it was written."""

    def __init__(self, path: Path) -> None:
        disk.make_empty(path)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._sweep_ns = 0
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_TABLE)
            found = _damage(self._db)
        except SQLITE_FAULTS as error:
            self._db.close()
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise BusyError(error) from None
            raise DamagedError(path, str(error), _REMEDY) from None
        if found:
            self._db.close()
            raise DamagedError(path, found, _REMEDY)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def wait_at_most(self, seconds: float) -> None:
        """How long a write waits for that of another process before it is refused as BusyError."""
        self._db.execute(f"PRAGMA busy_timeout={round(seconds * 1000)}")

    def use_once(self, digest: bytes, expires_ns: int, now_ns: int) -> bool:
        """Whether this digest is used for the first time; remembered until it expires, over restarts."""
        try:
            if now_ns >= self._sweep_ns:
                self._db.execute("DELETE FROM used WHERE expires_ns < ?", (now_ns,))
                self._sweep_ns = now_ns + _SWEEP_EVERY_NS
            return self.take([(digest, expires_ns)]) == 1
        except sqlite3.OperationalError as error:
            raise BusyError(error) from None

    def is_used(self, digest: bytes) -> bool:
        """Whether this digest has been used."""
        return self._db.execute("SELECT 1 FROM used WHERE digest = ?", (digest,)).fetchone() is not None

    def take(self, used: Iterable[tuple[bytes, int]]) -> int:
        """Remember (digest, when it expires in ns); how many of them are new."""
        rows = [(digest, expires_ns, _crc(digest, expires_ns)) for digest, expires_ns in used]
        return self._db.executemany("INSERT OR IGNORE INTO used VALUES (?, ?, ?)", rows).rowcount


def _crc(digest: bytes, expires_ns: int) -> int:
    return crc32(b"%d %s" % (expires_ns, digest))


def _damage(db: sqlite3.Connection) -> str:
    for digest, expires_ns, crc in db.execute("SELECT digest, expires_ns, crc FROM used"):
        if not isinstance(digest, bytes) or crc != _crc(digest, expires_ns):
            return "a signature is not as it was written"
    told = str(db.execute("PRAGMA integrity_check").fetchone()[0])
    return "" if told == "ok" else told
