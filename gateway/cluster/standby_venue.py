"""A venue that follows another one's log, answers questions from it, and can lead from where it ends.

It is made of the same parts as a venue that leads. Until `lead`, its commands come from the log alone, and it writes
nothing of its own accord but snapshots and history, which any start makes of the log. Then it is a venue like others.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import host
from engine.code_values import COMMAND_LABEL
from gateway import clock
from gateway.clock import Accepted, ClockError, VenueTime, length
from gateway.config import Config
from gateway.read_model.history import History
from gateway.read_model.history_store import open_store
from gateway.sessions.actions import Pending
from gateway.venue.health import Effect
from gateway.venue.recovery import Recovered, write_pair
from gateway.venue.registry_intents import replayed_results
from gateway.venue.sequencer import Origin, Parts, Sequencer
from gateway.venue.venue import Progress, Venue

NAME = "STANDBY"
"""The reason that refused clients read, and the name under which the venue's health has it."""
_CAUSE = "this node is a standby: it follows the log of the node that leads"
_REMEDY = "send orders to the node that leads; this one takes them when it leads itself"
_ALL = 1 << 62
_LOG = logging.getLogger("lionrock.cluster")


class FollowingSequencer(Sequencer):
    """Applies the log's commands as they come; takes none itself until it leads."""

    leads = False
    on_followed: Callable[[Any, Any], None]
    """Called with commands of the log and what they did."""

    def __init__(self, engine: Any, parts: Parts, batch_rows: int) -> None:
        super().__init__(engine, parts, batch_rows)
        self._observers = (*parts.observers, self)
        self._followed: Any = None

    @property
    def has_work(self) -> bool:
        return self.leads and super().has_work

    def submit(self, rows: bytes, origin: Origin | None, pending: Pending | None) -> int:
        """Nothing goes into the log before this node leads."""
        return super().submit(rows, origin, pending) if self.leads else self.engine.last_seq

    def keep_time(self) -> None:
        """Time comes with the log's commands before this node leads."""
        if self.leads:
            super().keep_time()

    def follow(self, rows: Any) -> None:
        """Apply commands of the log, a batch at a time, and tell whoever listens. A label stays with its command."""
        done = 0
        while done < len(rows):
            end = min(done + self._capacity, len(rows))
            if end < len(rows) and rows["kind"][end] == COMMAND_LABEL:
                end -= 1
            self._followed = rows[done:end]
            self._received_ns, self._count = clock.steady_ns(), end - done
            self._stage.rows[: self._count] = self._followed
            self.settle()
            done = end
        self._followed = None
        self._stamped_ns = max(self._stamped_ns, int(rows["time_ns"][-1]))

    def offer(self, events: Any, seq: int) -> None:
        """The events of the batch that ended with this sequence."""
        if self._followed is not None:
            self.on_followed(self._followed, events)


class StandbyVenue(Venue):
    """A venue on the data folder of a standby: `take` follows, `lead` makes it a venue that trades."""

    takes_commands = False
    sequencer_type = FollowingSequencer
    sequencer: FollowingSequencer

    def __init__(self, config: Config, *args: Any) -> None:
        self._followed_results: dict[int, tuple[int, int, int]] = {}
        super().__init__(config, *args)
        self._followed_results.update((result[0], result) for result in self._results)
        self._results = []
        self.sequencer.on_followed = self._note_followed
        self.take_registry()
        self.health.report(NAME, Effect.READ_ONLY, _CAUSE, _REMEDY, is_meant=True)

    # --- following ------------------------------------------------------------------------------------------------

    def take(self, rows: Any) -> None:
        """Apply commands of the log, which the journal has already."""
        self.sequencer.follow(rows)

    def take_registry(self) -> None:
        """The registry's file says now what the leader's does: what is noted there need not be remembered here."""
        self.projection.set_contracts(self.registry.contracts())
        pending = {intent.reference for intent in self.registry.pending_intents(limit=_ALL)}
        self._followed_results = {
            reference: result for reference, result in self._followed_results.items() if reference in pending
        }
        if not self._followed_results:
            unfinished = {seq for seq, _ in self.registry.unfinished_sweeps()}
            ended = self._sweeps.ended(self.engine.last_seq)
            self._sweeps.forget([seq for seq in ended if seq not in unfinished])

    def _note_followed(self, commands: Any, events: Any) -> None:
        self._sweeps.begin_replayed(commands)
        self._sweeps.offer(events, int(commands[-1]["seq"]))
        self._followed_results.update((found[0], found) for found in replayed_results(commands, events))

    # --- leading --------------------------------------------------------------------------------------------------

    @property
    def clock_fault(self) -> str:
        """Why this node's clock forbids it to lead; empty when it does not."""
        ahead_ns, stop_ns = clock.wall_ns() - int(self.engine.root[0]["now_ns"]), self._time_bounds.stop_ns
        if not stop_ns or ahead_ns <= stop_ns or not self.engine.last_seq:
            return ""
        return f"this node's clock is {length(ahead_ns)} ahead of the log, more than max_stop_days allows; set it right"

    def lead(self) -> None:
        """Go on as the log's one writer, from the last command that was taken. `start` begins to trade then."""
        self.engine.lead(self._journal_options())
        _begin(self.time, int(self.engine.root[0]["now_ns"]))
        self.decided.take_over()
        self._results += self._followed_results.values()
        self._followed_results = {}
        super()._take_up()
        self.takes_commands = self.sequencer.leads = True
        self.health.clear(NAME)
        self.watch_journal()

    # --- what a venue does by itself waits until it leads ------------------------------------------------------------

    def _open_history(self) -> History:
        """The history, with a store of its own: it is made of the log, wherever it is read."""
        path, rows = self.config.history, self.config.history_rows
        return History(open_store(path, self.config.history_days), rows) if rows else History()

    def _open_engine(self, progress: Progress | None, expected: host.Expected) -> host.Engine:
        """The engine on a copy of the log. What the registry knows of it may come behind what is here."""
        journal = self.config.journal
        recovered = Recovered(self.projection, self._sweeps, Path(self.config.data))
        engine = host.Engine.follow(journal, recovered.sink, progress)
        try:
            recovered.finish(engine, journal, progress)
        except BaseException:
            engine.close()
            raise
        self._results += recovered.results.values()
        return engine

    def _start_time(self, accepted: Accepted) -> VenueTime:
        time = VenueTime(self._time_bounds)
        _begin(time, int(self.engine.root[0]["now_ns"]))
        return time

    def _take_up(self) -> None:
        """The registry is the leader's until this node leads."""

    def start(self) -> None:
        """Begin to trade, once this node leads."""
        if self.takes_commands:
            super().start()

    def take_intents(self) -> None:
        """What the registry wants is the leader's to do."""
        if self.takes_commands:
            super().take_intents()

    def keep_time(self) -> None:
        """Some times a second: follow the clock."""
        if self.takes_commands:
            super().keep_time()
        else:
            self.time.follow()

    def tick(self) -> None:
        """About every second: learn which keys were revoked, look at the disk, write snapshots."""
        if self.takes_commands:
            super().tick()
            return
        with contextlib.suppress(sqlite3.Error):
            self.context.end_revoked_keys()
        self.disk_space.look()
        if self.engine.copy is not None:
            self.snapshots.tick(self.engine.copy.synced_seq)

    def close(self) -> None:
        """Write a snapshot if a start could go on from it, and unlock the folder."""
        if self.takes_commands:
            super().close()
            return
        try:
            self._close_standby()
        except BaseException:
            self.abandon()
            raise

    def _close_standby(self) -> None:
        self.snapshots.close()
        self.scrub.close()
        self._stories.close()
        self.gateway_log.abandon()
        self.execution_throttle.close()
        # A start replays what is behind the snapshot alone: what the registry has not noted would be done again.
        if self.engine.last_seq and not self._followed_results and not self._sweeps.ended(self.engine.last_seq):
            with self.disk_space.sparing():
                write_pair(self.engine, self.projection, Path(self.config.data))
        self.history.close()
        self.engine.close()
        self.registry.close()


def _begin(time: VenueTime, log_ns: int) -> None:
    """Have a node's time begin with its clock, and never before the log ends. A standby asks nobody."""
    try:
        time.start(log_ns)
    except ClockError as error:
        _LOG.warning("%s; this node goes on from the log's time", error)
        time.start(log_ns, "log" if clock.wall_ns() < log_ns else "wall")
