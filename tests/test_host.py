"""The engine's host: journal before effect, recovery by replay, snapshots of the bytes in use, digests."""

import fcntl
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine as engine_package
from engine import batch_end, host
from engine.codes import CommandKind, EventKind, Mode, OrdType, TimeInForce
from engine.host import Durability, Engine, JournalError, JournalOptions, LossError
from engine.journal import SnapshotError, snapshot
from engine.journal.format import RECORD_BYTES, SEGMENT_BYTES
from engine.schema import COMMAND, EVENT, STATE, Capacities
from tests import build, flow
from tests.halves import do_due, judge
from tests.pair import Reference

Rows = np.ndarray[Any, Any]
CAPACITIES = Capacities(orders=256, accounts=16, positions=64, levels=512, nodes=2048, groups=8, persons=8, jobs=4)
COUNT = 1200


def script(seed: int, count: int = COUNT) -> Rows:
    """A market and drawn commands of every kind, numbered."""
    items = [*flow.stage(), *flow.flow(seed, count)]
    return np.concatenate(build.numbered([rows for rows in items if not isinstance(rows, Reference)]))


def cut(commands: Rows, size: int) -> list[Rows]:
    """Batches of about a size that keep a label with its command."""
    places, start = [0], 0
    while start < len(commands):
        start = min(start + size, len(commands))
        while start < len(commands) and commands["kind"][start] == CommandKind.LABEL:
            start += 1
        places.append(start)
    return [commands[begin:end] for begin, end in pairwise(places)]


def play(engine: Engine, commands: Rows, size: int = 64) -> Rows:
    """Submit everything; all events."""
    events = []
    for batch in cut(commands, size):
        events.append(engine.submit(batch).copy())
        engine.commit()
    return np.concatenate(events)


def fresh(mode: Mode = Mode.RESEARCH) -> Engine:
    """An engine without a journal."""
    return Engine(host.create(CAPACITIES, mode))


def test_a_stage_does_what_submit_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "RING_ROWS", 256)  # some batches need more than one ring
    commands = script(2)
    plain = Engine.create(tmp_path / "plain", Mode.RESEARCH, CAPACITIES)
    staged = Engine.create(tmp_path / "staged", Mode.RESEARCH, CAPACITIES)
    stage = staged.stage(64 + 1)
    for batch in cut(commands, 64):
        stage.rows[: len(batch)] = batch
        assert stage.submit(len(batch)).tobytes() == plain.submit(batch).tobytes()
    assert staged.digest() == plain.digest()
    plain.close()
    staged.close()
    assert staged.journal is not None and plain.journal is not None
    assert staged.journal.chain == plain.journal.chain


def test_a_stage_refuses_rows_that_are_not_numbered_on() -> None:
    engine = fresh()
    commands = script(3)[:8]
    stage = engine.stage(8)
    stage.rows[:] = commands
    stage.rows["seq"][7] += 1
    before = engine.digest()
    for count in (0, 8, 9):
        with pytest.raises(ValueError, match="do not follow 0"):
            stage.submit(count)
    assert engine.digest() == before
    assert len(stage.submit(7))
    with pytest.raises(ValueError, match="do not follow 7"):
        stage.submit(1)


def test_the_digest_does_not_depend_on_batches() -> None:
    commands = script(1)
    one, many, all_at_once = fresh(), fresh(), fresh()
    events = [play(one, commands, 1), play(many, commands, 7), play(all_at_once, commands, len(commands))]
    assert events[0].tobytes() == events[1].tobytes() == events[2].tobytes()
    assert one.digest() == many.digest() == all_at_once.digest()
    assert len(set(events[0]["kind"].tolist())) > 12, "the script goes through most of the engine"
    assert one.last_seq == len(commands)


def test_the_digest_does_not_depend_on_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = script(2)
    whole = fresh()
    expected = play(whole, commands, 400)
    monkeypatch.setattr(host, "RING_ROWS", 256)
    paused, rings, told = fresh(), [], []

    def sink(rows: np.ndarray, events: np.ndarray) -> None:
        assert events["seq"].min(initial=rows["seq"][0]) >= rows["seq"][0]
        assert events["seq"].max(initial=0) <= rows["seq"][-1], "the events of these commands"
        rings.append(events.copy())
        told.extend(rows["seq"].tolist())

    for batch in cut(commands, 400):
        paused.feed(batch, sink)
    assert len(rings) > 5 and np.concatenate(rings).tobytes() == expected.tobytes()
    assert sorted(set(told)) == commands["seq"].tolist() and len(told) < len(set(told)) + len(rings)
    assert play(fresh(), commands, 400).tobytes() == expected.tobytes(), "submit joins the rings"
    assert paused.digest() == whole.digest()


def test_every_command_moves_the_digest() -> None:
    state, seen = fresh(), set()
    for batch in cut(script(3, 150), 1):
        state.submit(batch)
        seen.add(state.digest())
    assert len(seen) == len(cut(script(3, 150), 1))


def test_mode_and_capacities_are_part_of_the_digest() -> None:
    larger = Capacities(**{**vars(CAPACITIES), "orders": 257})
    roots = [host.create(CAPACITIES), host.create(CAPACITIES, Mode.RESEARCH), host.create(larger)]
    assert len({host.digest(root) for root in roots}) == 3


@pytest.mark.parametrize(("field", "value"), [("orders", 0), ("orders", (1 << 22) + 1), ("jobs", -1)])
def test_capacities_beyond_the_layout_are_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"capacity {field}: {value} is not in 1.."):
        host.create(Capacities(**{**vars(CAPACITIES), field: value}))


def test_a_root_lies_on_a_cache_line_and_costs_what_it_touches() -> None:
    pages = Path("/proc/self/statm")
    before = int(pages.read_text().split()[1])
    roots = [host.create(CAPACITIES) for _ in range(4)]
    grown = (int(pages.read_text().split()[1]) - before) * os.sysconf("SC_PAGESIZE")
    assert all(root.ctypes.data % 64 == 0 and root.dtype == STATE for root in roots)
    assert grown < 64 << 20


@pytest.mark.parametrize("options", [None, JournalOptions(Durability.OS, threaded=True, segment_bytes=8192)])
def test_recovery_is_replay(tmp_path: Path, options: JournalOptions | None) -> None:
    commands = script(4)
    live = Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES, options)
    events, digest = play(live, commands, 16), live.digest()
    live.close()
    replayed: list[Rows] = []
    again = Engine.open(tmp_path, Mode.RESEARCH, options, lambda commands, events: replayed.append(events.copy()))
    assert np.concatenate(replayed).tobytes() == events.tobytes()
    assert (again.digest(), again.last_seq) == (digest, len(commands))
    assert again.recovery == host.Recovery(replayed=len(commands))
    again.close()


def test_small_records_are_replayed_together(tmp_path: Path) -> None:
    """Each command was synced by itself; a replay takes as many records at a time as make a slice, and no others."""
    count, until = 2 * host.SLICE_ROWS + 100, host.SLICE_ROWS + 50
    engine = Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES, JournalOptions(Durability.NONE))
    row = np.zeros(1, COMMAND)
    row["kind"] = CommandKind.TIME
    digests = {}
    for seq in range(1, count + 1):
        row["seq"], row["time_ns"] = seq, seq
        engine.submit(row)
        engine.commit()
        digests[seq] = engine.digest() if seq in (until, count) else ""
    engine.close()
    sizes: list[int] = []
    whole = Engine.read(tmp_path, sink=lambda commands, events: sizes.append(len(commands)))
    assert sizes == [host.SLICE_ROWS, host.SLICE_ROWS, 100] and whole.digest() == digests[count]
    part = Engine.read(tmp_path, until)
    assert part.last_seq == until and part.digest() == digests[until]
    part.snapshot()  # with the hash of the log at that place: a later one would make it another log's
    opened = Engine.open(tmp_path, Mode.RESEARCH)
    assert opened.recovery.snapshot_seq == until and opened.recovery.replayed == count - until
    assert opened.digest() == digests[count]
    opened.close()


def test_recovery_from_a_snapshot_replays_what_came_after(tmp_path: Path) -> None:
    commands = script(5)
    batches = cut(commands, 16)
    reference, live = fresh(), Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES)
    expected = np.concatenate([reference.submit(batch).copy() for batch in batches])
    for batch in batches[:30]:
        live.submit(batch)
    taken, taken_ns = live.snapshot(), int(live.root["now_ns"][0])
    assert taken.seq == live.last_seq and taken.digest.hex() == live.digest()
    for batch in batches[30:50]:
        live.submit(batch)
    live.close()
    found: list[Rows] = []
    again = Engine.open(tmp_path, Mode.RESEARCH, sink=lambda commands, events: found.append(events.copy()))
    assert again.recovery == host.Recovery(taken.seq, taken_ns, sum(map(len, batches[30:50])))
    found += [again.submit(batch).copy() for batch in batches[50:]]
    tail = np.concatenate(found)
    assert tail.tobytes() == expected[expected["seq"] > taken.seq].tobytes()
    assert again.digest() == reference.digest()
    again.close()


def test_a_snapshot_taken_right_after_opening_is_used(tmp_path: Path) -> None:
    live = Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES)
    play(live, script(6, 100))
    live.close()
    for replayed in (live.last_seq, 0, 0):
        again = Engine.open(tmp_path, Mode.RESEARCH)
        assert again.recovery.replayed == replayed and not again.recovery.ignored
        assert again.digest() == live.digest()
        again.snapshot()
        again.close()


def test_a_snapshot_after_every_command_kind_restores_the_same_state(tmp_path: Path) -> None:
    commands, state, seen = script(7), fresh(), set()
    for batch in cut(commands, 1):
        events = state.submit(batch)
        kinds = {int(batch["kind"][0]), *(-int(kind) for kind in events["kind"])}
        if kinds <= seen:
            continue
        seen |= kinds
        restored = Engine(host.restore(snapshot.write_snapshot(tmp_path, state.root, bytes(32))))
        assert restored.digest() == state.digest() and restored.last_seq == state.last_seq
        rest = commands[state.last_seq : state.last_seq + 40]
        if len(rest):
            assert play(restored, rest, 40).tobytes() == play(_copy(state), rest, 40).tobytes()
    assert len(seen) > 20


def _copy(engine: Engine) -> Engine:
    root = host.allocate(huge_pages=False)
    target, source = root.view(np.uint8), engine.root.view(np.uint8)
    for start, stop in snapshot.regions(engine.root):
        target[start:stop] = source[start:stop]
    assert batch_end.recount(root)
    return Engine(root)


def test_only_the_newest_two_snapshots_stay(tmp_path: Path) -> None:
    live = Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES)
    seqs = []
    for batch in cut(script(8, 40), 10)[:4]:
        live.submit(batch)
        seqs.append(live.snapshot().seq)
    assert host.snapshot_seqs(tmp_path) == [seqs[3], seqs[2]]
    live.close()


def _damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "header":
        data[40] ^= 1
    elif how == "body":
        data[-1000] ^= 1
    else:
        del data[-1:]
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("how", "message"),
    [("header", "header does not match"), ("body", "body does not match"), ("length", "bytes instead")],
)
def test_a_damaged_snapshot_is_passed_over(tmp_path: Path, how: str, message: str) -> None:
    live = Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES)
    for batch in cut(script(9, 60), 20):
        live.submit(batch)
        taken = live.snapshot()
    older = host.snapshot_seqs(tmp_path)[1]
    live.close()
    _damage(taken.path, how)
    with pytest.raises(SnapshotError, match=message):
        list(host.snapshots(tmp_path))
    again = Engine.open(tmp_path, Mode.RESEARCH)
    assert again.recovery.snapshot_seq == older and message in again.recovery.ignored[0]
    assert again.digest() == live.digest()
    again.close()


def test_a_snapshot_of_another_history_is_a_refusal(tmp_path: Path) -> None:
    here, other = tmp_path / "here", tmp_path / "other"
    for directory, seed in ((here, 10), (other, 11)):
        live = Engine.create(directory, Mode.RESEARCH, CAPACITIES)
        play(live, script(seed, 60)[:150])
        live.snapshot()
        live.close()
    stray = next(other.glob("snapshot-*"))
    (here / stray.name).write_bytes(stray.read_bytes())
    with pytest.raises(LossError, match=rf"is not the one that the snapshot {here / stray.name} was made from"):
        Engine.open(here, Mode.RESEARCH)


def test_a_journal_shorter_than_its_snapshot_is_refused(tmp_path: Path) -> None:
    live = Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES)
    play(live, script(12, 60))
    live.snapshot()
    live.close()
    path = next(tmp_path.glob("journal-*"))
    path.write_bytes(path.read_bytes()[:4096])
    with pytest.raises(JournalError, match=r"corrupt at byte \d+: .*; the snapshot .* shows that the log was durable"):
        Engine.open(tmp_path, Mode.RESEARCH)
    path.write_bytes(path.read_bytes()[:SEGMENT_BYTES])
    with pytest.raises(LossError, match=r"is missing or empty, but the snapshot .* shows that it had \d+"):
        Engine.open(tmp_path, Mode.RESEARCH)


def test_a_torn_tail_is_cut_and_reported(tmp_path: Path) -> None:
    live = Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES)
    batches = cut(script(13, 60), 10)
    for batch in batches:
        live.submit(batch)
        live.commit()
    path = next(tmp_path.glob("journal-*"))
    live.close()
    path.write_bytes(path.read_bytes()[: -RECORD_BYTES - 50])  # the last record says that all before it was safe
    again = Engine.open(tmp_path, Mode.RESEARCH)
    assert again.last_seq == sum(map(len, batches[:-1])) and again.recovery.cut_bytes > 0
    again.submit(batches[-1])
    assert again.digest() == live.digest()
    again.close()


def test_journal_comes_before_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES)
    commands = script(14, 20)
    assert live.journal is not None

    def refuse(rows: bytes) -> int:
        raise JournalError("no")

    before = live.digest()
    monkeypatch.setattr(live.journal, "append", refuse)
    with pytest.raises(JournalError):
        live.submit(commands)
    assert (live.digest(), live.last_seq) == (before, 0)
    monkeypatch.undo()
    live.submit(commands)
    assert live.durable_seq == 0
    live.commit()
    assert live.durable_seq == len(commands)
    live.close()


@pytest.mark.parametrize("wrong", ["gap", "repeat", "inside", "empty", "dtype", "strided"])
def test_a_batch_that_does_not_follow_changes_nothing(tmp_path: Path, wrong: str) -> None:
    live = Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES)
    commands = script(15, 20)
    live.submit(commands[:10])
    before, batch = live.digest(), commands[10:20].copy()
    if wrong in ("gap", "repeat"):
        batch["seq"] += 1 if wrong == "gap" else -1
    elif wrong == "inside":
        batch["seq"][5] = 3
    batch = {"empty": batch[:0], "dtype": batch.view(EVENT), "strided": batch[::2]}.get(wrong, batch)
    with pytest.raises(ValueError, match="commands: "):
        live.submit(batch)
    assert live.digest() == before
    live.submit(commands[10:20])
    live.close()
    assert host.JournalReader(tmp_path).seek(20, live.journal.chain if live.journal else b"")


def test_a_directory_has_one_writer(tmp_path: Path) -> None:
    live = Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES)
    with pytest.raises(JournalError, match=f"in use by process {os.getpid()}; stop it first"):
        Engine.open(tmp_path, Mode.RESEARCH)
    live.close()
    Engine.open(tmp_path, Mode.RESEARCH).close()


def test_a_killed_writer_leaves_no_lock(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from engine.host import Lock; "
        "Lock(Path(sys.argv[1])); print('held', flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, cwd=_root(), check=False)
    assert done.stdout == b"held\n" and done.returncode == -9
    host.Lock(tmp_path).release()


def test_who_looks_whether_a_folder_is_written_does_not_keep_its_writer_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not host.is_written(tmp_path / "nowhere") and not host.is_written(tmp_path)
    lock = host.Lock(tmp_path)
    assert host.is_written(tmp_path) and host.is_written(tmp_path)
    lock.release()
    assert not host.is_written(tmp_path)
    with (tmp_path / host.LOCK).open() as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        monkeypatch.setattr(host.time, "sleep", lambda seconds: fcntl.flock(look, fcntl.LOCK_UN))
        host.Lock(tmp_path).release()


def orders(first_seq: int, count: int) -> Rows:
    """Limit orders around one price, the same for the same numbers."""
    rng, rows = np.random.default_rng(first_seq), np.zeros(count, COMMAND)
    rows["kind"], rows["ord_type"], rows["tif"] = CommandKind.NEW, OrdType.LIMIT, TimeInForce.GTC
    rows["side"], rows["account_slot"] = rng.integers(1, 3, count), rng.integers(0, flow.ACCOUNTS, count)
    rows["qty_lots"], rows["price_ticks"] = rng.integers(1, 30, count), rng.integers(980, 1020, count)
    rows["person"], rows["time_ns"] = 1, build.START_NS
    rows["seq"] = np.arange(first_seq, first_seq + count)
    return rows


_WRITER = """
import sys
from pathlib import Path
from engine.host import Engine, JournalOptions
from engine.codes import Mode
from tests.test_host import CAPACITIES, orders, script

engine = Engine.create(Path(sys.argv[1]), Mode.RESEARCH, CAPACITIES, JournalOptions(threaded=True, segment_bytes=16384))
engine.submit(script(19, 0))
told = 0
while engine.last_seq < 100_000:
    engine.submit(orders(engine.last_seq + 1, 5))
    engine.commit()
    if engine.last_seq > told + 1000:
        engine.journal.sync()  # a slow disk must not have all of it done before enough was told
    if engine.durable_seq > told:
        told = engine.durable_seq
        print(told, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 20, 60])
def test_after_a_kill_everything_that_was_safe_is_there(tmp_path: Path, lines: int) -> None:
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, cwd=_root())
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(lines)]
    writer.kill()
    told += [int(line) for line in writer.stdout.read().split(b"\n")[:-1]]
    writer.wait()
    again, expected = Engine.open(tmp_path, Mode.RESEARCH), fresh()
    assert again.last_seq >= told[-1] == max(told)
    expected.submit(script(19, 0))
    while expected.last_seq < again.last_seq:
        expected.submit(orders(expected.last_seq + 1, 5))
    assert again.digest() == expected.digest()
    again.close()


def _root() -> Path:
    return Path(engine_package.__file__).parent.parent


def test_what_a_directory_holds_is_respected(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="holds no journal; create one first"):
        Engine.open(tmp_path)
    Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES).close()
    with pytest.raises(JournalError, match="holds a journal already"):
        Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES)
    with pytest.raises(JournalError, match="a journal of research mode, exchange is wanted"):
        Engine.open(tmp_path, Mode.EXCHANGE)
    again = Engine.open(tmp_path, Mode.RESEARCH)
    assert int(again.root["mode"][0]) == Mode.RESEARCH and again.last_seq == 0
    again.close()


def test_replay_stops_where_it_is_told(tmp_path: Path) -> None:
    commands = script(16, 200)
    live = Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES)
    play(live, commands, 32)
    live.close()
    steps: list[tuple[int, int]] = []
    part, expected = fresh(), fresh()
    host.replay(host.JournalReader(tmp_path), part, 100, progress=lambda done, total: steps.append((done, total)))
    play(expected, commands[: part.last_seq], 32)
    assert part.last_seq in (100, 101) and part.digest() == expected.digest()
    assert steps == sorted(steps) and steps[-1][0] <= steps[-1][1]


def test_engine_seconds_are_counted_when_asked() -> None:
    commands = script(17, 20)
    plain, timed = fresh(), Engine(host.create(CAPACITIES), timed=True)
    play(plain, commands)
    play(timed, commands)
    assert plain.engine_seconds == 0 and timed.engine_seconds > 0


def test_an_engine_without_a_journal_keeps_nothing() -> None:
    engine = fresh()
    engine.submit(script(18, 20))
    engine.commit()
    assert engine.durable_seq == engine.last_seq
    with pytest.raises(JournalError, match="has no journal"):
        engine.snapshot()
    engine.close()


def test_no_digest_inside_a_command() -> None:
    engine = fresh()
    engine.root["phase"] = 1
    with pytest.raises(ValueError, match="paused inside a command"):
        engine.digest()


def test_warm_up_reports_and_changes_nothing() -> None:
    steps: list[tuple[int, int]] = []
    host.warm_up(lambda done, total: steps.append((done, total)))
    assert steps[-1][0] == steps[-1][1] > 0 and steps == sorted(steps)


def _cache_folder(environment: dict[str, str]) -> str:
    program = "import engine, os; print(os.environ['NUMBA_CACHE_DIR'])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, cwd=_root(), check=True, text=True, env=environment
    )
    return done.stdout.strip()


def test_compiled_code_is_kept_by_sources_and_flags(tmp_path: Path) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "LIONROCK_"))}
    chosen = plain | {"LIONROCK_CACHE_DIR": str(tmp_path / "chosen")}
    first = _cache_folder(chosen)
    assert Path(first).parent == tmp_path / "chosen" and Path(first).is_dir()
    assert _cache_folder(chosen) == first
    assert _cache_folder(chosen | {"NUMBA_BOUNDSCHECK": "1"}) != first
    assert _cache_folder(chosen | {"NUMBA_CACHE_DIR": "/elsewhere"}) == first
    home = _cache_folder(plain | {"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert Path(home).parent == tmp_path / "cache" / "lionrock" and Path(home).name == Path(first).name
    (tmp_path / "file").touch()
    assert Path(_cache_folder(plain | {"LIONROCK_CACHE_DIR": str(tmp_path / "file")})).is_dir(), "a temporary one"


def test_old_caches_are_pruned_and_others_left(tmp_path: Path) -> None:
    for age in range(8):
        folder = tmp_path / f"{age:032x}"
        folder.mkdir()
        os.utime(folder, (1e9 - age * 86_400 * 3, 1e9 - age * 86_400 * 3))
    (tmp_path / "mine").mkdir()
    engine_package._prune(tmp_path)
    assert sorted(int(path.name, 16) for path in tmp_path.iterdir() if path.name != "mine") == [0, 1, 2, 3]
    assert (tmp_path / "mine").is_dir()


def test_a_fill_is_on_the_event_stream() -> None:
    """The script really trades: a host whose kernel did nothing would pass the tests above."""
    events = play(fresh(), script(1))
    assert np.count_nonzero(events["kind"] == EventKind.FILL) > 50
    assert np.count_nonzero(events["seq"] > 0) == len(events) and events.dtype == EVENT and COMMAND.itemsize == 128


def test_stopping_before_each_command_ends_in_the_same_state() -> None:
    """What is due is done first and looked at, then the command itself: all ends as in a plain replay."""
    commands = script(5, 600)
    plain, stopping, halves = fresh(), fresh(), 0
    for row in cut(commands, 1):
        expected = plain.submit(row).tobytes()
        due, left_ns = do_due(stopping, row)
        first = due.tobytes()
        halves += bool(first)
        assert first + judge(stopping, row, left_ns).tobytes() == expected
    assert halves > 0
    assert stopping.digest() == plain.digest()
