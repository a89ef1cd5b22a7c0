"""What a soak must show: nothing told is lost, every cancel was answered, memory is flat, the log is sound."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import engine
from bench.soak import ledger
from bench.soak.clients import Kind
from bench.soak.makers import Maker, Taker
from bench.soak.served_venue import MEGABYTE
from engine import host
from engine.codes import CommandKind
from engine.schema import EVENT
from gateway.read_model.event_fold import LEG_ROW

FIGURES = (
    "log_sequence_total", "journal_lag_commands", "journal_lag_seconds", "journal_sync_seconds", "outbox_turns",
    "batch_commands", "queries_waiting", "engine_jobs", "surveillance_lag_commands", "registry_pending_changes",
    'slow_connections{port="public"}', "snapshot_age_seconds", "disk_free_bytes", "process_open_fds",
    "process_cpu_seconds_total", "history_memory_rows", "report_memory_rows", "surveillance_waiting_events",
    "queries_served_late_total",
)  # fmt: skip
"""What is kept of the venue's own metrics."""
READ_ONLY = 'health_state{state="read_only"}'
QUEUES = FIGURES[1:11]
WINDOWS = {
    "history_memory_rows": LEG_ROW.itemsize, "report_memory_rows": LEG_ROW.itemsize,
    "surveillance_waiting_events": EVENT.itemsize,
}  # fmt: skip
"""What the venue keeps in memory up to a limit of its settings, and the bytes of one row."""
MIN_SAMPLES = 5
FLAT_SHARE = 0.05
"""Memory is flat when an hour would add no more than this share of it, or nothing that can be told from nothing."""


def spread(delays_ns: Sequence[int]) -> dict[str, float]:
    """p50, p99, p99.9 and the largest of some delays, in milliseconds, and how many there are."""
    if not delays_ns:
        return {}
    points = np.percentile(np.asarray(delays_ns, np.float64) / 1e6, [50, 99, 99.9, 100])
    names = ("p50_ms", "p99_ms", "p99_9_ms", "max_ms")
    return {name: round(float(point), 3) for name, point in zip(names, points, strict=True)} | {"count": len(delays_ns)}


def told(makers: Sequence[Maker]) -> dict[str, Any]:
    """What all makers together sent and were told."""
    refusals: Counter[str] = Counter()
    for maker in makers:
        refusals.update(maker.refusals)
    flags = {
        "orders_sent": ledger.NEW_SENT, "orders_told": ledger.NEW_TOLD, "orders_refused": ledger.NEW_REFUSED,
        "cancels_sent": ledger.CANCEL_SENT, "cancels_told": ledger.CANCEL_TOLD,
        "cancels_of_ended_orders": ledger.CANCEL_REFUSED,
    }  # fmt: skip
    counts = {name: sum(maker.ledger.count(flag) for maker in makers) for name, flag in flags.items()}
    return counts | {
        "cut_connections": sum(maker.lost_connections for maker in makers),
        "cancels_cut_and_sent_again": sum(maker.cut_cancels for maker in makers),
        "cancels_unanswered": sum(maker.ledger.unanswered for maker in makers if not isinstance(maker, Taker)),
        "answers_out_of_order": sum(maker.out_of_order for maker in makers),
        "refusals": dict(refusals),
    }


def compare_with_log(journal: Path, makers: Sequence[Maker]) -> dict[str, Any]:
    """Read the whole log and hold it against the makers' books: what is missing, and what is there twice."""
    places = {maker.trader.account_slot: place for place, maker in enumerate(makers)}
    placed = [np.zeros(maker.ledger.next_id, np.uint8) for maker in makers]
    cancelled = [np.zeros(maker.ledger.next_id, np.uint8) for maker in makers]
    reader, foreign = host.JournalReader(journal), 0
    for batch in reader.batches():
        for kind, counted in ((CommandKind.NEW, placed), (CommandKind.CANCEL, cancelled)):
            rows = batch[batch["kind"] == kind]
            for slot in np.unique(rows["account_slot"]).tolist():
                if slot not in places:
                    continue
                ids = rows["cl_ord_id"][rows["account_slot"] == slot]
                counts = counted[places[slot]]
                is_known = (ids > 0) & (ids < len(counts))
                foreign += int(np.count_nonzero(~is_known))
                np.add.at(counts, ids[is_known], 1)
    lost = {"orders": 0, "cancels": 0}
    twice = 0
    for maker, news, cancels in zip(makers, placed, cancelled, strict=True):
        flags = maker.ledger.flags[: maker.ledger.next_id]
        lost["orders"] += int(np.count_nonzero((flags & ledger.NEW_TOLD != 0) & (news == 0)))
        is_told = (flags & ledger.CANCEL_SENT != 0) & (flags & ledger.CANCEL_TOLD != 0)
        lost["cancels"] += int(np.count_nonzero(is_told & (cancels == 0)))
        twice += int(np.count_nonzero(news > 1))
    return {
        "commands": reader.last_seq, "orders_lost": lost["orders"], "cancels_lost": lost["cancels"],
        "orders_twice": twice, "orders_never_sent": foreign,
    }  # fmt: skip


async def audited(data: Path, every: int) -> dict[str, Any]:
    """`lionrock verify --audit` on the folder: its exit code and what it says."""
    root = str(Path(engine.__file__).parents[1])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", "verify", "--audit", "--json", "--every", str(every), str(data),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip
    said, complaint = await process.communicate()
    try:
        facts = json.loads(said)
    except ValueError:
        facts = {}
    return {"audit_exit_code": process.returncode, "audit": facts, "audit_said": complaint.decode()[-500:]}


def memory_of(samples: Sequence[dict[str, float]], settle_s: float) -> dict[str, float]:
    """How resident memory moves in MB a minute, and its error, after the first minutes of each life of the process.

    What the windows of `WINDOWS` have held at most in that life is taken off before: each is bounded, some fill only
    when the machine is busy, and the C library keeps what they let go of for the next time. One slope for each life;
    the mean of them counts, and its standard error says how far they differ.
    """
    lives: dict[float, list[dict[str, float]]] = {}
    for sample in samples:
        if "rss_mb" in sample:
            lives.setdefault(sample["life"], []).append(sample)
    slopes, middles, windows = [], [], 0.0
    for life in lives.values():
        held = windows_mb(life)
        rows = [(row, most) for row, most in zip(life, held, strict=True) if row["age_s"] >= settle_s]
        if len(rows) >= MIN_SAMPLES:
            minutes = np.array([row["age_s"] / 60 for row, _ in rows])
            own = np.array([row["rss_mb"] - most for row, most in rows])
            slopes.append(float(np.polyfit(minutes, own, 1)[0]))
            middles.append(float(np.median([row["rss_mb"] for row, _ in rows])))
            windows = max(windows, held[-1])
    if not slopes:
        return {}
    error = float(np.std(slopes, ddof=1) / np.sqrt(len(slopes))) if len(slopes) > 1 else 0.0
    return {
        "slope_mb_per_minute": round(float(np.mean(slopes)), 3), "slope_error": round(error, 3), "lives": len(slopes),
        "median_mb": round(float(np.median(middles)), 1), "first_life_mb": round(middles[0], 1),
        "last_life_mb": round(middles[-1], 1), "windows_mb": round(windows, 1),
    }  # fmt: skip


def windows_mb(life: Sequence[dict[str, float]]) -> list[float]:
    """What the bounded windows have held at most up to each sample of one life of the process, in MB."""
    sizes = np.array([[row.get(name, 0.0) * size for name, size in WINDOWS.items()] for row in life])
    most: list[float] = (np.maximum.accumulate(sizes, axis=0).sum(axis=1) / MEGABYTE).tolist()
    return most


def is_flat(found: dict[str, float]) -> bool:
    """Whether memory that was judged is flat."""
    growth_mb = found["slope_mb_per_minute"] * 60
    return growth_mb <= FLAT_SHARE * found["median_mb"] or found["slope_mb_per_minute"] <= 2 * found["slope_error"]


def most(samples: Sequence[dict[str, float]]) -> dict[str, float]:
    """The largest value of each queue and of each process's memory, and the median of the queues."""
    found: dict[str, float] = {}
    names = dict.fromkeys(name for sample in samples for name in sample)
    for name in names:
        values = [sample[name] for sample in samples if name in sample]
        if name in QUEUES or name.endswith("_mb"):
            found[name] = round(max(values), 6)
        if name in QUEUES:
            found[f"{name} median"] = round(float(np.median(values)), 6)
    return found


def failures(outcome: Any, kinds: Sequence[Kind], judges_memory: bool) -> list[str]:
    """What the venue did not keep, a line each."""
    found = [fault for kind in kinds for fault in kind.faults]
    for name in ("orders_lost", "cancels_lost", "orders_twice", "orders_never_sent", "orders_still_open"):
        if outcome.checks[name]:
            found.append(f"{name}: {outcome.checks[name]}")
    for name in ("cancels_unanswered", "answers_out_of_order"):
        if outcome.makers[name]:
            found.append(f"{name}: {outcome.makers[name]}")
    if outcome.checks["audit_exit_code"]:
        found.append(f"lionrock verify --audit: {outcome.checks['audit_exit_code']}: {outcome.checks['audit_said']}")
    if judges_memory and outcome.memory and not is_flat(outcome.memory):
        found.append(f"memory grows: {outcome.memory}")
    return found
