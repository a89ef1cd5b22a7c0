"""The composition root: builds a venue's parts and ties them together, and opens and closes its data folder.

Everything of a running venue is here but the sockets: registry, engine, read model, hub, sequencer, surveillance, the
gateway's log and what sessions share. No part is tied to another anywhere else.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

from engine import host
from engine.codes import AccountAttribute, Mode
from gateway import clock
from gateway.audit_trail.gateway_log import GatewayLog
from gateway.clock import NS_PER_S, Accepted, ClockError, TimeBounds, VenueTime, utc
from gateway.config import Config
from gateway.index_feeds.sources import configured
from gateway.market_data.hub import Hub
from gateway.office.onboarding import bind_accounts
from gateway.plain_orders.compiled_path import CompiledPath
from gateway.read_model.history import History
from gateway.read_model.history_store import follow, open_store
from gateway.read_model.operator_views import OperatorViews
from gateway.read_model.projection import Projection
from gateway.registry.registry import WAIT_SECONDS, BusyError, RegistryError, Result
from gateway.sessions import binary_protocol
from gateway.sessions.dead_mans_switch import of_countdown, of_lost_connection
from gateway.sessions.operation import Operation
from gateway.sessions.shared_context import Context, make_context
from gateway.surveillance.store import AlertStore, file_of
from gateway.venue import losses
from gateway.venue.clock_watch import ClockWatch
from gateway.venue.daily_review import DailyReview
from gateway.venue.decided_settings import DecidedSettings
from gateway.venue.disk_space import DiskSpace
from gateway.venue.execution_throttle import ExecutionThrottle, Links
from gateway.venue.gateway_log_writer import GatewayLogWriter
from gateway.venue.health import Effect, Health
from gateway.venue.losses import AcceptedLoss
from gateway.venue.order_stories import OrderStories
from gateway.venue.recovery import Recovered, write_pair
from gateway.venue.registry_intents import IntentPending, directive_row
from gateway.venue.released import Copies, Released
from gateway.venue.scrub import Scrub
from gateway.venue.sequencer import Parts, Sequencer
from gateway.venue.side_files import open_side_files
from gateway.venue.snapshots import Snapshots
from gateway.venue.start_phases import StartPhases
from gateway.venue.state_ahead import StateAhead
from gateway.venue.sweeps import Sweeps, sweep_row

Progress = Callable[[int, int], None]
InLoop = Callable[..., None]
"""Calls a function with its arguments soon, in the venue's own thread."""
REGISTRY_SECONDS = 0.1
"""How long trading may stand still while another process writes the registry."""
_LOG = logging.getLogger("lionrock.venue")


def _at_once(call: Callable[..., None], *args: Any) -> None:
    call(*args)


def _raise(error: Exception) -> None:
    raise error


class Venue:
    """One exchange on one data folder. Not thread-safe: one loop uses it."""

    takes_commands = True
    """Whether anything goes into its log."""
    sequencer_type = Sequencer

    def __init__(
        self,
        config: Config,
        progress: Progress | None = None,
        in_loop: InLoop = _at_once,
        fail: Callable[[Exception], None] = _raise,
        accepted: AcceptedLoss | None = None,
        accepted_time: Accepted = "",
    ) -> None:
        """`in_loop` runs calls of other threads; `fail` gets the error of a failed batch, which stops the venue.

        `accepted` is a person's decision to go on with a journal that is shorter than what is proven of it.
        `accepted_time` is one to believe a clock or a log. Raises ClockError when that is needed and missing.
        """
        self.config = config
        sources = configured(config.index_feeds, config.scripted_index)
        self._in_loop, self._fail = in_loop, fail
        self.phases = StartPhases()
        self.registry, vault = open_side_files(config)
        self.phases.end("registry")
        self.history = self._open_history()
        self.projection = Projection(host.RING_ROWS, config.report_rows, self.history)
        self.phases.end("compiled read model")
        self._results: list[tuple[int, int, int]] = []
        self._changes_seen, self._registry_copied = -1, (-1, -1)
        self._last_reference = 0
        self._unmarked: dict[int, tuple[int, int, int]] = {}
        self._durable: list[tuple[int, int, int]] = []
        self._sweeps = Sweeps()
        self.engine = self._open_engine(progress, losses.expected(config, self.registry, accepted))
        self.released = Released(self.engine)
        self.time = self._start_time(accepted_time)
        self.accepted: list[str] = []
        """What became of each change that was lost with a part of the log, a line each."""
        if accepted is not None:
            aside = self.engine.recovery.set_aside
            self.accepted = losses.settle(self.registry, accepted, aside, self.time.now_ns())
        for seq, kind in self.registry.unfinished_sweeps():
            self._sweeps.begin(seq, kind)
        self.history.follow(lambda: self.released.seq)
        self._start_projection()
        self.phases.end("books")
        self.hub = Hub(self.projection)
        self.decided = DecidedSettings(config.surveillance, sources, self.registry, self.engine.root[0], self.time)
        self.execution_throttle = ExecutionThrottle(config, self.registry, self._links())
        surveillance = self.execution_throttle.supervisor
        compiled_path = CompiledPath(self.projection, config.testnet, config.max_frame_bytes)
        observers = (self._sweeps, surveillance)
        parts = Parts(self.time, self.projection, self.hub, compiled_path, observers, self.released)
        self.sequencer = self.sequencer_type(self.engine, parts, config.batch_rows)
        self.context: Context = make_context(config, self.registry, vault, self.time, self.settle, self.submit_intents)
        self.context.operation = self._operation()
        self.daily_review = DailyReview(self.registry, self.projection, self.submit_intents)
        log = GatewayLog(config.gateway_log, config.gateway_log_days)
        self.gateway_log = GatewayLogWriter(log, self.context.notes, lambda row: self.sequencer.submit(row, None, None))
        self._look_after_folder()
        self._take_up()
        self.registry.wait_at_most(REGISTRY_SECONDS)

    def _links(self) -> Links:
        """What the execution throttle needs of this venue."""
        return Links(
            self.engine.root[0], lambda: self.released.seq, self.submit_intents, self._in_loop,
            self.decided.parameters, self.time,
        )  # fmt: skip

    def _operation(self) -> Operation:
        """What officers see of this venue; the server adds its connections."""
        alerts = file_of(Path(self.config.data))
        self._stories = OrderStories(Path(self.config.data))
        views = OperatorViews(self.history, self.engine.root)
        return Operation(views, lambda: AlertStore(alerts, is_known=True), self._stories.ask)

    def _look_after_folder(self) -> None:
        """Make the parts that look after the data folder while the venue runs, and what they report to."""
        config = self.config
        self.health = Health(self._heed_health)
        self._clock_watch = ClockWatch(self.time, self.registry, self.health, config.max_clock_step_ms * 1_000_000)
        recovery = self.engine.recovery
        self.snapshots = Snapshots(config, self.health, recovery.snapshot_seq, recovery.snapshot_ns)
        self.disk_space = DiskSpace(Path(config.data), config.disk_reserve_bytes, self.health)
        self._state_ahead = StateAhead(self.engine.root)
        self.scrub = Scrub(Path(config.data), config.scrub_hours, config.scrub_bytes_per_s, self.health)

    def _take_up(self) -> None:
        """Have the registry know what the log holds of it, and ask for what is missing there."""
        self._check_registry()
        self._note(self._results, self.engine.last_seq)
        self._results = []
        if self._may_be_unbound():
            bind_accounts(self.registry, self.time.now_ns())
        self.phases.end("registry checked")

    def _may_be_unbound(self) -> bool:
        """Whether the log has an account without a client, or not all accounts yet. To ask the registry takes long."""
        state = self.engine.root[0]
        used = int(state["accounts_used"])
        clients = state["profiles"]["values"][:used, AccountAttribute.CLIENT]
        return used < self.registry.next_account_slot() or not clients.all()

    @property
    def _time_bounds(self) -> TimeBounds:
        return TimeBounds(self.config.max_clock_step_ms * 1_000_000, self.config.max_stop_days * 86_400 * NS_PER_S)

    def _start_time(self, accepted: Accepted) -> VenueTime:
        """The venue's time, which begins no earlier than the log ends."""
        time, log_ns = VenueTime(self._time_bounds), int(self.engine.root[0]["now_ns"])
        try:
            time.start(log_ns, accepted)
        except ClockError:
            self.engine.close()
            self.history.close()
            self.registry.close()
            raise
        if accepted:
            _LOG.warning("an operator has accepted the time of the %s: the log ends at %s, the venue goes on at %s",
                         accepted, utc(log_ns), utc(time.now_ns()))  # fmt: skip
        return time

    def _open_history(self) -> History:
        """The history, with its store on disk; a venue that takes no commands writes none."""
        path, rows = self.config.history, self.config.history_rows
        if not rows:
            return History()
        return History(open_store(path, self.config.history_days) if self.takes_commands else follow(path), rows)

    def _start_projection(self) -> None:
        """Compile the read model and attach it to the engine's state."""
        self.projection.warm_up()
        binary_protocol.warm_up()
        self.projection.attach(self.engine.root)
        self.projection.books.load(self.engine.root[0])
        self.projection.set_contracts(self.registry.contracts())

    def watch_journal(self) -> None:
        """Release answers when the journal reports them durable. Call this before the first client connects."""
        if self.engine.journal is not None:
            self.engine.journal.watch(self._became_durable, lambda error: self._in_loop(self._fail, error))

    def _became_durable(self, seq: int) -> None:
        """The journal's thread has made more durable: note when, and have the venue's thread release the answers."""
        self.sequencer.stage_times.durable_ns = clock.steady_ns()
        self._in_loop(self.sequencer.release)

    def copy_to(self, copies: Copies) -> None:
        """From now on each record goes to others as well; answers wait for them where the settings say so.

        Call this before anything is written, or while nothing is.
        """
        assert self.engine.journal is not None
        self.released.copies, self.released.waits = copies, self.config.cluster.acknowledge == "replicated"
        copies.on_replicated = self._became_replicated
        self.engine.journal.tell_records(copies.on_record, copies.has_room if self.released.waits else None)
        self.snapshots.compare_by(copies.mark, self._tell_digest)
        copies.on_marked = self.snapshots.marked
        self._copy_registry()

    def _tell_digest(self, seq: int, digest: str) -> None:
        """A snapshot was written that ends at a mark. What the registry has noted by then goes ahead of its digest."""
        self._copy_registry()
        assert self.released.copies is not None
        self.released.copies.digested(seq, digest)

    def _became_replicated(self) -> None:
        """The copies have more: a record that was held for that is written while the answers are released."""
        if self.engine.journal is not None:
            self.engine.journal.go_on()
        self.sequencer.release()

    def start(self) -> None:
        """Begin to trade: start surveillance, and put the registry's pending intents into the log."""
        self.disk_space.look()
        self._cancel_for_lost()
        self.execution_throttle.start()
        self.take_intents()
        self.daily_review.look(self.time.now_ns())
        self.gateway_log.start(self.time.now_ns())
        self.scrub.start(self.registry.has_unread_rows)

    def _cancel_for_lost(self) -> None:
        """Cancel for whoever had asked for it and lost its connection in a crash, or whose countdown has run out."""
        self.context.last_connection = self.projection.last_connection
        for signer in list(self.projection.switches.connections.values()):
            self.sequencer.submit(of_lost_connection(self.projection, signer), None, None)
        self._cancel_for_run_out()
        self.settle()

    def _cancel_for_run_out(self) -> None:
        for signer in self.projection.switches.run_out(self.time.now_ns()):
            self.sequencer.submit(of_countdown(signer), None, None)

    def keep_time(self) -> None:
        """Some times a second: look at the clocks, and do what is due when no command does it."""
        self.time.follow()
        self._clock_watch.look()
        self.sequencer.keep_time()
        if self.released.copies is not None:
            self.released.copies.look(self.health)

    def _heed_health(self) -> None:
        """Have sessions and clients know what the venue takes from here on."""
        self.context.take_all_but(self.health.not_taken, self.health.refusal)
        self.projection.is_locked = self.health.effect >= Effect.NO_NEW_ORDERS

    def settle(self) -> None:
        """Apply the collected commands before the turn ends: the batch is full, or an answer must show them."""
        try:
            self.sequencer.settle()
        except Exception as error:
            self._fail(error)
            raise

    def _check_registry(self) -> None:
        """Refuse a registry that does not belong to this log: its numbers would mean other things."""
        state, registry = self.engine.root[0], self.registry
        known = {
            "accounts": (int(state["accounts_used"]), registry.next_account_slot()),
            "contracts": (int(state["contracts_used"]), len(registry.contracts())),
            "changes": (max((result[0] for result in self._results), default=0), registry.last_reference()),
        }
        for what, (logged, kept) in known.items():
            if logged > kept:
                self.engine.close()
                self.history.close()
                self.registry.close()
                place = self.config.registry
                raise RegistryError(f"{place}: {kept} {what}, the log has {logged}; restore the registry of this log")

    # --- opening and closing --------------------------------------------------------------------------------------

    def _open_engine(self, progress: Progress | None, expected: host.Expected) -> host.Engine:
        journal, options = self.config.journal, self._journal_options()
        if not host.holds_journal(journal):
            return host.Engine.create(journal, Mode.EXCHANGE, options=options, expected=expected)
        recovered = Recovered(self.projection, self._sweeps, Path(self.config.data))
        engine = host.Engine.open(journal, Mode.EXCHANGE, options, recovered.sink, progress, expected)
        try:
            recovered.finish(engine, journal, progress)
        except BaseException:
            engine.close()
            raise
        self._results += recovered.results.values()
        parts = engine.recovery.seconds | {"read model": recovered.load_seconds}
        parts["replay"] = max(0.0, parts.get("replay", 0.0) - recovered.load_seconds)
        self.phases.end("journal opened", parts)
        return engine

    def _journal_options(self) -> host.JournalOptions:
        return host.JournalOptions(
            host.Durability(self.config.durability), threaded=True, segment_bytes=self.config.segment_bytes,
            stays_awake=self.config.busy_poll_us > 0, keeps_tip=True,
        )  # fmt: skip

    def close(self) -> None:
        """Apply what is left, make it durable, write a snapshot, and unlock the folder.

        JournalError, OSError, sqlite3.Error when the disk fails: all is let go of then, and the journal is closed in
        order if it can be, so that the next start only replays more.
        """
        try:
            self._close_in_order()
        except BaseException:
            self.abandon()
            raise

    def _close_in_order(self) -> None:
        self.snapshots.close()
        self.scrub.close()
        self._stories.close()
        self.gateway_log.close(self.time.now_ns())
        self._make_durable()
        self.execution_throttle.close()
        self._make_durable()  # whom the rules stopped at the very end
        self.registry.wait_at_most(WAIT_SECONDS)
        # Note what the log holds before the snapshot is written: a start replays only what comes after it.
        self._note(self._unmarked.values(), self.engine.last_seq)
        if self.engine.last_seq:
            with self.disk_space.sparing():
                write_pair(self.engine, self.projection, Path(self.config.data))
        self.history.close()
        self.engine.close()
        if self.released.tip is not None:
            self.registry.keep_tip(*self.released.tip)
        self.registry.close()

    def leave(self, error: host.JournalError) -> None:
        """Unlock the folder without another record in its journal: another node leads, and its log goes on from there.

        `error` is what the journal says from here on. A snapshot is written if a start could go on from it.
        """
        try:
            self._leave_in_order(error)
        except BaseException:
            self.abandon()
            raise

    def _leave_in_order(self, error: host.JournalError) -> None:
        self.snapshots.close()
        self.scrub.close()
        self._stories.close()
        self.gateway_log.abandon()
        self.execution_throttle.close()
        # A start replays what is behind the snapshot alone: what the registry has not noted would be done again.
        if self.engine.last_seq and not self._unmarked and not self._sweeps.ended(self.engine.last_seq):
            with self.disk_space.sparing():
                write_pair(self.engine, self.projection, Path(self.config.data))
        assert self.engine.journal is not None
        self.engine.journal.refuse(error)
        self.history.close()
        self.engine.close()
        self.registry.close()

    def settle_registry(self) -> None:
        """Have the registry note what the log has of it, and those who have copies of the log get it."""
        self._mark_durable()
        self._copy_registry()

    def _make_durable(self) -> None:
        """Apply what was collected, and have it on the disk."""
        self.sequencer.settle()
        if self.engine.journal is not None:
            self.engine.journal.sync()

    def abandon(self) -> None:
        """Let go of everything as it is, after a disk that failed: nothing more is written."""
        self.execution_throttle.close()
        self.sequencer.abandon()
        self.snapshots.close()
        self.scrub.close()
        self._stories.close()
        self.gateway_log.abandon()
        self.history.abandon()
        with contextlib.suppress(host.JournalError, OSError):
            self.engine.close()
        with contextlib.suppress(sqlite3.Error):
            self.registry.close()

    # --- the registry ---------------------------------------------------------------------------------------------

    def take_intents(self) -> None:
        """Sequence what the registry wants in the log, when its file has changed."""
        changes = self.registry.changes()
        if changes == self._changes_seen:
            return
        self._changes_seen = changes
        self.decided.notice_officers()
        self.submit_intents()

    def submit_intents(self) -> dict[int, Result]:
        """Sequence every intent that the log does not have yet; answers what became of it by its reference.

        One that is under way is not sent again. Revoked keys end first, so none places an order behind its KEY_REVOKE.
        While nothing goes into the log they wait: whoever leads then takes them.
        """
        answered: dict[int, Result] = {}
        if self.sequencer.is_held:
            return answered
        while intents := self.registry.pending_intents(self._last_reference):
            self._last_reference = intents[-1].reference
            self._copy_registry()  # ahead of what follows from it: a log without its registry starts nowhere
            self.context.end_revoked_keys()
            for intent in intents:
                row = sweep_row(intent) if intent.sweeps else None
                if row is not None:
                    self.sequencer.submit(row, None, None)
                pending = IntentPending(intent.reference, self._results)
                seq = self.sequencer.submit(directive_row(intent), None, pending)
                if intent.sweeps:
                    self._sweeps.begin(seq, intent.kind)
            self.projection.set_contracts(self.registry.contracts())
            self.sequencer.settle()
            results, self._results = self._results, []
            orders_cancelled = self._sweeps.orders_cancelled
            answered.update({ref: Result(seq, reason, orders_cancelled(seq)) for ref, seq, reason in results})
            self._unmarked.update({result[0]: result for result in results})
            self.sequencer.close_turn(partial(self._mark, results))
        return answered

    def _copy_registry(self) -> None:
        """Have those who have copies of the log get the registry as it is now, if it has changed."""
        copies = self.released.copies
        if copies is None:
            return
        written = self.registry.written()
        if written != self._registry_copied:
            self._registry_copied = written
            copies.side_changed(self.config.registry)

    def _mark(self, results: list[tuple[int, int, int]]) -> None:
        """Note in the registry that the log holds these: they are durable."""
        self._durable += results
        self._mark_durable()

    def _mark_durable(self) -> None:
        """Note what is durable. A busy registry is tried again a second later; a restart would find it in the log.

        What is noted has to be on the disk whatever answers wait for: a registry ahead of its log stops a start.
        """
        if self._durable and self.engine.journal is not None and self.config.durability != "fsync":
            self.engine.journal.sync()
        try:
            self._note(self._durable, self.released.seq)
        except (BusyError, sqlite3.OperationalError) as error:
            _LOG.warning("what %d changes became is not noted yet: %s", len(self._durable), error)
            return
        for reference, _, _ in self._durable:
            self._unmarked.pop(reference, None)
        self._durable = []

    def _note(self, results: Collection[tuple[int, int, int]], durable_seq: int) -> None:
        """Have the registry note these results, and the sweeps that ended up to this sequence."""
        # A sweep is noted at its intent, so not before the intent is noted as in the log.
        later = {seq for _, seq, _ in self._unmarked.values()} - {seq for _, seq, _ in results}
        swept = {seq: orders for seq, orders in self._sweeps.ended(durable_seq).items() if seq not in later}
        if results or swept:
            self.registry.mark_applied(results, swept.items(), self.released.tip)
            self._sweeps.forget(swept)

    def tick(self) -> None:
        """About every second: countdowns, ended keys, surveillance, and what the registry could not be told before."""
        self._mark_durable()
        self.context.end_revoked_keys()
        if self.engine.journal is not None:
            self.engine.journal.keep_tip()
        self._clock_watch.tick()
        self.disk_space.look()
        self._state_ahead.look()
        self.scrub.tick()
        self._cancel_for_run_out()
        self.execution_throttle.tick()
        self.snapshots.tick(self.released.seq)
        self.daily_review.look(self.time.now_ns())
        self.gateway_log.tick(self.time.now_ns())
        self._copy_registry()
