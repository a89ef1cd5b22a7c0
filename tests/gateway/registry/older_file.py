"""A registry's file as earlier versions had it."""

import sqlite3
from contextlib import closing, contextmanager


@contextmanager
def older_file(path, version):
    """The file's connection, without checksums and with tables as version 4 had them; the rest is the caller's."""
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for (name,) in old.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            old.execute(f"DROP TRIGGER {name}")
        old.executescript(
            "DROP TABLE checks; DROP TABLE unchecked; DROP TABLE vault; "
            "CREATE TABLE used (digest BLOB PRIMARY KEY, expires_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
            "CREATE INDEX used_by_end ON used (expires_ns);"
        )
        for name in ("documents", "identities", "spellings"):
            [sql] = old.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
            old.execute(f"ALTER TABLE {name} RENAME TO without")
            old.execute(sql.replace("STRICT", "STRICT, WITHOUT ROWID"))
            old.execute(f"INSERT INTO {name} SELECT * FROM without")
            old.execute("DROP TABLE without")
        yield old
        old.execute(f"PRAGMA user_version={version}")
