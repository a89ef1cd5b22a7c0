"""The benchmarks by name."""

from collections.abc import Callable

from bench import (
    admission_gate,
    audit_export,
    cancel,
    engine_latency,
    history,
    journal,
    memory,
    order_flow,
    risk,
    scale,
    single_command,
    startup,
)
from bench.measurement import Measurement, Plan

SUITE: dict[str, tuple[str, Callable[[Plan], list[Measurement]]]] = {
    "flash1": ("the recorded workloads of a public matching-engine benchmark, reports checked", order_flow.flash1),
    "synthetic": ("generated flow: power-law depth, 95 % cancels, amends, IOC, swings", order_flow.synthetic_flow),
    "cancel": ("cost of a cancel against the number of resting orders", cancel.cancels),
    "latency": ("how long a command waits for the engine at fixed rates of arrivals", engine_latency.latency),
    "scale": ("cost of an order against contracts, accounts and resting orders, beside that of memory", scale.scale),
    "call": ("one command a call from Python", single_command.one_command),
    "start": ("cold and warm start of a process", startup.starts),
    "journal": ("journal on and off, beside what the disk alone allows", journal.journal),
    "journal-replay": ("a journal read back, verified and applied", journal.journal_replay),
    "orders": ("orders with margin, positions and fees of many accounts, everything on", risk.orders),
    "gate": ("rows 1 to 15 of the admission ladder, for an order that passes them", admission_gate.rows_1_to_15),
    "ticks": ("a mark tick that re-checks every position, and a funding settlement", risk.ticks),
    "cascade": ("liquidations of half of all accounts at one tick", risk.cascade),
    "deleveraging": ("the same into an empty book: all of it by deleveraging", risk.deleveraging),
    "history": ("memory, disk and pages of a history of many ended orders", history.history),
    "audit": ("an audit export in each format, records a second", audit_export.exports),
    "memory": ("bytes that a resting order takes, by kind of row", memory.memory),
}
"""Name -> (what it measures, function)."""
