"""A journal replayed in compiled code, which makes rows of the trail of the commands that are wanted.

Each of these is done in two halves: the work that was due before it, then the command. Between them stands the state
that it was judged on. All other commands are only applied.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engine import host
from engine.code_values import COMMAND_LABEL, COMMAND_MASS_CANCEL, COMMAND_NEW, EXEC_LABELLED
from engine.kernels import part, unlocked
from engine.schema import COMMAND, DIRECTIVE, EVENT, MIN_EVENT_ROWS, NOTICE, record
from engine.statements import stepping
from engine.statements.decision_figures import TOO_LARGE, exact_figures, read_figures
from engine.statements.stepping import apply_at
from engine.units import FOREVER_NS
from gateway.audit_trail.read_ahead import end_if_left
from gateway.audit_trail.row_maker import account_of, client_of, holds, tell_command, tell_due
from gateway.audit_trail.trail_rows import ROW, records_of

BLOCK_ROWS = 512
"""So many rows of the trail are made at a time; they and their texts stay in the caches."""
_COMMANDS = 4096
_STRETCH = 512
"""So many commands at most that only have to be applied are applied in one call."""
DONE, FULL, CRAMPED, LARGE, BROKEN, ENDED = range(6)
"""Why `_follow` comes back: all commands are done, the rows are full, the ring is too small, a figure is beyond int64,
an invariant does not hold, the scope's time is over."""
_NEXT, _DUE, _LOOK, _JUDGE, _TELL = range(5)
WORK = record(
    [
        ("account_slot", "i8"),  # the scope
        ("from_ns", "i8"),
        ("to_ns", "i8"),
        ("with_index", "i8"),
        ("client", "i8"),
        ("code", "i8"),  # where the engine's entry lies
        ("stage", "i8"),  # where the present command stands
        ("place", "i8"),  # it, among the commands
        ("count", "i8"),  # of commands
        ("has_label", "i8"),
        ("is_covered", "i8"),
        ("left_ns", "i8"),
        ("written", "i8"),  # events of the present half
        ("used", "i8"),  # rows
    ]
)


@part
def _has_label(work, orders, place):
    """Whether the row behind a command is its label."""
    c = orders[place]
    if c.flags & EXEC_LABELLED == 0 or (c.kind != COMMAND_NEW and c.kind != COMMAND_MASS_CANCEL):
        return 0
    return 1 if place + 1 < work.count and orders[place + 1].kind == COMMAND_LABEL else 0


@part
def _stretch(work, orders, wanted):
    """How many commands from the present one on only have to be applied; a label's row is not parted from its own."""
    place = np.int64(work.place)
    while place < work.count and place - work.place < _STRETCH and not wanted[place]:
        size = 1 + _has_label(work, orders, place)
        if size == 2 and wanted[place + 1]:
            break
        place += size
    return place - work.place


@part
def _apply(root, work, span, events):
    """Apply a span to its end, its events behind those in the ring: DONE, CRAMPED or BROKEN."""
    ring, _, address = events
    room = len(ring) - work.written
    if room < MIN_EVENT_ROWS:
        return CRAMPED
    consumed, written = apply_at(work.code, root, span, (address, np.int64(work.written), room))
    if consumed < 0:
        return BROKEN
    work.written += written
    return DONE if consumed == span[2] else CRAMPED


@part
def _pass(root, work, commands, events, count):
    """Apply commands that are not told of; False when an invariant does not hold after them."""
    _, _, address, _, _ = commands
    ring, _, ring_address = events
    consumed, _ = apply_at(work.code, root, (address, np.int64(work.place), count), (ring_address, 0, len(ring)))
    work.place += max(consumed, 0)
    return consumed >= 0


@part
def _do_due(root, work, commands, events):
    """What is due before the present command."""
    s = root[0]
    orders, _, _, ticks, tick_address = commands
    stepping.begin_first_half(ticks[0], orders[work.place])
    status = _apply(root, work, (tick_address, 0, 1), events)
    if status == DONE:
        work.left_ns = stepping.end_first_half(s)
        work.stage = _LOOK
    return status


@part
def _look(s, work, commands, events, rows):
    """Tell what was due, and keep the figures of the present command in the row behind: LARGE when one is too large."""
    orders, directives, _, _, _ = commands
    ring, notices, _ = events
    c, d = orders[work.place], directives[work.place]
    work.used = tell_due(s, work, (ring, notices), rows, work.used)
    work.written = 0
    work.is_covered = holds(work, max(s.now_ns, c.time_ns), account_of(c, d), client_of(d))
    stepping.begin_second_half(s, work.left_ns)
    work.stage = _JUDGE
    if not work.is_covered:
        return DONE
    read_figures(s, rows[work.used], c, d)
    return LARGE if rows[work.used].present & TOO_LARGE else DONE


@part
def _judge(root, work, commands, events):
    _, _, address, _, _ = commands
    status = _apply(root, work, (address, np.int64(work.place), 1 + work.has_label), events)
    if status == DONE:
        stepping.end_second_half(root[0], work.left_ns)
        work.stage = _TELL
    return status


@part
def _begin(s, work, orders):
    c = orders[work.place]
    work.has_label = _has_label(work, orders, work.place)
    work.written, work.left_ns = 0, FOREVER_NS
    work.stage = _DUE if s.next_due_ns <= max(c.time_ns, s.now_ns) else _LOOK


@part
def _step(root, work, commands, events, rows):
    """The present command from where it stands to its end, if there is room."""
    s = root[0]
    orders, directives, _, _, _ = commands
    ring, notices, _ = events
    if work.stage == _NEXT:
        _begin(s, work, orders)
    if work.stage == _DUE:
        status = _do_due(root, work, commands, events)
        if status != DONE:
            return status
    if work.stage == _LOOK:
        if work.used + work.written + 1 > len(rows):
            return FULL
        status = _look(s, work, commands, events, rows)
        if status != DONE:
            return status
    if work.stage == _JUDGE:
        status = _judge(root, work, commands, events)
        if status != DONE:
            return status
    if work.used + work.written + 1 > len(rows):
        return FULL
    command = orders[work.place], directives[work.place]
    work.used = tell_command(s, work, command, (ring, notices), rows, work.used)
    work.place += 1 + work.has_label
    work.stage = _NEXT
    return ENDED if s.now_ns >= work.to_ns else DONE


@unlocked
def _follow(root, work, commands, events, rows, wanted):
    row = work[0]
    while row.place < row.count:
        if row.stage == _NEXT:
            stretch = _stretch(row, commands[0], wanted)
            if stretch > 0:
                if not _pass(root, row, commands, events, stretch):
                    return BROKEN
                continue
        status = _step(root, row, commands, events, rows)
        if status != DONE:
            return status
    return DONE


class BlockFollower:
    """Replays a journal once and makes rows of it. `root` is the present state of the replay."""

    def __init__(self, journal: Path) -> None:
        self.reader = host.JournalReader(journal)
        self.genesis = self.reader.position.chain.hex()
        self.root = host.create(self.reader.capacities, self.reader.mode)
        self._work = np.zeros(1, WORK)
        self._work["code"] = stepping.code_of_apply(self.root)
        orders, ticks = np.zeros(_COMMANDS, COMMAND), np.zeros(1, COMMAND)
        self._orders = orders
        self._commands = (
            orders, orders.view(DIRECTIVE), stepping.address_of(orders), ticks, stepping.address_of(ticks)
        )  # fmt: skip
        self._events = _ring(host.RING_ROWS)
        self._rows = np.empty(BLOCK_ROWS, ROW)
        self._exact: dict[int, dict[str, int]] = {}
        """By sequence the figures that are beyond int64."""

    def rows(self, scope: Any, stops: Any = None, until_seq: int | None = None) -> Iterator[Any]:
        """The rows of a scope in blocks, up to a sequence or the journal's end; what no row can hold comes as a dict.

        `stops` are the sequences of the commands that may have any, ascending; None: any command may.
        """
        for name in ("account_slot", "from_ns", "to_ns", "with_index", "client"):
            self._work[name] = getattr(scope, name)
        self._work["stage"] = _NEXT
        begun_ns = 0
        for batch in host.gathered(self.reader.batches(until_seq), _COMMANDS // 2):
            for commands in _pieces(batch):
                end_if_left()
                if begun_ns >= scope.to_ns:
                    break
                times = np.maximum.accumulate(np.maximum(commands["time_ns"], begun_ns))
                begun_ns = int(times[-1])
                wanted = times >= scope.from_ns
                if stops is not None:
                    places = np.searchsorted(stops, commands["seq"])
                    wanted &= np.append(stops, -1)[places] == commands["seq"]
                yield from self._follow(commands, wanted)
            if begun_ns >= scope.to_ns:
                break
        if self._work["used"][0]:
            yield from self._taken()

    def _follow(self, commands: Any, wanted: Any) -> Iterator[Any]:
        work = self._work
        self._orders[: len(commands)] = commands
        work["place"], work["count"], status = 0, len(commands), FULL
        while status not in (DONE, ENDED):
            status = int(_follow(self.root, work, self._commands, self._events, self._rows, wanted))
            if status == BROKEN:
                raise self._broken(commands)
            if status == CRAMPED:
                self._widen()
            elif status == LARGE:
                row = self._rows[int(work["used"][0])]
                self._exact[int(commands["seq"][work["place"][0]])] = exact_figures(self.root, row)
            elif status == FULL and work["used"][0]:
                yield from self._taken()
            elif status == FULL:
                self._replace_rows(2 * len(self._rows))

    def _taken(self) -> Iterator[Any]:
        """The rows that are made; of one that has a figure beyond int64 the record."""
        taken = self._rows[: int(self._work["used"][0])]
        self._replace_rows(BLOCK_ROWS)  # a command with more events has had more room
        done = 0
        for place in np.flatnonzero((taken["present"] & TOO_LARGE) != 0).tolist() if self._exact else ():
            if place > done:
                yield taken[done:place]
            record, done = next(records_of(taken[place : place + 1])), place + 1
            yield record | self._exact.pop(record["seq"])
        if done < len(taken):
            yield taken[done:]

    def _replace_rows(self, length: int) -> None:
        """Begin other rows; the figures behind those that are made are kept for the decision that they belong to."""
        used, rows = int(self._work["used"][0]), self._rows
        self._rows = np.empty(length, ROW)
        if used < len(rows):
            self._rows[0] = rows[used]
        self._work["used"] = 0

    def _widen(self) -> None:
        """A ring twice as large, for a command that did more than the present one holds."""
        ring = self._events[0]
        self._events = _ring(2 * len(ring))
        self._events[0][: len(ring)] = ring

    def _broken(self, commands: Any) -> host.BrokenError:
        """What a fault of the engine is called."""
        engine, place = host.Engine(self.root), int(self._work["place"][0])
        engine.last_seq = int(commands["seq"][place]) - 1
        try:
            engine.submit(commands[place : place + 1].copy())
        except host.BrokenError as error:
            return error
        raise AssertionError("an engine that is broken goes on")


def _ring(length: int) -> tuple[Any, Any, Any]:
    ring = np.zeros(length, EVENT)
    return ring, ring.view(NOTICE), stepping.address_of(ring)


def _pieces(batch: Any) -> Iterator[Any]:
    """A batch in pieces of at most so many commands; a label's row is not parted from its command."""
    done = 0
    while done < len(batch):
        end = min(done + _COMMANDS - 1, len(batch))
        if end < len(batch) and batch["kind"][end] == COMMAND_LABEL:
            end += 1
        yield batch[done:end]
        done = end
