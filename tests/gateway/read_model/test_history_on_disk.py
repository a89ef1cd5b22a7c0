"""A read model whose history is on disk answers as one that has all in memory, over what really traded."""

import numpy as np
import pytest

from engine import host
from engine.codes import CommandKind, ContractParameter
from gateway.read_model import (
    account_index,
    candles,
    funding_rates,
    history,
    history_file,
    history_store,
    rows_ahead,
    segments,
)
from gateway.read_model.history import History
from gateway.read_model.history_store import HistoryStore, WrittenStore
from gateway.read_model.projection import Projection
from gateway.read_model.saved_rows import SavedRowsError
from gateway.venue.venue import Venue
from gateway.wire.views import Span
from tests.gateway.live import BTC
from tests.gateway.query_venue import ETH, MINUTE_NS, QueryVenue

SLOTS = frozenset({0, 1})
BLOCK, MINUTES = 8, 3


@pytest.fixture
def small_parts(monkeypatch):
    for module in (account_index, history, history_file, history_store):
        monkeypatch.setattr(module, "BLOCK_ROWS", BLOCK)
    monkeypatch.setattr(history, "SEGMENT_ROWS", 24)
    monkeypatch.setattr(account_index, "CHUNK_ENTRIES", 8)
    monkeypatch.setattr(account_index, "FAN_IN", 3)
    monkeypatch.setattr(candles, "DAY_MINUTES", MINUTES)
    monkeypatch.setattr(funding_rates, "BLOCK_RATES", MINUTES)


@pytest.fixture
def past(tmp_path, monkeypatch, small_parts):
    """An hour in which orders end in every way, minutes close, and funding is settled."""
    past = QueryVenue(tmp_path / "venue", monkeypatch)
    rng = np.random.default_rng(3)
    for slot in (0, 1):
        past.set_parameter(ContractParameter.FUNDING_INTERVAL_S, 180, slot)
    for minute in range(40):
        past.pass_time(past.clock.now_ns + MINUTE_NS)
        name, price = (BTC, 20_000) if minute % 3 else (ETH, 1_000)
        sides = (0, 1) if minute % 2 else (1, 0)
        past.trade(float(1 + rng.integers(3)), price + int(rng.integers(-3, 4)), name, *sides)
        resting = past.result(minute % 2, "private/buy", instrument_name=BTC, amount=0.1, price=19_000, label="x")
        if minute % 3:
            past.result(minute % 2, "private/cancel", order_id=resting["order"]["order_id"])
    past.venue.engine.journal.sync()
    return past


def folded(past, projection, until=None, rows=13):
    """The log folded into a read model from where that stands, up to a sequence, so many rows at a time."""
    reader = host.JournalReader(past.venue.config.journal)
    scratch = host.Engine(host.create(reader.capacities, reader.mode))
    projection.attach(past.venue.engine.root)
    projection.set_contracts(past.venue.registry.contracts())

    def sink(commands, events):
        if (until is None or commands[-1]["seq"] <= until) and commands[0]["seq"] > projection.applied_seq:
            projection.replay(commands, events)

    for commands in reader.batches():
        first = 0
        while first < len(commands):
            end = min(first + rows, len(commands))
            while end < len(commands) and commands["kind"][end] == CommandKind.LABEL:
                end += 1
            scratch.feed(commands[first:end], sink)
            first = end
    return projection


def answers(projection, now_ns, last_seq=0):
    """What clients can ask about the past."""
    start_ns = now_ns - 35 * MINUTE_NS
    spans = (Span(count=7), Span(count=500, ascending=True), Span(start_ns, now_ns - 9 * MINUTE_NS, count=50, offset=3))
    for account in (0, 1, 2):
        for span in spans:
            for chosen in (SLOTS, frozenset({1})):
                yield list(projection.order_history(account, chosen, span, with_unfilled=span.count > 10))
                views, has_more = projection.user_trades(account, chosen, span)
                yield list(views), has_more()
            yield projection.transactions(account, span)
        yield list(projection.order_history(account, SLOTS, spans[1], label="x"))
        for view in projection.order_history(account, SLOTS, spans[1]):
            yield projection.order(account, view.order_id), projection.order_trades(account, view.order_id)
        for after in (0, 100, 250):
            for count in (1, 9, 1000):
                yield projection.reports_since(account, after, (last_seq or projection.applied_seq) - 3, count)
        yield projection.money_records.movements(account, CommandKind.DEPOSIT, 0, spans[1])
        yield projection.money_records.own_settlements(account, SLOTS, None, spans[1])
    for slot in (0, 1):
        for span in (*spans, Span(first_id=3, last_id=6), Span(first_id=4, ascending=True, count=2)):
            views, has_more = projection.trades(frozenset({slot}), span)
            yield list(views), has_more()
        yield [projection.trade_place(slot, number, is_last) for number in range(30) for is_last in (False, True)]
        yield projection.liquidations(slot, 1, 10), projection.funding(slot, 0, now_ns)
        yield projection.funding(slot, start_ns + 7 * MINUTE_NS, now_ns - 9 * MINUTE_NS)
        yield [projection.volume_lots(slot, now_ns - back * MINUTE_NS) for back in range(0, 60, 2)]
        for resolution_s in (60, 300, 3600, 86_400):
            yield projection.candles(slot, resolution_s, start_ns, now_ns)
            yield projection.candles(slot, resolution_s, now_ns - 30 * MINUTE_NS, now_ns - 11 * MINUTE_NS)
    yield projection.money_records.settlements(SLOTS, None, spans[1])


def same(projection, whole, now_ns):
    for number, (told, wanted) in enumerate(zip(answers(projection, now_ns), answers(whole, now_ns), strict=True)):
        assert told == wanted, number


def test_a_store_with_tiny_bounds_tells_what_one_in_memory_tells(past, tmp_path):
    whole, path = folded(past, Projection()), tmp_path / "history.db"
    stored = folded(past, Projection(history=History(WrittenStore(path, is_threaded=False), 1)))
    assert stored.history.rows_in_memory < 60 < 200 < stored.history.end == whole.history.end
    assert len(stored.history.store.series_keys()) > 6, "candles and rates are on disk as well"
    same(stored, whole, past.clock.now_ns)
    follower = folded(past, Projection(history=History(HistoryStore(path), 1)))
    same(follower, whole, past.clock.now_ns)


def test_what_was_saved_goes_on_where_it_ended(past, tmp_path):
    """As after a crash: the disk has more than the read model that was saved, which is replayed from its sequence."""
    whole, path, saved = folded(past, Projection()), tmp_path / "history.db", tmp_path / "saved.rows"
    for part in (0.3, 0.8):
        kept = History(WrittenStore(path, is_threaded=False), 1)
        early = folded(past, Projection(history=kept), part * whole.applied_seq)
        early.save(saved)
        folded(past, early)
        early.history.close()
        loaded = Projection(history=History(WrittenStore(path, is_threaded=False), 1))
        loaded.load(saved)
        assert 0 < loaded.applied_seq < whole.applied_seq
        folded(past, loaded)
        assert loaded.history.store.figures.rows_written == 0
        loaded.history.follow(lambda: whole.applied_seq)
        same(loaded, whole, past.clock.now_ns)
        loaded.history.close()
    other = Projection(history=History(WrittenStore(tmp_path / "other.db", is_threaded=False), 1))
    with pytest.raises(SavedRowsError, match=r"saved.rows: it needs \d+ rows of history on disk, where there are 0"):
        other.load(saved)
    assert other.applied_seq == other.history.end == 0


def test_rows_do_not_depend_on_how_the_log_is_cut_into_batches(past):
    whole, single = folded(past, Projection()), folded(past, Projection(), rows=1)
    assert single.history.end == whole.history.end
    assert (single.history.saved()["history"] == whole.history.saved()["history"]).all()


def test_rows_do_not_depend_on_what_their_memory_held_before(past, monkeypatch):
    """A segment has the memory of rows that are on disk, and what is on disk is compared byte by byte at a start."""

    new_rows = rows_ahead.new_rows

    def used_before(rows):
        found = new_rows(rows)
        found.view(np.uint8)[:] = 0xFF
        return found

    whole = folded(past, Projection())
    for module in (rows_ahead, segments):
        monkeypatch.setattr(module, "new_rows", used_before)
    again = folded(past, Projection())
    assert again.history.end == whole.history.end
    ours, theirs = (each.history.saved()["history"] for each in (again, whole))
    assert ours.tobytes() == theirs.tobytes()


def test_a_venue_starts_with_its_history_on_disk_and_makes_again_what_is_damaged(past, caplog):
    """A clean stop; then a flip in the saved read model, a deleted and a damaged history: the answers are the same."""
    config, now_ns = past.venue.config, past.clock.now_ns
    last_seq = past.venue.projection.applied_seq
    whole = list(answers(past.venue.projection, now_ns, last_seq))
    past.venue.close()

    def started(said=""):
        caplog.clear()
        venue = Venue(config)
        assert said in caplog.text
        for number, (told, wanted) in enumerate(zip(answers(venue.projection, now_ns, last_seq), whole, strict=True)):
            assert told == wanted, number
        venue.close()

    started()
    assert config.history.exists()
    saved = max(config.history.parent.glob("projection-*"))
    data = bytearray(saved.read_bytes())
    data[len(data) // 2] ^= 4
    saved.write_bytes(data)
    started("is damaged; delete it")
    for path in config.history.parent.glob("history.db*"):
        path.unlink()
    started("rows of history on disk, where there are 0")
    config.history.write_bytes(b"\0" * 100_000)
    started("deleted, and made again")
    started()
