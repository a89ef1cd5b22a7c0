"""A history that is on disk answers as one in memory does, whatever is where; what a disk changed is never served."""

import sqlite3
import subprocess
import sys
import threading
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from gateway.read_model import account_index, history, history_file, history_store
from gateway.read_model.event_fold import DELIVERY_KIND, FUNDING_KIND, ORDER_KIND, TRADE_KIND
from gateway.read_model.history import History, OrderFilter
from gateway.read_model.history_file import HistoryError, HistoryFile
from gateway.read_model.history_store import (
    LONGEST_PAUSE_SECONDS,
    PAUSE_SHARE,
    HistoryStore,
    WrittenStore,
    open_store,
)
from gateway.read_model.money_records import MoneyRecords
from gateway.wire.errors import Refusal
from gateway.wire.views import Span
from tests.gateway.read_model.test_history import ACCOUNTS, CONTRACTS, SPANS, TAKER, rows

BLOCK, SEGMENT = 8, 30


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    for module in (account_index, history, history_file, history_store):
        monkeypatch.setattr(module, "BLOCK_ROWS", BLOCK)
    monkeypatch.setattr(history, "SEGMENT_ROWS", SEGMENT)
    monkeypatch.setattr(account_index, "PART_ROWS", 2 * BLOCK)
    monkeypatch.setattr(account_index, "CHUNK_ENTRIES", 4)
    monkeypatch.setattr(account_index, "STEP_CHUNKS", 2)
    monkeypatch.setattr(account_index, "FAN_IN", 3)
    monkeypatch.setattr(history_file, "CACHED_BLOCKS", 2)


def made_of(count, seed):
    made = rows(count, seed)
    made["seq"] = np.arange(count) // 2 + 1
    for place in (7, 8, count // 2):
        made["kind"][place], made["account_slot"][place] = FUNDING_KIND, -1
    made["kind"][count // 3], made["account_slot"][count // 3] = DELIVERY_KIND, -1
    return made


def write(found, made, first=0):
    for at in range(first, len(made), 3):
        part = made[at : at + 3]
        segment = found.room(len(part), int(made["seq"][at - 1]) if at else 0)
        segment.legs[segment.used : segment.used + len(part)] = part
        segment.used += len(part)
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.db"


def stored(path, made, is_threaded=False, memory_rows=SEGMENT):
    return write(History(WrittenStore(path, is_threaded=is_threaded), memory_rows), made)


def answers(found):
    """What all questions find: places, and the rows at them."""

    def told(walk):
        return [(segment.first + index, segment.legs[index].tobytes()) for segment, index in walk]

    records = MoneyRecords(found)
    both = frozenset(range(CONTRACTS))
    yield records.deliveries(both), records.settlements(both, None, Span(count=9))
    for contract in range(CONTRACTS):
        yield [found.trade_place(contract, trade_id, last) for trade_id in range(90) for last in (False, True)]
    for span in SPANS:
        for slots in ((0,), (1,), (0, 1), (9,), ()):
            yield told(found.of_contracts(slots, TAKER, span))
            yield [told(found.trades(account, slots, span)) for account in range(ACCOUNTS + 1)]
    for account in range(ACCOUNTS + 1):
        for wanted in (
            OrderFilter((0, 1)), OrderFilter((1,), 100, 400), OrderFilter((0, 1), is_filled=True),
            OrderFilter((0, 1), is_conditional=True), OrderFilter((0, 1), 200, label=b"none"),
        ):  # fmt: skip
            yield told(found.closed_orders(account, wanted))
        for span in (Span(), Span(50, 300, last_id=90)):
            yield [(number, segment.legs[index].tobytes()) for number, segment, index in found.money(account, span)]
        for order_id in range(1, 11):
            yield [told(found.of_order(account, order_id, kind)) for kind in (ORDER_KIND, TRADE_KIND)]
        yield records.movements(account, 0, 0, Span(count=50))
        yield records.own_settlements(account, both, None, Span(count=50))
        for after in (0, 20, 60, 300):
            own = found.own_parts(account, found.later((TRADE_KIND,), after), is_ascending=True)
            seqs = [seq for segment, places in own for seq in segment.legs["seq"][places].tolist()]
            yield [seq for seq in seqs if seq > after]


def same(found, made):
    whole = write(History(), made)
    for number, (told, wanted) in enumerate(zip(answers(found), answers(whole), strict=True)):
        assert told == wanted, number


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("memory_rows", [1, 100])
def test_every_question_finds_on_disk_what_it_finds_in_memory(path, seed, memory_rows):
    made = made_of(400, seed)
    found = stored(path, made, memory_rows=memory_rows)
    assert found.rows_in_memory <= memory_rows + 2 * SEGMENT < found.store.end and found.end == len(made)
    same(found, made)
    levels = HistoryFile(path).run("SELECT level, count(*) FROM run GROUP BY level ORDER BY level")
    assert len(levels) == 3, "runs of all levels are read"


def test_a_thread_writes_beside_the_fold(path):
    made = made_of(400, 3)
    found = stored(path, made, is_threaded=True)
    found.store.drain()
    assert found.store.figures.rows_written == found.store.end > 300
    same(found, made)
    found.store.close()


def test_a_question_that_began_goes_on_while_rows_move_to_disk_and_runs_are_merged(path):
    made = made_of(400, 4)
    found = stored(path, made[:200], memory_rows=1)
    whole = write(History(), made[:200])
    begun = [found.trades(1, (0, 1), span) for span in (Span(), Span(ascending=True))]
    first = [next(walk) for walk in begun]
    write(found, made, 200)
    for walk, one, span in zip(begun, first, (Span(), Span(ascending=True)), strict=True):
        places = [segment.first + index for segment, index in (one, *walk)]
        assert places == [segment.first + index for segment, index in whole.trades(1, (0, 1), span)]


class Kept:
    """Saved arrays in memory."""

    def __init__(self, arrays):
        self.arrays = arrays

    def array(self, name, dtype):
        return self.arrays[name].copy()

    def wrong(self, what):
        return ValueError(what)


@pytest.mark.parametrize("at", [20, 333])
def test_after_a_restart_rows_that_are_on_disk_are_not_written_twice(path, at):
    """What was saved at one place and replayed from there; the disk has more rows than what was saved knew."""
    made = made_of(400, 5)
    found = stored(path, made[:at])
    saved = Kept(found.saved())
    write(found, made, at)
    end = found.store.end
    found.store.close()
    again = History(WrittenStore(path, is_threaded=False), SEGMENT)
    assert again.store.on_disk == end
    again.load(*again.saved_rows(saved))
    assert again.end == at
    same(again, made[:at])
    write(again, made, at)
    same(again, made)
    assert again.store.figures.rows_written == 0


def test_a_file_that_lacks_what_was_not_saved_is_noticed_before_anything_is_loaded(path, tmp_path):
    found = stored(path, made_of(400, 5))
    saved = Kept(found.saved())
    other = History(WrittenStore(tmp_path / "other.db", is_threaded=False), SEGMENT)
    with pytest.raises(ValueError, match=r"it needs \d+ rows of history on disk, where there are 0"):
        other.saved_rows(saved)


def test_rows_of_a_log_that_lost_its_end_are_written_again(path, caplog):
    made, other = made_of(400, 6), made_of(400, 6)
    other["fee_micros"][201:] = 7
    found = stored(path, made)
    found.store.close()
    again = History(WrittenStore(path, is_threaded=False), SEGMENT)
    write(again, other)
    assert "history on disk is not that of this log from row 200 on" in caplog.text
    same(again, other)
    again.store.cut(250)
    assert HistoryFile(path).bounds() == (0, 250 // BLOCK)


def test_only_what_is_durable_is_written(path):
    made = made_of(300, 8)
    store = WrittenStore(path, is_threaded=False)
    store.durable_seq = lambda: 60
    found = write(History(store, 1), made)
    assert 0 < store.end <= 120 and made["seq"][store.end - 1] <= 60
    same(found, made)
    store.durable_seq = lambda: 1000
    store.drain()
    assert store.end > 240


def test_another_process_follows_the_file_and_keeps_little(path):
    made = made_of(400, 9)
    found = stored(path, made)
    follower = write(History(HistoryStore(path), 1), made)
    assert follower.rows_in_memory < 4 * SEGMENT + BLOCK
    same(follower, made)
    with pytest.raises(HistoryError, match="readonly database"):
        follower.store._file.run("DELETE FROM block")
    assert (follower.saved()["history"] == found.saved()["history"]).all()


def test_old_rows_are_forgotten_when_they_are_kept_for_days(path, monkeypatch):
    monkeypatch.setattr(history_store, "DAY_NS", 250)
    made = made_of(400, 10)
    found = write(History(WrittenStore(path, days=2, is_threaded=False), 1), made)
    first = HistoryFile(path).bounds()[0] * BLOCK
    assert first > 50 and made["time_ns"][first] >= made["time_ns"][found.store.end - 1] - 500 - 10 * BLOCK
    whole = write(History(), made)
    for account in range(ACCOUNTS):
        kept = [s.first + i for s, i in whole.trades(account, (0, 1), Span()) if s.first + i >= first]
        assert [s.first + i for s, i in found.trades(account, (0, 1), Span())] == kept
    assert [n for n, *_ in found.money(0, Span())] == [n for n, *_ in whole.money(0, Span()) if n > first]


def test_every_flip_of_a_kept_byte_is_noticed_or_harmless(path, caplog):
    """Bits of blobs and of notes, each in its row: the answers are those before it, or there is none."""
    made = made_of(150, 11)
    stored(path, made).store.close()
    whole = list(answers(write(History(), made)))
    db = sqlite3.connect(path, isolation_level=None)
    rng = np.random.default_rng(1)
    noticed = 0
    for table, key, column in (
        ("body", "n", "data"), ("chunk", "id", "data"), ("run", "number", "data"), ("block", "n", "traded"),
        ("block", "n", "first_ns"), ("block", "n", "kinds"), ("run", "number", "past"),
    ):  # fmt: skip
        for number, value in db.execute(f"SELECT {key}, {column} FROM {table}").fetchall()[::4]:
            if isinstance(value, bytes):
                place = int(rng.integers(len(value)))
                changed = value[:place] + bytes([value[place] ^ 1 << int(rng.integers(8))]) + value[place + 1 :]
            else:
                changed = value ^ 1 << int(rng.integers(6))
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (changed, number))
            with pytest.raises(HistoryError):
                checked_bytes(path)
            found = History(HistoryStore(path), 1)
            write(found, made)
            try:
                assert list(answers(found)) == whole
            except Refusal as refusal:
                noticed += 1
                assert refusal.reason.startswith("HISTORY_UNREADABLE: ")
            found.store.close()
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (value, number))
    assert noticed > 10 and f"refused: {path}: its " in caplog.text and "delete the file: it is made" in caplog.text


@pytest.mark.parametrize(
    ("table", "column"),
    [("block", "first_ns"), ("block", "mark"), ("body", "data"), ("run", "past"), ("run", "data"), ("chunk", "data")],
)
def test_a_value_that_has_become_another_type_is_damage(path, table, column):
    """SQLite says in each row of which type its values are, so a flipped bit makes another type of one."""
    made = made_of(150, 11)
    stored(path, made).store.close()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"UPDATE {table} SET {column} = 'text'")
    db.close()
    with pytest.raises((Refusal, HistoryError), match=r"HISTORY_UNREADABLE|history.db: its"):
        found = History(HistoryStore(path), 1)
        write(found, made)
        list(answers(found))


def checked_bytes(path):
    """What is read by a check of the whole file, a step at a time."""
    file = HistoryFile(path)
    try:
        return sum(file.check()) + sum(account_index.AccountIndex(file).check())
    finally:
        file.close()


def test_a_check_goes_on_while_runs_are_merged_and_rows_are_forgotten(path, monkeypatch):
    monkeypatch.setattr(history_store, "DAY_NS", 250)
    made = made_of(900, 13)
    found = write(History(WrittenStore(path, days=2, is_threaded=False), 1), made[:450])
    assert checked_bytes(path) > 0
    file = HistoryFile(path)
    of_blocks, of_runs = file.check(), account_index.AccountIndex(file).check()
    steps = [next(of_blocks), next(of_runs)]
    first, runs = file.bounds()[0], file.run("SELECT number FROM run")
    write(found, made, 450)
    assert file.bounds()[0] > first and not set(file.run("SELECT number FROM run")) & set(runs)
    assert sum([*steps, *of_blocks, *of_runs]) > 0
    file.run("SELECT 1")
    file.close()


def test_a_block_that_an_index_leaves_out_is_noticed_at_the_start(path, caplog):
    made = made_of(400, 14)
    stored(path, made).store.close()
    db = sqlite3.connect(path)
    ((root, page_bytes),) = db.execute(
        "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = 'delivered'"
    )
    [(n,)] = db.execute(f"SELECT n FROM block WHERE kinds & {1 << DELIVERY_KIND} != 0").fetchall()
    db.close()
    data = bytearray(path.read_bytes())
    page = data[(root - 1) * page_bytes : root * page_bytes]
    at = (root - 1) * page_bytes + page.index(bytes((3, 1, 1, n, n)))
    data[at + 3] ^= 2
    path.write_bytes(data)
    with pytest.raises(HistoryError, match="its notes of blocks are damaged"):
        HistoryStore(path)
    found = write(History(open_store(path, 0), SEGMENT), made)
    assert "its notes of blocks are damaged" in caplog.text and "deleted, and made again" in caplog.text
    found.store.drain()
    same(found, made)
    found.store.close()


def test_whatever_bit_of_its_header_is_flipped_the_file_is_used_or_made_again(path, caplog):
    """Of the write version (byte 18) all bits: SQLite takes a higher one for a file that it may only read."""
    made = made_of(150, 11)
    stored(path, made).store.close()
    whole = path.read_bytes()
    places = [(18, bit) for bit in range(8)] + [(place, place % 8) for place in range(0, 100, 4)]
    deleted = set()
    for place, bit in places:
        for kept in path.parent.glob(f"{path.name}*"):
            kept.unlink()
        data = bytearray(whole)
        data[place] ^= 1 << bit
        path.write_bytes(data)
        caplog.clear()
        found = write(History(open_store(path, 0), SEGMENT), made)
        found.store.drain()
        assert not found.store.figures.fault, (place, bit)
        if "deleted, and made again" in caplog.text:
            deleted.add((place, bit))
        found.store.close()
    assert {(18, bit) for bit in range(2, 8)} <= deleted and 10 < len(deleted) < len(places)


READER = """
import sys
from pathlib import Path
from gateway.read_model.history_store import follow
store = follow(Path(sys.argv[1]))
print(store.end)
store.close()
"""


def test_another_process_that_closes_the_file_leaves_the_writers_log_alone(path):
    """The last one to close a file takes its write-ahead log away: locks say whether it is, and must stay held."""
    made = made_of(150, 11)
    stored(path, made).store.close()
    found = write(History(open_store(path, 0), SEGMENT), made)
    found.store.drain()
    log = path.with_name(path.name + "-wal")
    number = log.stat().st_ino
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", READER, str(path)], capture_output=True, text=True, check=True)
        assert int(done.stdout) > 0 and log.stat().st_ino == number
    found.store.close()


def test_a_file_that_cannot_be_used_is_made_again(path, caplog):
    path.write_bytes(b"no database at all" * 400)
    with pytest.raises(HistoryError, match=r"history.db: .*cannot be opened"):
        WrittenStore(path, is_threaded=False)
    store = open_store(path, 0)
    assert "deleted, and made again" in caplog.text and store.on_disk == 0
    store.close()
    assert not path.exists(), "it is made when there is something to write"
    stored(path, made_of(150, 1)).close()
    assert {kept.stat().st_mode & 0o777 for kept in path.parent.iterdir()} == {0o600}
    with pytest.raises(HistoryError):
        HistoryStore(path.with_name("missing.db"))


@pytest.mark.parametrize("place", [0, 44, 47, 100])
def test_a_flip_in_the_head_of_the_file_never_stops_a_start(path, place):
    """SQLite calls some of them an error of the statement, such as an unsupported file format."""
    made = made_of(150, 15)
    stored(path, made).store.close()
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(data)
    found = write(History(open_store(path, 0), SEGMENT), made)
    found.store.drain()
    same(found, made)
    found.store.close()


def test_a_disk_that_fails_delays_and_loses_nothing(path, monkeypatch, caplog):
    made = made_of(400, 12)
    store = WrittenStore(path, is_threaded=False)
    found = write(History(store, 1), made[:200])
    before = store.end

    def fails(*_):
        raise HistoryError("disk full")

    monkeypatch.setattr(store._out, "add_blocks", fails)
    write(found, made[:320], 200)
    assert store.end == before and store.figures.fault == "disk full" and "wait in memory" in caplog.text
    same(found, made[:320])
    monkeypatch.undo()
    for module in (account_index, history, history_file, history_store):
        monkeypatch.setattr(module, "BLOCK_ROWS", BLOCK)
    monkeypatch.setattr(history, "SEGMENT_ROWS", SEGMENT)
    store.figures.fault = ""
    write(found, made, 320)
    assert store.end > 300
    same(found, made)


def test_a_segment_is_taken_while_runs_are_merged(path):
    made, merges, goes_on = made_of(120, 16), threading.Event(), threading.Event()
    store = WrittenStore(path)
    store._merge_step = lambda: (merges.set(), goes_on.wait(120), False)[-1]
    found = write(History(store, 1), made[:60])
    assert merges.wait(60)
    fold = threading.Thread(target=write, args=(found, made, 60))
    fold.start()
    fold.join(60)
    assert not fold.is_alive(), "the loop waits for the merge of runs"
    goes_on.set()
    store.drain()
    same(found, made)
    store.close()


def test_the_writer_rests_between_blocks_unless_somebody_waits_for_it(path, monkeypatch):
    rests, instants = [], count(1_000_000, 1_000_000)
    here = SimpleNamespace(perf_counter_ns=lambda: next(instants), sleep=rests.append)
    store = WrittenStore(path)
    monkeypatch.setattr(history_store, "time", here)
    store._pause()
    assert rests == [PAUSE_SHARE * 0.001]
    for change in ({"_is_awaited": True}, {"_is_closing": True}, {"_offers": [None, None]}, {"_is_threaded": False}):
        with monkeypatch.context() as patched:
            for name, value in change.items():
                patched.setattr(store, name, value)
            store._pause()
    assert rests == [PAUSE_SHARE * 0.001]
    store._pause()
    assert rests[1:] == [PAUSE_SHARE * 0.001], "of what it has worked since the last rest"
    for _ in range(100):
        next(instants)
    store._pause()
    assert rests[2:] == [LONGEST_PAUSE_SECONDS]


def test_a_writer_is_asked_to_rest_after_each_block():
    rests, file = [], SimpleNamespace(run=lambda *_: None, sealed=lambda *_: b"")
    HistoryFile.add_blocks(file, 0, rows(9 * BLOCK + 1, 17), lambda: rests.append(1))
    assert len(rests) == 9, "though they are noted eight at a time"
