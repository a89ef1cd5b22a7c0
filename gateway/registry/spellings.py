"""Names that look alike: the skeleton of Unicode UTS 39, kept for every person, client and account.

Two names of one kind may not have one skeleton, so a second "Ann Lee" with a Cyrillic A is refused. A name may mix
scripts only as UTS 39 calls it highly restrictive: Latin with Chinese, Japanese or Korean, and nothing else.
"""

import sqlite3
from typing import Literal

import disarm

Kind = Literal["person", "client", "account"]
_TABLES: dict[Kind, str] = {"person": "persons", "client": "clients", "account": "accounts"}
_EAST_ASIAN = (
    {"Latin", "Han", "Hiragana", "Katakana"},
    {"Latin", "Han", "Bopomofo"},
    {"Latin", "Han", "Hangul"},
)
"""Scripts that honest names mix (UTS 39, section 5.2, "highly restrictive")."""


def skeletons(name: str) -> set[str]:
    """What a name looks like as it is written, and in small letters: a capital I looks like an l, and is an i.

    The library folds letter by letter; that "rn" looks like "m" is said here, as in the table of UTS 39.
    """
    return {disarm.skeleton_key(text, digit_policy="tr39").replace("rn", "m") for text in (name, name.casefold())}


def mixed_scripts(name: str) -> str:
    """The scripts that a single name mixes against the rule, as words; empty when it does not."""
    scripts = {script.value.title() for script in disarm.detect_scripts(name)}
    if len(scripts) < 2 or any(scripts <= allowed for allowed in _EAST_ASIAN):
        return ""
    return " and ".join(sorted(scripts))


_VERSION = f"{disarm.CONFUSABLES_VERSION} {disarm.__version__}"


def is_current(db: sqlite3.Connection) -> bool:
    """Whether this file's skeletons were made by these tables of Unicode."""
    return db.execute("SELECT version FROM spelling_tables").fetchall() == [(_VERSION,)]


def refresh(db: sqlite3.Connection) -> None:
    """Make all skeletons anew unless they are current, inside the caller's transaction."""
    if is_current(db):
        return
    db.execute("DELETE FROM spellings")
    for kind, table in _TABLES.items():
        for (name,) in db.execute(f"SELECT name FROM {table} ORDER BY rowid").fetchall():
            add(db, kind, name)
    db.execute("DELETE FROM spelling_tables")
    db.execute("INSERT INTO spelling_tables VALUES (?)", (_VERSION,))


def problem(db: sqlite3.Connection, kind: Kind, name: str) -> str:
    """Why a new name is refused, with the name that it looks like; empty when it is not."""
    mixed = mixed_scripts(name)
    if mixed:
        return f"{name!r} mixes {mixed} letters in one name; write it in one script (Latin may stand beside Chinese)"
    for looks in sorted(skeletons(name)):
        found = db.execute("SELECT name FROM spellings WHERE kind = ? AND skeleton = ?", (kind, looks)).fetchone()
        if found is not None and found[0] != name:
            return f"{name!r} looks like {found[0]!r}; write it so, or tell the two apart"
    return ""


def add(db: sqlite3.Connection, kind: Kind, name: str) -> None:
    """Keep the skeletons of a new name."""
    rows = [(kind, looks, name) for looks in skeletons(name)]
    db.executemany("INSERT OR IGNORE INTO spellings VALUES (?, ?, ?)", rows)
