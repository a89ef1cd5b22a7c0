"""The alerts and their reviews, in SQLite beside the journal. Nothing in it is ever deleted.

An alert grows until somebody has reviewed it; what comes later is a new one. Every row has a checksum, as in the
registry.
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from engine import disk
from gateway.registry import row_checks, write_ahead_log
from gateway.registry.errors import SQLITE_FAULTS, DamagedError, in_one_line
from gateway.registry.tables import Transaction
from gateway.surveillance.activity import Alert

STATES = ("open", "reviewed", "dismissed", "escalated")
SCHEMA_VERSION = 2
WAIT_SECONDS, LOOP_WAIT_SECONDS = 5.0, 0.1
"""How long it is waited for another process that writes: by a process of its own, and in the venue's loop."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS alerts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL UNIQUE, rule TEXT NOT NULL, text TEXT NOT NULL,
    time_ns INTEGER NOT NULL, contract_slot INTEGER NOT NULL, accounts TEXT NOT NULL, first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL, evidence TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS reviews (
    number INTEGER PRIMARY KEY AUTOINCREMENT, alert INTEGER NOT NULL REFERENCES alerts, state TEXT NOT NULL,
    reviewer TEXT NOT NULL, note TEXT NOT NULL, time_ns INTEGER NOT NULL) STRICT
"""
_REMEDY = "restore it from a backup; without this file `lionrock alerts list --replay` finds the alerts again"
_COLUMNS = "alerts.number, rule, text, time_ns, contract_slot, accounts, first_seq, last_seq"
_LATEST = "(SELECT alert, state, reviewer, note, max(number) FROM reviews GROUP BY alert) AS latest"
"""The latest review of each alert."""


class AlertError(ValueError):
    """A review that is refused: one line with the remedy."""


@dataclass(frozen=True)
class Review:
    """The results of a person's review."""

    state: str
    reviewer: str
    note: str
    time_ns: int


@dataclass(frozen=True)
class Filed:
    """An alert with its number and the state and reviewer of its latest review."""

    number: int
    rule: str
    text: str
    time_ns: int
    contract_slot: int
    accounts: list[int]
    first_seq: int
    last_seq: int
    state: str
    reviewer: str
    note: str
    evidence: dict[str, Any]


def file_of(data: Path) -> Path:
    """The path of the alerts in a data folder."""
    return data / "alerts.db"


def filed(number: int, alert: Alert) -> Filed:
    """The state of an alert without a review."""
    proof = alert.evidence._asdict()
    return Filed(
        number, alert.rule, alert.text, alert.time_ns, alert.contract_slot, list(alert.accounts), alert.first_seq,
        alert.last_seq, "open", "", "", proof,
    )  # fmt: skip


class AlertStore:
    """The open file of alerts, or an empty one when there is no path. Only the thread that opened it uses it."""

    def __init__(self, path: Path | None, is_known: bool = False) -> None:
        """`is_known`: the venue's loop opens it, which has checked the file and its log at the start. They are not
        read again now, which would hold the loop, and nobody waits long for another process that writes."""
        if path is not None:
            disk.make_empty(path)
            torn = "" if is_known else write_ahead_log.damage(path)
            if torn:
                raise AlertError(str(DamagedError(f"{path}-wal", torn, _REMEDY)))
        wait_seconds = LOOP_WAIT_SECONDS if is_known else WAIT_SECONDS
        self._db = sqlite3.connect(path or ":memory:", timeout=wait_seconds, isolation_level=None)
        try:
            self._prepare(path, is_known)
        except SQLITE_FAULTS as error:
            self._db.close()
            raise AlertError(f"{path}: {in_one_line(error)}; see what holds it or has damaged it") from None
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, path: Path | None, is_known: bool) -> None:
        """Make the tables of a new file, upgrade an older one; AlertError when a row is not as it was written."""
        self._db.execute("PRAGMA journal_mode=WAL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise AlertError(f"{path}: alerts of version {version}, this program reads {SCHEMA_VERSION}; use its own")
        if path is not None:
            is_checked = row_checks.is_installed(self._db)
            found = row_checks.damage(self._db, path) if is_checked and not is_known else ""
            if is_checked != (version == SCHEMA_VERSION):
                found = f"version {version}, with{'' if is_checked else 'out'} checksums of its rows"
            if found:
                raise AlertError(str(DamagedError(path, found, _REMEDY)))
        if version < SCHEMA_VERSION:
            with Transaction(self._db):
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                row_checks.install(self._db)
                self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, alerts: Iterable[Alert]) -> None:
        """File alerts; one that was filed before, for example before a restart, grows or stays as it is."""
        alerts = [*alerts]
        if not alerts:
            return
        with Transaction(self._db):
            for alert in alerts:
                self._add(alert)

    def _add(self, alert: Alert) -> None:
        digest = _digest(alert)
        query = "SELECT number, last_seq, number IN (SELECT alert FROM reviews) FROM alerts WHERE digest = ? OR"
        query += " digest > ? AND digest < ? ORDER BY number DESC LIMIT 1"
        before = self._db.execute(query, (digest, f"{digest}/", f"{digest}0")).fetchone()
        facts = (
            alert.text, alert.time_ns, json.dumps(alert.accounts), alert.last_seq, json.dumps(alert.evidence._asdict()),
        )  # fmt: skip
        number, last_seq, is_reviewed = before or (0, 0, False)
        if before is None or (is_reviewed and alert.last_seq > last_seq):
            name = digest if before is None else f"{digest}/{number}"
            columns = "text, time_ns, accounts, last_seq, evidence, digest, rule, contract_slot, first_seq"
            first_seq = alert.first_seq if before is None else last_seq + 1
            row = (*facts, name, alert.rule, alert.contract_slot, first_seq)
            self._db.execute(f"INSERT INTO alerts ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        elif alert.last_seq > last_seq:
            query = "UPDATE alerts SET text = ?, time_ns = ?, accounts = ?, last_seq = ?, evidence = ? WHERE number = ?"
            self._db.execute(query, (*facts, number))

    def alerts(self, state: str = "", rule: str = "") -> list[Filed]:
        """Alerts in the order of filing; with a state or a rule, only those."""
        return [item for item in self._filed("") if state in ("", item.state) and rule in ("", item.rule)]

    def latest(self, state: str, count: int, before: int = (1 << 63) - 1) -> list[Filed]:
        """So many alerts in a state, or in any, the latest before a number first, without evidence: it is large."""
        clause = "WHERE alerts.number < ? AND (? = '' OR coalesce(latest.state, 'open') = ?)"
        return self._filed(clause, before, state, state, count, order="DESC LIMIT ?", evidence="'{}'")

    def alert(self, number: int) -> Filed:
        """One alert. AlertError when there is none."""
        for item in self._filed("WHERE alerts.number = ?", number):
            return item
        raise AlertError(f"alert {number}: there is none; `lionrock alerts list` shows them")

    def _filed(
        self, clause: str, *values: object, order: str = "ASC", evidence: str = "alerts.evidence"
    ) -> list[Filed]:
        tables = f"alerts LEFT JOIN {_LATEST} ON latest.alert = alerts.number {clause}"
        columns = f"{_COLUMNS}, {evidence}, latest.state, reviewer, latest.note"
        query = f"SELECT {columns} FROM {tables} ORDER BY alerts.number {order}"
        rows = self._db.execute(query, values)
        return [_filed(row) for row in rows]

    def review(self, number: int, review: Review) -> Filed:
        """Add a review; earlier ones stay. Every review has a reviewer and a reason."""
        if review.state not in STATES:
            raise AlertError(f"state: {review.state!r}; choose from {', '.join(STATES)}")
        if not review.reviewer.strip():
            raise AlertError("reviewer: say who reviews it")
        if not review.note.strip():
            raise AlertError("note: say why")
        self.alert(number)
        row = (number, review.state, review.reviewer.strip(), review.note.strip(), review.time_ns)
        with Transaction(self._db):
            self._db.execute("INSERT INTO reviews (alert, state, reviewer, note, time_ns) VALUES (?, ?, ?, ?, ?)", row)
        return self.alert(number)

    def reviews(self, number: int) -> list[Review]:
        """All reviews of an alert, oldest first."""
        query = "SELECT state, reviewer, note, time_ns FROM reviews WHERE alert = ? ORDER BY number"
        return [Review(*row) for row in self._db.execute(query, (number,))]


def _filed(row: tuple[Any, ...]) -> Filed:
    number, rule, text, time_ns, contract, accounts, first, last, evidence, state, reviewer, note = row
    named = state or "open", reviewer or "", note or ""
    return Filed(
        number, rule, text, time_ns, contract, json.loads(accounts), first, last, *named, json.loads(evidence)
    )  # fmt: skip


def _digest(alert: Alert) -> str:
    return blake3(json.dumps(alert.identity).encode()).hexdigest()
