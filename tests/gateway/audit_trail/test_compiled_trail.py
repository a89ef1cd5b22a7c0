"""The compiled trail: every byte of an export is that of the plain one in Python, which is written from the format."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.codes import CommandKind, Mode
from engine.statements.decision_figures import look
from engine.units import JIT
from gateway.audit_trail import block_follower, export
from gateway.audit_trail.linked_blocks import linked
from gateway.audit_trail.read_ahead import THREAD, ahead, end_if_left
from gateway.audit_trail.records import Scope
from gateway.audit_trail.row_writer import write_rows
from gateway.audit_trail.whole_trail import trail, trail_of
from tests import build, flow, kinds, rights_flow, risk_flow
from tests.gateway.audit_trail import plain_figures
from tests.gateway.audit_trail.journals import Live, commands_of, three_days
from tests.gateway.audit_trail.plain_export import plain_export, plain_trail
from tests.pair import CAPACITIES, capacities

LARGE_LOTS = 1 << 60
ENDS = ("begin", "count", "end")
"""Records of the trail itself."""


def risky(folder: Path) -> Live:
    """Margin, liquidations, funding, deleveraging."""
    live = Live(folder, risk_flow.CAPACITIES)
    live.send(np.concatenate(risk_flow.set_up()))
    live.send(risk_flow.flow(5, 3000))
    return live


def busy(folder: Path) -> Live:
    """Every kind of command, bad input, amendments, mass cancels, states and restrictions."""
    live = Live(folder, CAPACITIES, Mode.RESEARCH)
    live.send(commands_of(flow.stage()))
    live.send(commands_of(flow.flow(3, 2000)))
    live.send(commands_of(list(kinds.every_kind().values())))
    live.send(build.directive(99, account_slot=3, code=-7, value=-(1 << 63)))
    live.send(build.directive(CommandKind.VENUE_SET, code=300, digest=(1, -1, 1 << 62, 0)))
    return live


def lost(folder: Path) -> Live:
    """Rights that end while many orders rest: some are cancelled on contact, some are amended too late."""
    live = Live(folder, capacities(rights_flow.LIMITS), Mode.RESEARCH)
    live.send(commands_of(rights_flow.rights_stage()))
    live.send(commands_of(rights_flow.losses())[:4000])
    return live


def large(folder: Path) -> Live:
    """Orders that nobody can carry: their value, and for one what it needs, are beyond int64; others follow them."""
    live = Live(folder, risk_flow.CAPACITIES)
    live.send(np.concatenate(risk_flow.set_up()))
    live.send(risk_flow.flow(5, 400))
    now_ns = int(live.engine.root["now_ns"][0])
    for lots, price in ((LARGE_LOTS, 2000), (3, 1990), (-LARGE_LOTS, 2000), ((1 << 63) - 1, 1 << 29), (4, 1989)):
        live.send(build.new(5, build.BUY, lots, price, time_ns=now_ns))
        live.send(build.new(6, build.SELL, lots, price, time_ns=now_ns))
    return live


MADE = {"risky": risky, "busy": busy, "lost": lost, "large": large, "days": three_days}


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The journals by name."""
    return {name: make(tmp_path_factory.mktemp(name) / "journal").close() for name, make in MADE.items()}


def exported(journal: Path, scope: Scope, kind: str, path: Path) -> bytes:
    """The bytes of an export."""
    found = trail_of(journal, scope)
    export.write(linked(found.items, found.note, kind), path, kind)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("name", MADE)
def test_every_byte_is_the_plain_one(name: str, kind: str, journals: dict[str, Path], tmp_path: Path) -> None:
    scope = Scope(with_index=name == "risky")
    made = exported(journals[name], scope, kind, tmp_path / f"a.{kind}")
    assert made.splitlines() == plain_export(journals[name], scope, kind).splitlines()


@pytest.mark.parametrize(("name", "account"), [("risky", 3), ("lost", 4), ("busy", 1), ("large", 5)])
def test_every_byte_of_one_account_and_period_is_the_plain_one(
    name: str, account: int, journals: dict[str, Path], tmp_path: Path
) -> None:
    times = [record["time_ns"] for record in trail(journals[name], Scope()) if "time_ns" in record]
    scope = Scope(account, times[len(times) // 8], times[-len(times) // 8] + 1)
    made = exported(journals[name], scope, "jsonl", tmp_path / "a.jsonl")
    assert made.splitlines() == plain_export(journals[name], scope, "jsonl").splitlines()
    assert len(made.splitlines()) > 5


@pytest.mark.parametrize("name", ["risky", "busy", "large", "days"])
def test_parquet_has_the_same_records_in_groups_of_rows(
    name: str, journals: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    monkeypatch.setattr("gateway.audit_trail.parquet_columns.GROUP_ROWS", 700)
    if name == "large":  # has an order whose value is beyond int64
        with pytest.raises(ValueError, match=r"order_value_micros is .*choose --format csv or jsonl"):
            exported(journals[name], Scope(), "parquet", path)
        assert not path.exists()
        return
    exported(journals[name], Scope(), "parquet", path)
    records = list(plain_trail(journals[name], Scope()))
    assert list(export.read(path)) == [{name: row[name] for name in export.NAMES if name in row} for row in records]


def test_figures_beyond_int64_are_told_exactly(journals: dict[str, Path]) -> None:
    found = [row for row in trail(journals["large"], Scope()) if row.get("qty_lots") == LARGE_LOTS]
    assert found and all(row["order_value_micros"] == LARGE_LOTS * 2000 * 1000 for row in found)
    assert any(row.get("need_micros", 0) > 1 << 63 for row in found)


def test_a_small_ring_and_few_rows_change_nothing(
    journals: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ring that is too small for a command grows, and rows that do not suffice come in several blocks."""
    wanted = exported(journals["risky"], Scope(), "jsonl", tmp_path / "a.jsonl")
    monkeypatch.setattr("engine.host.RING_ROWS", 128)
    monkeypatch.setattr(block_follower, "BLOCK_ROWS", 2)
    assert exported(journals["risky"], Scope(), "jsonl", tmp_path / "b.jsonl") == wanted


def test_the_figures_of_a_live_refusal_are_the_plain_ones(journals: dict[str, Path]) -> None:
    """`look` of each command on the state at the end, where half of them are nonsense."""
    follower = block_follower.BlockFollower(journals["risky"])
    commands = np.concatenate([rows.copy() for rows in follower.reader.batches()])
    for _ in follower.rows(Scope(to_ns=1)):
        pass
    other = block_follower.BlockFollower(journals["risky"])
    list(other.rows(Scope()))
    seen = 0
    for command in commands[::7]:
        found = look(other.root, command)
        assert found == plain_figures.look(other.root, command) and list(found) == list(
            plain_figures.look(other.root, command)
        )
        seen += bool(found)
    assert seen > 100


def test_who_reads_ahead_gets_everything_and_every_error() -> None:
    assert list(ahead(range(1000), 2)) == list(range(1000))

    def broken() -> Any:
        yield 1
        raise ValueError("no more")

    taken = ahead(broken(), 2)
    assert next(taken) == 1
    with pytest.raises(ValueError, match="no more"):
        next(taken)
    endless = ahead(iter(int, 1), 2)
    assert next(endless) == 0
    endless.close()
    assert not any(thread.name == "read ahead" for thread in threading.enumerate())


def test_no_row_is_behind_the_sequence_up_to_which_a_trail_is_asked_for(journals: dict[str, Path]) -> None:
    """Also where the journal's record goes on behind it."""
    whole = list(trail(journals["risky"], Scope()))
    middle = whole[len(whole) // 2]["seq"]
    for until_seq in range(middle, middle + 3):
        told = [row for row in trail(journals["risky"], Scope(), until_seq=until_seq) if row["record"] not in ENDS]
        assert max(row["seq"] for row in told) <= until_seq
        assert len(told) == len([row for row in whole if row["record"] not in ENDS and row["seq"] <= until_seq])


@pytest.mark.skipif(not JIT, reason="without compiled code nothing is kept")
def test_kept_code_of_the_writer_is_that_of_its_tables() -> None:
    """numba keeps code by the types of its parameters: one of them bears a checksum of all that goes into the code."""
    assert all("made_of_" in str(signature[0]) for signature in write_rows.signatures)
    assert write_rows.signatures


INTERRUPTED = """
import itertools, os, signal, sys, threading, time
from gateway import cli
from gateway.audit_trail.read_ahead import THREAD, ahead, end_if_left
from gateway.commands import audit

def work():  # one item that takes for ever, as a compiler does, or compiled code without the interpreter's lock
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    threading.Event().wait()
    yield

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what is in the background without it
audit.run = lambda options: list(ahead(work(), 1))
cli.main(["audit", "verify", "nothing.csv"])
"""


def test_a_person_who_interrupts_waits_for_no_thread() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (128 + signal.SIGINT, "")


def test_an_item_that_takes_long_ends_when_nobody_asks_for_it() -> None:
    made = []

    def work() -> Iterator[int]:
        yield 1
        while True:  # no item any more
            made.append(1)
            end_if_left()

    taken = ahead(work(), 2)
    assert next(taken) == 1
    taken.close()
    assert made and not [thread for thread in threading.enumerate() if thread.name == THREAD]
