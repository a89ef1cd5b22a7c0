"""Figures of what looks after the data folder while the venue runs: snapshots and archives, history, checks."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from gateway import clock
from gateway.operations.families import NS_PER_S, counter, gauge
from gateway.read_model.history_store import WrittenStore
from gateway.venue.venue import Venue


def families(venue: Venue) -> Iterator[Metric]:
    """How far snapshots, history and the checks of old files have come, and what went wrong with them."""
    yield from _snapshots(venue)
    yield from _history(venue)
    yield from _scrub(venue)


def _snapshots(venue: Venue) -> Iterator[Metric]:
    snapshots = venue.snapshots
    if snapshots.last_ns:
        age_ns = venue.time.now_ns() - snapshots.last_ns
        yield gauge("snapshot_age_seconds", "Seconds since the last command of the newest snapshot", age_ns / NS_PER_S)
    behind = venue.engine.durable_seq - snapshots.last_seq
    yield gauge("snapshot_lag_commands", "Durable commands behind the newest snapshot: what a start replays", behind)
    text = "How long the last snapshot took beside the venue, in seconds; 0 before the first"
    yield gauge("snapshot_duration_seconds", text, snapshots.last_seconds)
    yield gauge("snapshot_running", "1 while a process writes one", float(snapshots.is_running))
    yield counter("snapshot_failures", "Snapshots beside the venue that failed since the start", snapshots.failures)
    text = "Journal segments compressed into the archive since the start"
    yield counter("archived_segments", text, snapshots.archived_segments)


def _history(venue: Venue) -> Iterator[Metric]:
    history, store = venue.history, venue.history.store
    yield counter("history_rows", "Rows of history since the venue began", history.end)
    yield gauge("history_memory_rows", "Rows of history in memory", history.rows_in_memory)
    text = "Order states and notices in memory, which venue/resume tells again"
    yield gauge("report_memory_rows", text, venue.projection.report_rows)
    if not isinstance(store, WrittenStore):
        return
    yield gauge("history_disk_rows", "Rows of history on disk; forgotten ones among them", min(store.end, history.end))
    text = "Full segments of history that wait to be written"
    yield gauge("history_waiting_segments", text, store.figures.segments_waiting)
    is_faulty = bool(store.figures.fault or store.figures.index_fault)
    yield gauge("history_fault", "1 while history cannot be written or indexed; the log says why", float(is_faulty))


def _scrub(venue: Venue) -> Iterator[Metric]:
    scrub = venue.scrub
    yield gauge("scrub_running", "1 while old segments and snapshots are checked", float(scrub.is_running))
    yield gauge("scrub_faults", "Damaged files that the last check found", len(scrub.faults))
    if scrub.checked_ns:
        age_ns = clock.wall_ns() - scrub.checked_ns
        yield gauge("scrub_age_seconds", "Seconds since a check of all of them ended", age_ns / NS_PER_S)
        yield gauge("scrub_checked_bytes", "Bytes that the last check has read", scrub.checked_bytes)
