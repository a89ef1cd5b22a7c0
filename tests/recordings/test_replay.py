"""Replay: recordings through the engine, against somebody else's record of what happened."""

import hashlib
from pathlib import Path

import pytest

from engine import invariants
from engine.codes import Reason, Side
from engine.recordings import open_recording
from engine.recordings.batches import READER_ID, ContractSpec, parse_contract
from engine.recordings.comparison import KEPT_DIFFERENCES, NOTED_FILLS
from engine.recordings.lost_orders import LIMITS, WITHOUT_INDEX, describe, lost_orders
from engine.recordings.replay import Options, prepare, replay
from engine.recordings.source import RecordingError, sources
from engine.schema import MIN_EVENT_ROWS
from tests.recordings.data import DATA, compiled, needs_data, play
from tests.recordings.script import Fill, Script
from tests.recordings.test_readers import documented_example, lobster_files

SMALL = sorted((DATA / "flash1_small").glob("*.csv"))
ORDERBOOK_OF_SWEEP = (
    "1000200,20,1000100,30,1000300,5,1000000,4\n"
    "1000200,20,1000100,30,1000300,12,1000000,4\n"
    "1000300,12,1000100,30,1000400,9,1000000,4\n"
    "1000300,7,1000100,30,1000400,9,1000000,4\n"
    "1000400,9,1000100,30,1000500,1,1000000,4\n"
    "1000400,6,1000100,30,1000500,1,1000000,4\n"
)
MESSAGES_OF_SWEEP = (
    "34200.1,1,11,10,1000100,1\n"
    "34200.2,1,12,7,1000300,-1\n"
    "34200.3,4,5,20,1000200,-1\n"
    "34200.3,4,6,5,1000300,-1\n"
    "34200.3,4,12,7,1000300,-1\n"
    "34200.3,4,7,3,1000400,-1\n"
)


# --- against other engines and recorded books -------------------------------------------------------------------------


@needs_data
@compiled
@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_flash1_small_reports_are_byte_equal(path: Path) -> None:
    result, reports = play(open_recording(path))
    assert reports == path.with_name(f"{path.stem}_reports.txt").read_bytes()
    assert result.messages == result.commands > 9000


@needs_data
@compiled
@pytest.mark.parametrize("name", ["normal", "swing-40"])
def test_flash1_reports_have_the_agreed_digest(name: str) -> None:
    agreed = dict(reversed(line.split()) for line in (DATA / "flash1" / "reports.sha256").read_text().splitlines())
    result, reports = play(open_recording(DATA / "flash1" / f"{name}.bin.xz"))
    assert result.messages == 1_996_097
    assert hashlib.sha256(reports).hexdigest() == agreed[f"{name}_seed23_count1000000_reports.txt"]


@needs_data
@compiled
def test_reports_do_not_depend_on_the_event_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, reports = play(open_recording(SMALL[0]))
    monkeypatch.setattr("engine.host.RING_ROWS", MIN_EVENT_ROWS)
    paused, same_reports = play(open_recording(SMALL[0]))
    assert same_reports == reports
    assert paused.digest == whole.digest


@needs_data
@compiled
@pytest.mark.parametrize(
    ("name", "rows", "executions", "as_recorded_at_least"),
    [
        ("AAPL_2012-06-21_34200000_57600000_message_10.csv", 999, 98, 98),
        ("LOBSTER_SampleFile_AMZN_2012-06-21_1.zip", 57_515, 8_974, 8_962),
        ("LOBSTER_SampleFile_AMZN_2012-06-21_5.zip", 155_935, 8_974, 8_934),
    ],
)
def test_lobster_book_is_exact_and_executions_are_as_recorded(
    name: str, rows: int, executions: int, as_recorded_at_least: int
) -> None:
    result, _ = play(open_recording(DATA / "lobster" / name))
    assert (result.book_rows_checked, result.book_rows_equal) == (rows, rows)
    assert result.differences == []
    assert result.executions == executions
    assert (result.executions_as_recorded or 0) >= as_recorded_at_least >= 0.995 * executions
    assert result.rejects == {}


@needs_data
@compiled
def test_bitstamp_snapshots_are_reproduced() -> None:
    log = DATA / "bitstamp_2015" / "2015-05-01.log.xz"
    result, reports = play(open_recording(log))
    assert (result.book_rows_checked, result.book_rows_equal) == (5011, 4941)
    assert result.book_rows_one_event_off == 49
    assert (result.executions, result.executions_as_recorded) == (575, 571)
    assert set(result.rejects) == {"UNKNOWN_ORDER"} and result.lost == {}
    assert len(result.execution_differences) == 575 - 571
    from_csv, same_reports = play(open_recording(DATA / "bitstamp_2015" / "orders.csv.xz", book=log))
    assert same_reports == reports
    assert from_csv.book_rows_equal == result.book_rows_equal


# --- the LOBSTER rules in small ---------------------------------------------------------------------------------------


def test_a_sweep_is_one_aggressor_checked_at_every_row(tmp_path: Path) -> None:
    """It reaches a level that was below the visible depth; the anonymous quantity goes first at its price."""
    path = lobster_files(tmp_path, MESSAGES_OF_SWEEP, ORDERBOOK_OF_SWEEP)
    result, reports = play(open_recording(path))
    assert (result.book_rows_checked, result.book_rows_equal) == (6, 6)
    assert (result.executions, result.executions_as_recorded) == (4, 4)
    assert [line for line in reports.decode().split("\n") if line.startswith("1,")] == [
        f"1,6,{price},{quantity},{maker},4611686018427387911"
        for price, quantity, maker in (
            (1000200, 20, 4611686018427387907),
            (1000300, 5, 4611686018427387908),
            (1000300, 7, 12),
            (1000400, 3, 4611686018427387909),
        )
    ]


def test_an_order_taken_out_of_turn_is_told_and_repaired(tmp_path: Path) -> None:
    steps = ("34200.1,1,11", "34200.2,1,12", "34200.3,4,12", "34200.4,3,11")
    messages = "".join(f"{step},10,1000100,1\n" for step in steps)
    rows = "".join(f"1000200,20,1000100,{size}\n" for size in (40, 50, 40, 30))
    result, _ = play(open_recording(lobster_files(tmp_path, messages, rows)))
    assert (result.executions, result.executions_as_recorded) == (1, 0)
    [told] = result.execution_differences
    assert "recorded 10 at 1000100 from order 12; here 10 at 1000100 from an order that it does not name" in told
    assert (result.book_rows_checked, result.book_rows_equal) == (4, 4)
    assert result.rejects == {}
    assert result.depth == ([(1000100, 30)], [(1000200, 20)])


def test_a_recorded_book_that_disagrees_is_told(tmp_path: Path) -> None:
    wrong = ORDERBOOK_OF_SWEEP.replace("1000300,7,1000100,30", "1000300,7,1000100,31")
    result, _ = play(open_recording(lobster_files(tmp_path, MESSAGES_OF_SWEEP, wrong)))
    assert (result.book_rows_checked, result.book_rows_equal) == (6, 5)
    assert result.differences == ["message 6: bid 1 is 30 at 1000100, recorded 31 at 1000100"]


def test_after_a_skipped_line_the_book_is_entered_again(tmp_path: Path) -> None:
    lines = MESSAGES_OF_SWEEP.splitlines()
    lines[1] = "34200.2,1,12,x,1000300,-1"
    path = lobster_files(tmp_path, "\n".join(lines), ORDERBOOK_OF_SWEEP)
    result, _ = play(open_recording(path, skip_bad=True))
    assert result.bad_lines == 1
    assert result.book_rows_equal == result.book_rows_checked
    assert result.depth == ([(1000100, 30), (1000000, 4)], [(1000400, 6), (1000500, 1)])


# --- comparison -------------------------------------------------------------------------------------------------------


SWEEP = [(7, Side.SELL, 100, 5), (8, Side.SELL, 101, 5)]


@pytest.mark.parametrize(
    ("fills", "as_recorded"),
    [
        ([(7, 100, 5), (8, 101, 5)], 2),
        ([(7, 100, 5), (9, 101, 5)], 1),
        ([(7, 99, 5), (8, 101, 5)], 1),
        ([(7, 100, 5), (8, 101, 4)], 1),
        ([(7, 100, 4), (8, 101, 6)], 1),
        ([(7, 100, 2), (5, 100, 3), (8, 101, 4), (7, 102, 1)], 0),
        ([], 0),
    ],
)
def test_executions_as_recorded_need_order_and_price(fills: list[Fill], as_recorded: int) -> None:
    script = Script()
    script.trades(1, fills, SWEEP)
    result, _ = play(script)
    assert (result.executions, result.executions_as_recorded) == (2, as_recorded)


@pytest.mark.parametrize(
    ("fills", "told"),
    [
        ([(7, 100, 5), (8, 101, 5)], []),
        ([(7, 100, 5), (9, 101, 5)], ["message 4: recorded 5 at 101 from order 8; here 5 at 101 from order 9"]),
        (
            [(9, 100, 7), (8, 101, 2)],
            [
                "message 4: recorded 5 at 100 from order 7; here 5 at 100 from order 9",
                "message 4: recorded 5 at 101 from order 8; here 2 at 100 from order 9, 2 at 101 from order 8",
            ],
        ),
        ([(7, 100, 5)], ["message 4: recorded 5 at 101 from order 8; here nothing traded"]),
        (
            [(READER_ID + 3, 100, 5), (8, 101, 5)],
            ["message 4: recorded 5 at 100 from order 7; here 5 at 100 from an order that it does not name"],
        ),
    ],
)
def test_an_execution_that_differs_is_told_with_what_happened_instead(fills: list[Fill], told: list[str]) -> None:
    script = Script()
    script.trades(4, fills, SWEEP)
    result, _ = play(script)
    assert result.execution_differences == told
    assert (result.executions, result.executions_as_recorded) == (2, 2 - len(told))


def test_of_many_trades_instead_of_one_the_first_are_told() -> None:
    script = Script()
    script.trades(4, [(20 + number, 100, 1) for number in range(NOTED_FILLS + 3)], [(7, Side.SELL, 100, 11)])
    [told] = play(script)[0].execution_differences
    assert told.startswith("message 4: recorded 11 at 100 from order 7; here 1 at 100 from order 20, 1 at 100 from")
    assert told.endswith(f"1 at 100 from order {20 + NOTED_FILLS - 1} and 3 trades more")


def test_a_trade_without_order_ids_is_told_with_the_trades_that_nothing_matched() -> None:
    script = Script()
    script.trades(4, [(7, 100, 6)], [(0, 0, 100, 5)])
    script.trades(5, [], [(0, 0, 100, 6)])
    script.trades(6, [], [(0, 0, 100, 1)])
    result, _ = play(script)
    assert result.execution_differences == [
        "message 4: recorded 5 at 100; here no such trade, not matched so far: 6 at 100 from order 7",
        "message 6: recorded 1 at 100; here nothing traded",
    ]
    assert (result.executions, result.executions_as_recorded) == (3, 1)


def test_only_the_first_differences_are_kept() -> None:
    script = Script()
    for message in range(1, 51):
        script.trades(message, [], SWEEP)
        script.check(message, [([(5, message)], [])], [])
    result, _ = play(script)
    assert len(result.execution_differences) == len(result.differences) == KEPT_DIFFERENCES
    assert (result.executions, result.book_rows_checked, result.book_rows_equal) == (100, 50, 0)
    assert result.differences[4] == "message 5: bid 1 is empty, recorded 5 at 5"


def test_more_fills_than_the_ring_holds_are_all_compared() -> None:
    """One sweep of 6,000 orders: its fills come back in several rings, and wait for their check."""
    script = Script()
    makers = [(number, 100, 1) for number in range(1, 6001)]
    script.trades(1, makers, [(number, Side.SELL, 100, 1) for number, _, _ in makers])
    script.trades(2, [(6001, 100, 3)], [(0, 0, 100, 3)])
    result, _ = play(script)
    assert (result.executions, result.executions_as_recorded, result.trades) == (6001, 6001, 6001)


FIRST, SECOND, THIRD, OTHER = 1, 2, 3, 4


@pytest.mark.parametrize(
    ("snapshot", "equal", "one_event_off"),
    [(SECOND, 1, 0), (FIRST, 0, 1), (THIRD, 0, 1), (OTHER, 0, 0)],
    ids=["in step", "behind the feed", "ahead of the feed", "neither"],
)
def test_a_snapshot_between_two_events_is_compared_with_both_sides(
    snapshot: int, equal: int, one_event_off: int
) -> None:
    script = Script(depth=5)
    script.event(1, FIRST)
    script.event(2, SECOND)
    script.check(2, [([(9, snapshot)], [])], [])
    script.event(3, THIRD)
    result, _ = play(script)
    assert result.book_rows_checked == 1
    assert (result.book_rows_equal, result.book_rows_one_event_off) == (equal, one_event_off)


# --- the loop ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The documented example of our own format."""
    (tmp_path / "example.csv").write_text(documented_example()[0])
    return tmp_path / "example.csv"


def test_documented_example_replays(example: Path) -> None:
    result, reports = play(open_recording(example))
    assert reports.decode().split("\n") == [
        "0,1,1,1,101,5",
        "0,2,0,2,99,3",
        "0,3,0,3,101,2",
        "1,3,101,2,1,3",
        "3,4,0,2,99,2",
        "2,5,1,1,101",
    ]
    assert (result.messages, result.trades, result.volume_lots, result.rejects) == (5, 1, 2, {})
    assert result.depth == ([(99, 2)], [])


def test_until_stops_after_messages_or_at_a_time(example: Path) -> None:
    for options in ({"until_message": 3}, {"until_ns": 3000}, {"until_ns": 3999}):
        result, _ = play(open_recording(example), **options)
        assert (result.messages, result.commands, result.trades) == (3, 3, 1)
    assert play(open_recording(example), until_message=9)[0].messages == 5
    assert play(open_recording(example), until_ns=1)[0].commands == 0
    text = example.read_text()
    for early, late in (("2000,", "9000,"), ("5000,", "2000,")):
        text = text.replace(early, late)
    example.write_text(text)
    result, _ = play(open_recording(example), until_ns=4500)
    assert (result.messages, result.commands) == (1, 1), "the first later time is the end, whatever comes behind it"


def test_pace_is_asked_before_each_recorded_time(example: Path) -> None:
    text = example.read_text().replace("3000,", "30000000,").replace("4000,", "40000000,").replace("5000,", "50000000,")
    example.write_text(text)
    asked: list[int] = []
    paced, reports = play(open_recording(example), pace=asked.append)
    assert asked == [2000, 40_000_000, 50_000_000]
    assert reports == play(open_recording(example))[1]
    assert paced.trades == 1


def test_a_recording_without_a_clock_takes_neither_time_nor_speed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("type,side,ioc,quantity,sequence,order_id,price_ticks\nNEW,0,0,1,0,1,5\n")
    for options in ({"until_ns": 5}, {"pace": print}):
        with pytest.raises(RecordingError, match="has no clock"):
            play(open_recording(tmp_path / "a.csv"), **options)


def test_refusals_are_counted_by_reason(tmp_path: Path) -> None:
    lines = ["action,cl_ord_id,side,qty_lots,price_ticks,flags", "cancel,9,,,,", "new,1,buy,5,100,", "new,1,buy,6,100,"]
    lines += ["new,2,sell,1,100,post_only reject_post_only", "amend,7,,5,,"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    result, _ = play(open_recording(tmp_path / "a.csv"))
    assert result.rejects == {"DUPLICATE_ID": 1, "POST_ONLY_WOULD_CROSS": 1, "UNKNOWN_ORDER": 2}


def test_repeated_orders_are_counted_and_lost(tmp_path: Path) -> None:
    lines = ["action,cl_ord_id,side,qty_lots,price_ticks", *["new,1,sell,5,100"] * 3, "cancel,1,,,", "new,1,sell,5,100"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    result, _ = play(open_recording(tmp_path / "a.csv"))
    assert (result.repeated, result.lost, result.rejects) == (2, {"REPEATED": 2}, {})
    assert result.depth == ([], [(100, 5)]), "one under its id, and again after its cancel"


@pytest.mark.parametrize("name", sorted(LIMITS | WITHOUT_INDEX))
def test_every_limit_is_a_reason_and_has_a_remedy(name: str) -> None:
    assert name in Reason.__members__
    said = describe(lost_orders({name: 3, "UNKNOWN_ORDER": 9}, 2, LIMITS | WITHOUT_INDEX), 200)
    assert said.startswith(f"5 of 200 commands were refused for limits ({name} 3, REPEATED 2); ")


def test_a_trigger_on_the_mark_is_lost_where_there_is_no_mark(tmp_path: Path) -> None:
    lines = ["action,cl_ord_id,side,qty_lots,ord_type,trigger_price_ticks", "new,1,sell,5,stop_market,90"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert play(open_recording(tmp_path / "a.csv"))[0].lost == {"REFERENCE_PRICE_UNAVAILABLE": 1}


def test_what_life_refuses_too_loses_nothing() -> None:
    assert lost_orders({"UNKNOWN_ORDER": 5, "POST_ONLY_WOULD_CROSS": 1, "FOK_CANNOT_FILL": 1}, 0) == {}


TICK, LOT = "0.01", "0.00000001"
COIN = 10**8


@compiled
def test_realistic_precision_fits_a_whole_markets_open_orders(tmp_path: Path) -> None:
    """Prices up to 10^7 in hundredths, quantities in 10^-8: twenty million coins open at once, and all of it trades."""
    prices = [10**9 - 1000 * level for level in range(2000)]
    assert prices[0] == int(10**7 / float(TICK))
    lines = ["action,cl_ord_id,side,qty_lots,price_ticks,tif"]
    lines += [f"new,{number},sell,{10_000 * COIN},{price}," for number, price in enumerate(prices, 1)]
    lines += [f"new,{3000 + number},buy,{10_000 * COIN},{price // 2}," for number, price in enumerate(prices, 1)]
    (tmp_path / "open.csv").write_text("\n".join(lines))
    reader = open_recording(tmp_path / "open.csv")
    reader.contract = parse_contract(f"BTC_USD,tick={TICK},lot={LOT}", reader.contract)
    opened, _ = play(reader)
    assert (opened.rejects, opened.lost) == ({}, {})
    assert opened.depth[1][0] == (prices[-1], 10_000 * COIN) and opened.depth[0][0] == (prices[0] // 2, 10_000 * COIN)
    lines += [f"new,{6000 + number},buy,{10_000 * COIN},{10**9},ioc" for number in range(2000)]
    (tmp_path / "traded.csv").write_text("\n".join(lines))
    runner = prepare(open_recording(tmp_path / "traded.csv"))
    traded = replay(open_recording(tmp_path / "traded.csv"), runner, Options())
    assert (traded.trades, traded.volume_lots, traded.lost) == (2000, 20_000_000 * COIN, {})
    root = runner.engine.root
    invariants.check(root)
    assert (int(root[0]["accounts"][0]["cash_micros"]), int(root[0]["fund_micros"])) == (0, 0), "no money is at stake"


@compiled
def test_a_limit_that_a_recording_meets_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"action,cl_ord_id,side,qty_lots,price_ticks\nnew,1,buy,{(1 << 52) + 1},5\n")
    with pytest.raises(RecordingError, match="qty_lots"):
        play(open_recording(tmp_path / "a.csv"))
    lines = [f"new,{number},buy,{1 << 52},5" for number in range(1, 20)]
    (tmp_path / "a.csv").write_text("action,cl_ord_id,side,qty_lots,price_ticks\n" + "\n".join(lines))
    assert play(open_recording(tmp_path / "a.csv"))[0].lost == {"POSITION_LIMIT": 3}, "2^56 lots of one side"


def test_progress_tells_what_is_read(example: Path) -> None:
    told: list[tuple[int, int]] = []
    play(open_recording(example), progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 0)]


def test_a_market_that_cannot_be_opened_says_why(example: Path) -> None:
    reader = open_recording(example)
    reader.contract = ContractSpec("WIDE", max_price_ticks=1 << 40)
    with pytest.raises(RecordingError, match=r"'WIDE'.*CONTRACT_LIST is refused, BAD_RANGE"):
        prepare(reader)


def test_names_survive_packing(tmp_path: Path) -> None:
    (tmp_path / "a.csv.xz").write_bytes(b"")
    assert sources(tmp_path / "a.csv.xz")[0].name == "a.csv"
