"""What a resting order takes in memory: the pages of the state that are there, array by array."""

import os
from pathlib import Path

import numpy as np

from bench.cancel import SPEC, RestingBook
from bench.engine_runner import Rows, market
from bench.measurement import Measurement, Plan, SkippedError
from engine.schema import POOLED, STATE, VENUE, Capacities

PAGEMAP = Path("/proc/self/pagemap")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ENTRY_BYTES = 8
ARRAYS = ("orders", "own", "cells", "levels", "nodes", "details", "labels")
WHAT = {
    "orders": "order rows",
    "own": "links of an account's orders",
    "cells": "index of client ids",
    "levels": "price levels",
    "nodes": "price index",
    "details": "rows for what only some orders have",
    "labels": "label texts",
}


def resident_bytes(root: Rows) -> dict[str, int]:
    """How much of each array of a state is in memory, in whole pages. SkippedError where the system does not tell."""
    if not PAGEMAP.exists():
        raise SkippedError(f"the memory of each array is read from {PAGEMAP}, which this system has not")
    start = root.ctypes.data
    with PAGEMAP.open("rb", buffering=0) as pages:
        pages.seek(start // PAGE_BYTES * ENTRY_BYTES)
        count = (start + STATE.itemsize) // PAGE_BYTES - start // PAGE_BYTES + 1
        entries = np.frombuffer(pages.read(count * ENTRY_BYTES), np.uint64)
    there = np.concatenate([[0], np.cumsum(entries >> np.uint64(63) != 0)])
    result = {}
    for name in ARRAYS:
        dtype, offset = STATE.fields[name][:2]  # type: ignore[index]
        first = (start % PAGE_BYTES + offset) // PAGE_BYTES
        last = (start % PAGE_BYTES + offset + dtype.itemsize - 1) // PAGE_BYTES
        result[name] = int(there[last + 1] - there[first]) * PAGE_BYTES
    return result


def memory(plan: Plan) -> list[Measurement]:
    """Bytes an order, by kind of row and in all but labels."""
    orders = plan.size(4_000, 4_000_000)
    plan.progress(f"entering {orders:,} orders")
    runner, first_seq = market(SPEC, VENUE if plan.full else Capacities(orders=4_096))
    before = resident_bytes(runner.root)
    book = RestingBook(orders, plan.seed, (runner, first_seq))
    grown = {name: size - before[name] for name, size in resident_bytes(runner.root).items()}
    load = float(runner.root["order_map"]["live"][0] / runner.root["order_map"]["size"][0])
    workload = f"{len(book.ids):,} resting orders with client ids, index load factor {load:.2f}"
    digest = runner.digest()
    total = sum(size for name, size in grown.items() if name != "labels")
    figures = [_figure("memory-order", total / orders, workload, "in all, labels apart; resident pages")]
    figures += [
        _figure(f"memory-{name}", grown[name] / orders, workload, _note(runner.root, name, orders)) for name in ARRAYS
    ]
    return [
        Measurement(name, value, "bytes/order", load_text, plan.seed, digest, note=note)
        for name, value, load_text, note in figures
    ]


def _figure(name: str, value: float, workload: str, note: str) -> tuple[str, float, str, str]:
    return name, round(value, 2), workload, note


def _note(root: Rows, name: str, orders: int) -> str:
    """What the array holds, and how many bytes of rows are in use."""
    if name == "cells":
        size = int(root["order_map"]["size"][0])
        return f"{WHAT[name]}: {8 * size / orders:.2f} are the table, the rest the smaller ones before it"
    if name in ("details", "labels"):
        return f"{WHAT[name]}: not touched by plain orders"
    used = int(root[POOLED[name]][0])
    return f"{WHAT[name]}: {used:,} rows in use, {used * STATE[name].base.itemsize / orders:.2f} bytes an order"
