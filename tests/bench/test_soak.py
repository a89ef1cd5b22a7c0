"""The soak: its book of what clients were told, its judgement of memory and of the log, and a short run of it all."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.soak import __main__ as command
from bench.soak import checks, ledger
from bench.soak.ledger import FIRST_ROOM, Ledger
from bench.soak.makers import JsonMaker, Market, RowMaker
from bench.soak.served_venue import parse_metrics
from engine.codes import CommandKind, EventKind, Mode, Reason, Side
from engine.host import Engine
from engine.schema import COMMAND, EVENT
from tests.recordings.data import compiled

BITCOIN = Market(0, "BTC_USDC-PERPETUAL", 0.5, 60_000.0)
TRADER = SimpleNamespace(account_slot=7)


def test_a_book_says_what_was_told_and_what_a_cut_has_left_open():
    book = Ledger()
    assert book.take_ids(5).tolist() == [1, 2, 3, 4, 5]
    book.note([1, 2, 3], ledger.NEW_TOLD)
    book.note([4], ledger.NEW_REFUSED)
    assert book.oldest(2).tolist() == [1, 2] and book.open.tolist() == [3, 4, 5]
    book.note([1], ledger.CANCEL_TOLD)
    assert book.unanswered == 2  # 2 and 3 are known to be placed and not known to be over
    assert book.cut() == 1  # the cancel of 2 may have been lost
    assert book.open.tolist() == [2, 3, 5]  # of 5 nothing was heard at all
    book.note([2, 3], ledger.CANCEL_REFUSED)
    assert book.unanswered == 0
    book.take_ids(2 * FIRST_ROOM)
    assert book.count(ledger.NEW_SENT) == 2 * FIRST_ROOM + 5 and book.flags[1] & ledger.CANCEL_TOLD


class Written:
    """A transport that keeps what is written."""

    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += data


def connected(kind):
    maker = kind(TRADER, BITCOIN, Side.BUY)
    maker._transport, maker.is_connected = Written(), True
    return maker


def test_rows_that_are_answered_are_told_and_refusals_are_of_the_order_before_they_are_of_its_cancel():
    maker = connected(RowMaker)
    maker.step(6)
    assert maker.ledger.open.tolist() == [1, 2, 3] and maker.under_way == 3
    events = np.zeros(5, EVENT)
    events["kind"] = [EventKind.ACCEPTED, EventKind.REJECTED, EventKind.ACCEPTED, EventKind.REJECTED, EventKind.FILL]
    events["cl_ord_id"] = [1, 2, 3, 3, 3]
    events["reason"] = [0, Reason.MARKET_HALTED, 0, Reason.UNKNOWN_ORDER, 0]
    maker._take(events)
    flags = maker.ledger.flags[1:4].tolist()
    assert [bool(flag & ledger.NEW_TOLD) for flag in flags] == [True, False, True]
    assert flags[1] & ledger.NEW_REFUSED and flags[2] & ledger.CANCEL_REFUSED
    assert maker.refusals == {"MARKET_HALTED": 1, "cancel: UNKNOWN_ORDER": 1} and maker.answered == 4


def test_texts_are_matched_by_their_ids_and_those_out_of_their_order_are_counted():
    maker = connected(JsonMaker)
    maker.step(4)
    head = '{"jsonrpc":"2.0","id":%d,'
    maker._heard = [(head % 4 + '"result":{}}').encode(), (head % 2 + '"error":{"data":{"reason":"NO"}}}').encode()]
    maker._take()
    assert maker.ledger.flags[2] & ledger.NEW_TOLD and maker.ledger.flags[1] & ledger.NEW_REFUSED
    assert maker.out_of_order == 2 and maker.refusals == {"NO": 1} and maker.under_way == 0


def test_what_is_missing_in_the_log_and_what_is_there_twice_is_found(tmp_path):
    rows = np.zeros(4, COMMAND)
    rows["kind"] = [CommandKind.NEW, CommandKind.NEW, CommandKind.CANCEL, CommandKind.NEW]
    rows["account_slot"], rows["cl_ord_id"] = TRADER.account_slot, [1, 2, 1, 2]
    rows["seq"], rows["time_ns"] = range(1, 5), 1
    engine = Engine.create(tmp_path, Mode.RESEARCH)
    engine.submit(rows)
    engine.commit()
    engine.close()
    maker = connected(RowMaker)
    maker.ledger.oldest(len(maker.ledger.take_ids(3)))
    maker.ledger.note([1, 2, 3], ledger.NEW_TOLD)
    maker.ledger.note([1, 2], ledger.CANCEL_TOLD)
    found = checks.compare_with_log(tmp_path, [maker])
    assert found == {
        "commands": 4, "orders_lost": 1, "cancels_lost": 1, "orders_twice": 1, "orders_never_sent": 0,
    }  # fmt: skip


def samples(slopes_mb, life_minutes=10, begin_mb=500.0):
    for life, slope_mb in enumerate(slopes_mb, 1):
        for minute in range(life_minutes):
            filling = 300.0 * max(0, 2 - minute)  # the first minutes are not judged
            yield {"life": life, "age_s": minute * 60.0, "rss_mb": begin_mb - filling + slope_mb * minute}


@pytest.mark.parametrize(
    ("slopes_mb", "is_flat"), [([0.1, -0.1, 0.05], True), ([0.3], True), ([2.0], False), ([2.0, 2.1, 1.9], False)]
)
def test_memory_is_judged_after_the_first_minutes_of_each_life(slopes_mb, is_flat):
    found = checks.memory_of(list(samples(slopes_mb)), settle_s=120)
    assert found["lives"] == len(slopes_mb)
    assert found["slope_mb_per_minute"] == pytest.approx(np.mean(slopes_mb), abs=1e-3)
    assert checks.is_flat(found) is is_flat


def test_a_window_that_fills_is_no_growth_and_what_grows_beside_it_is():
    for slope_mb, is_flat in ((0.0, True), (2.0, False)):
        rows = list(samples([slope_mb]))
        waiting = [0, 0, 0, 0, 200_000, 800_000, 1_000_000, 100_000, 0, 0]
        most = np.maximum.accumulate(waiting)
        for row, events, kept in zip(rows, waiting, most, strict=True):
            row["surveillance_waiting_events"] = events
            row["rss_mb"] += kept * 128 / 2**20  # what is freed stays with the process
        found = checks.memory_of(rows, settle_s=120)
        assert checks.is_flat(found) is is_flat
        assert found["slope_mb_per_minute"] == pytest.approx(slope_mb, abs=1e-3)
        assert found["windows_mb"] == pytest.approx(122.1, abs=0.1)


def test_memory_of_too_few_samples_is_not_judged():
    assert checks.memory_of(list(samples([1.0], life_minutes=4)), settle_s=120) == {}


def test_figures_are_read_from_a_page_of_metrics():
    page = '# HELP lionrock_a A\nlionrock_a{port="public"} 2.0\nprocess_open_fds 12.0\npython_info 1.0\n'
    assert parse_metrics(page) == {'a{port="public"}': 2.0, "process_open_fds": 12.0}


@pytest.mark.parametrize("flags", ["--minutes 0", "--share 1.5", "--restart-minutes -1"])
def test_what_cannot_be_soaked_is_refused_before_anything_starts(flags, capsys):
    assert command.main(flags.split()) == command.NOT_RUN
    assert capsys.readouterr().err.startswith("soak: --")


@compiled
def test_a_short_soak_with_a_crash_loses_nothing(tmp_path, capsys):
    kept = tmp_path / "samples.jsonl"
    flags = ["--minutes", "0.05", "--restart-minutes", "0.025", "--small", "--folder", str(tmp_path)]
    code = command.main([*flags, "--samples", str(kept), "--json"])
    outcome = json.loads(capsys.readouterr().out)
    assert (code, outcome["failures"]) == (0, [])
    assert [life["end"] for life in outcome["lives"]] == ["kill -9", "SIGTERM"]
    told, found = outcome["makers"], outcome["checks"]
    assert told["orders_told"] > 100 and told["cancels_unanswered"] == 0 and told["cut_connections"] >= 10
    assert found["audit"]["commands"] == outcome["commands"] > told["orders_told"]
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert len(lines) == len(outcome["samples"]) > 0 and lines[0]["log_sequence_total"] > 0
    assert not list(Path(tmp_path).glob("lionrock-soak-*"))
