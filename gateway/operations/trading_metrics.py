"""Figures of commands on their way: rates, refusals, stages, queues and the journal."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from prometheus_client.core import Metric

from engine.codes import CommandKind, Reason
from gateway import clock
from gateway.operations.families import NS_PER_S, counter, counters, gauge, histograms
from gateway.venue.venue import Venue

_REGISTRY_LOOK = 1000


class Counted:
    """What the read model has counted since the venue began to serve: recovery's commands are left out."""

    def __init__(self, venue: Venue) -> None:
        self._view = venue.projection.view[0]
        self._commands = self._view["commands_counted"].copy()
        self._refusals = self._view["refusals_counted"].copy()

    def families(self) -> Iterator[Metric]:
        """Commands by kind, refusals by reason. Each kind and reason appears when it was first counted."""
        commands = self._view["commands_counted"] - self._commands
        kinds = [((CommandKind(kind).name.lower(),), float(commands[kind])) for kind in _counted(commands)]
        yield counters("commands", "Commands that the engine has applied, by kind", ("kind",), kinds)
        refusals = self._view["refusals_counted"] - self._refusals
        reasons = [((Reason(reason).name,), float(refusals[reason])) for reason in _counted(refusals)]
        text = "Commands that the engine has refused, by the rulebook's reason"
        yield counters("refusals", text, ("reason",), reasons)


def _counted(numbers: Any) -> list[int]:
    """Where something was counted."""
    places: list[int] = np.flatnonzero(numbers).tolist()
    return places


def families(venue: Venue) -> Iterator[Metric]:
    """Requests, stages, queues, and what the journal has still to make durable."""
    context, sequencer, engine = venue.context, venue.sequencer, venue.engine
    requests = [((method,), float(count)) for method, count in sorted(context.requests.items())]
    text = "Requests by method; plain orders that compiled code reads are counted as commands alone"
    yield counters("requests", text, ("method",), requests)
    refusals = [((code,), float(count)) for code, count in sorted(context.refusals.items())]
    yield counters("request_refusals", "Requests that the gateway has refused, by error code", ("code",), refusals)
    stages = sequencer.stage_times.histograms()
    text = "How long a batch took from stage to stage, in seconds, of one batch in eight"
    yield histograms("stage_seconds", text, "stage", stages)
    yield gauge("batch_commands", "Commands in the batch that is being collected", sequencer.collected)
    yield gauge("outbox_turns", "Turns of the loop whose answers wait until they are durable", sequencer.unsent)
    turns = context.turns
    yield gauge("queries_waiting", "Requests that wait for their share of the loop's time", turns.waiting)
    yield gauge("queries_waiting_most", "The most that have waited at once since the start", turns.most_waiting)
    text = "Requests, and slices of large answers, that were served after they had waited"
    yield counter("queries_served_late", text, turns.served_late)
    state = engine.root[0]
    yield gauge("engine_jobs", "Jobs that wait inside the engine, such as mass cancellations", int(state["jobs_count"]))
    text = "Accounts that wait for liquidation"
    yield gauge("liquidation_accounts", text, int(state["liquidation_count"]))
    pending = len(venue.registry.pending_intents(limit=_REGISTRY_LOOK))
    text = f"Changes of the registry that the log does not have yet, {_REGISTRY_LOOK} at most"
    yield gauge("registry_pending_changes", text, pending)
    yield from _journal(venue)


def _journal(venue: Venue) -> Iterator[Metric]:
    engine, journal = venue.engine, venue.engine.journal
    yield counter("log_sequence", "The last command's sequence", engine.last_seq)
    yield counter("log_durable_sequence", "The last durable command's sequence", engine.durable_seq)
    yield gauge("journal_lag_commands", "Commands applied and not durable", engine.last_seq - engine.durable_seq)
    text = "How long the oldest answers have waited to be durable, in seconds"
    yield gauge("journal_lag_seconds", text, venue.sequencer.waiting_ns / NS_PER_S)
    if journal is not None:
        text = "How long a sync of the journal takes, a running mean in seconds"
        yield gauge("journal_sync_seconds", text, journal.sync_ns / NS_PER_S)
        yield gauge("journal_tip_sequence", "What the tip proves to be durable; -1 without a tip", journal.tip_seq)
        yield gauge("journal_segment_number", "The journal's segment being written", journal.segment_number)
    yield from _copies(venue)
    supervisor = venue.execution_throttle.supervisor
    text = "Commands that the rules of surveillance are behind the log; 0 when no rule is on"
    yield gauge("surveillance_lag_commands", text, supervisor.lag_commands)
    text = "Events in memory that wait for the rules of surveillance"
    yield gauge("surveillance_waiting_events", text, supervisor.waiting_rows)
    text = "1 while a process runs the rules of surveillance"
    yield gauge("surveillance_running", text, float(supervisor.is_running))


def _copies(venue: Venue) -> Iterator[Metric]:
    """The replicated log; nothing on a machine alone."""
    copies = venue.released.copies
    if copies is None:
        status = venue.context.cluster() if venue.context.cluster is not None else {}
        if status.get("role") == "standby":
            text = "The last sequence of the leader's log that this standby has applied"
            yield counter("cluster_applied_sequence", text, int(str(status["applied_sequence"])))
            text = "Commands that this standby is behind what the leader last said: a mirror's loss if it ended now"
            yield gauge("cluster_behind_commands", text, int(str(status["behind_commands"])))
            text = "For how long this standby has heard nothing of the leader, in seconds"
            yield gauge("cluster_silent_seconds", text, int(str(status["silent_ms"])) / 1000)
        return
    yield counter("cluster_replicated_sequence", "The last sequence that the stream has", copies.replicated_seq)
    text = "How long the oldest record has waited for the stream, in seconds"
    yield gauge("cluster_wait_seconds", text, copies.waiting_ns / NS_PER_S)
    yield gauge("cluster_unconfirmed_bytes", "Records that the stream is not known to have", copies.unconfirmed_bytes)
    yield gauge("cluster_epoch", "The epoch in which this node leads", copies.epoch)
    yield gauge("cluster_leading", "1 while the stream takes what this node writes", float(copies.is_leading))
    text = "How often the process that publishes the log had to be begun again"
    yield counter("cluster_publisher_restarts", text, copies.restarts)
    bases = copies.bases
    yield counter("cluster_base_failures", "Bases for standbys that could not be put into the store", bases.failures)
    if bases.last_seq:
        text = "The last command in the newest base that this node has put into the object store"
        yield counter("cluster_base_sequence", text, bases.last_seq)
        yield gauge("cluster_base_age_seconds", "How old that base is", (clock.wall_ns() - bases.last_ns) / NS_PER_S)
        yield gauge("cluster_base_duration_seconds", "How long it took to put it", bases.last_seconds)
        yield gauge("cluster_base_bytes", "How large it is on a disk", bases.last_bytes)
        text = "The first message that the stream had behind it: what is older was purged"
        yield gauge("cluster_stream_first_message", text, bases.stream_first_seq)
