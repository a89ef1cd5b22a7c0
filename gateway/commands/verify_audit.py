"""`lionrock verify --audit`: all invariants checked along a replayed journal, to the first that fails."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine import host, invariants
from engine.codes import CommandKind

EVERY = 10_000
"""After how many commands all invariants are checked, by default: with a hundred thousand open orders a check takes as
long as some thousand commands."""
FAR = 1 << 62
NARROWING = 100
"""What was found between two checks is looked for again with so many checks as far apart, until it is one command."""

Rows = Any
Progress = Callable[[int, int], None]


@dataclass
class Audit:
    """What the checks found. `sequence` is the first command after which `invariant` does not hold, 0: all held."""

    every: int
    checks: int = 0
    sequence: int = 0
    command: str = ""
    invariant: str = ""
    figures: str = ""
    held_until: int = 0


class FailedCheckError(Exception):
    """A check failed after the command `seq`, the last of `commands`."""

    def __init__(self, commands: Rows, seq: int, what: str) -> None:
        super().__init__(what)
        self.commands, self.seq = commands, seq


class Auditor:
    """Feeds a log to an engine and checks all invariants after each `every` commands, 0: never.

    It begins when all hold after the command `after`, and checks nothing before.
    """

    def __init__(self, engine: host.Engine, every: int, after: int = 0) -> None:
        self.engine, self.every = engine, every
        self.held_until, self.checks = after, 0
        self._last: Rows = None

    def feed(self, commands: Rows) -> None:
        """Apply a batch of the log. FailedCheckError as soon as a check fails, the engine's own or one of these."""
        done = 0
        while done < len(commands):
            end = min(done + self._room(), len(commands))
            if end < len(commands) and commands["kind"][end] == CommandKind.LABEL:
                end += 1
            self._apply(commands[done:end])
            done, self._last = end, commands[:end]
            if self.every and self.engine.last_seq >= self.held_until + self.every:
                self.check_last()

    def _room(self) -> int:
        """How many commands come before the next check, or before the first command that may be checked."""
        ahead = self.held_until - self.engine.last_seq
        if ahead > 0 or not self.every:
            return ahead if ahead > 0 else FAR
        return ahead + self.every

    def check_last(self) -> None:
        """Check all invariants now. FailedCheckError when one does not hold."""
        self.checks += 1
        try:
            invariants.check(self.engine.root)
        except invariants.AuditError as error:
            what = str(error).replace(" at slot", ": at slot", 1)
            raise FailedCheckError(self._last, self.engine.last_seq, what) from None
        self.held_until = self.engine.last_seq

    def _apply(self, commands: Rows) -> None:
        try:
            self.engine.feed(commands, _ignore)
        except host.BrokenError as error:
            last = error.fault.last_seq
            through = commands[commands["seq"] <= last]
            what = f"{error.fault.violation.name.lower()}: {error.fault.figures}"
            raise FailedCheckError(through, last, what) from None


def narrow(directory: Path, audit: Audit, broken: FailedCheckError, progress: Progress) -> None:
    """Find the first command after which an invariant fails, between the last check that held and the one that failed.

    The log is replayed again with checks that are closer together, and again with one after each command.
    """
    every = audit.every or EVERY
    while every > 1:
        every = max(every // NARROWING, 1)
        found = _replay_between(directory, audit, broken.seq, every, progress)
        if found is None:
            audit.sequence, audit.invariant = broken.seq, str(broken)
            audit.command = "found once and not again by the same commands: have this machine's memory tested"
            return
        broken = found
    rows = broken.commands[broken.commands["kind"] != CommandKind.LABEL]
    audit.sequence, audit.command = int(rows["seq"][-1]), _described(rows[-1])
    audit.invariant, _, audit.figures = str(broken).partition(": ")


def _replay_between(
    directory: Path, audit: Audit, until_seq: int, every: int, progress: Progress
) -> FailedCheckError | None:
    """Replay up to a sequence, with checks from the one on at which all held; what fails first."""
    reader = host.JournalReader(directory)
    auditor = Auditor(host.Engine(host.create(reader.capacities, reader.mode)), every, audit.held_until)
    try:
        for commands in reader.batches(until_seq):
            auditor.feed(commands)
            progress(reader.bytes_read, reader.bytes_total)
        auditor.check_last()
    except FailedCheckError as broken:
        return broken
    finally:
        audit.checks += auditor.checks
        audit.held_until = auditor.held_until
    return None


def _described(row: Rows) -> str:
    """A command in a few words."""
    kind = CommandKind(int(row["kind"])).name
    at = datetime.fromtimestamp(int(row["time_ns"]) // 10**9, UTC)
    return f"{kind} of account {int(row['account_slot'])} at {at:%Y-%m-%d %H:%M:%S} UTC"


def _ignore(commands: Rows, events: Rows) -> None:
    return None
