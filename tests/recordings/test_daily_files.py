"""A folder of daily files replays as the one recording that it is."""

import gzip
import hashlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from engine.codes import NIL, CommandKind
from engine.recordings import open_recording
from engine.recordings.batches import Wanted, accounts_of, contracts_of
from engine.recordings.replay import Options, prepare, replay
from engine.recordings.source import RecordingError, share_read
from engine.recordings.tardis import BOOK_HEADER
from tests.recordings import itch_writer
from tests.recordings.bitstamp_writer import BitstampWriter
from tests.recordings.coinbase_writer import CoinbaseWriter
from tests.recordings.data import compiled, play
from tests.recordings.level_market import Event, Market, books_of
from tests.recordings.small_exchange import Fact, SmallExchange
from tests.recordings.test_binance import captured
from tests.recordings.test_binance import write as write_binance
from tests.recordings.test_order_formats import orders, table_of, write_csv, write_jsonl
from tests.recordings.test_price_levels import BOOK_NAME, TRADES_NAME, write_tardis
from tests.recordings.test_readers import FLASH1_CSV

DAYS = ("2023-11-14", "2023-11-15", "2023-11-16")
SYMBOLS = ("BTC-PERPETUAL", "ETH-PERPETUAL")


def checksum(path: Path) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".CHECKSUM").write_text(f"{digest}  {path.name}\n")


def write_days(folder: Path, days: list[list[Event]], by_symbol: bool) -> None:
    """Tardis' files of some days, packed, with checksums: one of each day, or one of each day and symbol."""
    folder.mkdir()
    for day, events in zip(DAYS, days, strict=False):
        for symbol in SYMBOLS if by_symbol else ("PERPETUALS",):
            write_tardis(folder, [event for event in events if symbol in (event.symbol, "PERPETUALS")], ".gz")
            for name in (BOOK_NAME, TRADES_NAME):
                named = folder / (name.replace("2023-11-14_X", f"{day}_{symbol}") + ".gz")
                (folder / (name + ".gz")).rename(named)
                checksum(named)


def days_of(seed: int, count: int = 250) -> tuple[Market, list[list[Event]]]:
    """Three days, each of which begins with a snapshot of each book."""
    market = Market(seed, SYMBOLS)
    return market, [list(market.events(count)) for _ in DAYS]


@pytest.mark.parametrize("by_symbol", [False, True])
def test_days_of_levels_are_one_recording(tmp_path: Path, by_symbol: bool) -> None:
    _, days = days_of(4)
    write_days(tmp_path / "days", days, by_symbol)
    path = write_tardis(tmp_path, [event for events in days for event in events])
    whole, parts = open_recording(path), open_recording(tmp_path / "days")
    wanted, result = replay(whole, prepare(whole), Options()), replay(parts, prepare(parts), Options())
    events = sum(map(len, days))
    assert (result.book_rows_checked, result.book_rows_equal) == (events, events), result.differences
    assert (result.digest, result.trades) == (wanted.digest, wanted.trades) and result.trades > 100
    assert contracts_of(parts) == contracts_of(whole) and accounts_of(parts) == 1
    assert share_read(tmp_path / "days") <= 1


def test_a_wanted_symbol_may_be_missing_on_some_days_and_not_on_all(tmp_path: Path) -> None:
    _, days = days_of(6)
    days[0] = [event for event in days[0] if event.symbol == SYMBOLS[0]]
    write_days(tmp_path / "days", days, False)
    reader = open_recording(tmp_path / "days", wanted=Wanted(symbols=frozenset({SYMBOLS[1]})))
    rows = sum(event.symbol == SYMBOLS[1] for events in days for event in events)
    assert len(books_of(reader)) == rows > 100
    with pytest.raises(RecordingError, match=r"--symbols: DOGE is not in the recording; there are: BTC-P.*, ETH-P"):
        books_of(open_recording(tmp_path / "days", wanted=Wanted(symbols=frozenset({"DOGE"}))))


def test_a_wanted_symbol_is_in_one_of_a_day_s_files(tmp_path: Path) -> None:
    _, days = days_of(6, 60)
    write_days(tmp_path / "days", days, True)
    for symbol in SYMBOLS:
        reader = open_recording(tmp_path / "days", wanted=Wanted(symbols=frozenset({symbol})))
        assert len(books_of(reader)) == sum(event.symbol == symbol for events in days for event in events)


def test_files_of_one_day_have_the_tick_of_the_first_of_them(tmp_path: Path) -> None:
    for name, begin, price, other in (("a", 1, "10.5", "11.0"), ("b", 2, "9", "20")):
        rows = [f"x,BTC,{begin},{begin},true,{side},{at},1" for side, at in (("bid", price), ("ask", other))]
        (tmp_path / f"x_incremental_book_L2_{name}.csv").write_text("\n".join((BOOK_HEADER.decode(), *rows)))
    reader = open_recording(tmp_path)
    result, _ = play(reader)
    assert contracts_of(reader)[0].tick == "0.1"
    assert result.depth == ([(90, 1)], [(200, 1)]) and result.book_rows_equal == result.book_rows_checked == 2


def test_days_long_before_the_wanted_time_are_not_read(tmp_path: Path) -> None:
    _, days = days_of(7, 60)
    write_days(tmp_path / "days", days, True)
    for path in (tmp_path / "days").glob("*2023-11-14*"):
        path.write_bytes(b"is not read")
    from_ns = int(np.datetime64("2023-11-16T12:00", "ns").astype(np.int64))
    assert open_recording(tmp_path / "days", "tardis", wanted=Wanted(from_ns=from_ns)).batches()
    reader = open_recording(tmp_path / "days", "tardis", wanted=Wanted(from_ns=from_ns))
    assert sum(len(batch.commands) for batch in reader.batches()) > 0
    with pytest.raises(RecordingError, match=r"2023-11-14.*SHA-256"):
        list(open_recording(tmp_path / "days", "tardis").batches())


def test_a_day_of_an_exchange_begins_with_empty_books(tmp_path: Path) -> None:
    def day(price: int, *more: Fact) -> bytes:
        first = Fact("add", 34_200_000_000_000, "AAPL", 5, 1, price, 100)
        return itch_writer.file_of([first, *more], ("AAPL", "MSFT"))

    other = Fact("add", 34_200_000_000_001, "MSFT", 6, 1, 7, 9)
    (tmp_path / "S013020-v50.txt").write_bytes(day(1_000_000, other))
    (tmp_path / "S013120-v50.txt").write_bytes(day(1_000_100, Fact("execute", 34_200_000_000_009, "AAPL", 5, 1, 0, 30)))
    result, _ = play(open_recording(tmp_path))
    assert {name: each.depth for name, each in result.contracts.items()} == {
        "AAPL": ([(1_000_100, 70)], []), "MSFT": ([], []),
    }  # fmt: skip
    assert (result.executions, result.executions_as_recorded, result.lost, result.ignored) == (1, 1, {}, {})
    assert result.book_rows_equal == result.book_rows_checked
    first, _ = play(open_recording(tmp_path / "S013020-v50.txt"))
    until, _ = play(open_recording(tmp_path), until_ns=int(np.datetime64("2020-01-31", "ns").astype(np.int64)))
    assert result.messages > until.messages >= first.messages, "where the second day begins, the first was read"


@compiled
def test_our_daily_exports_come_back_as_the_whole_does(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from engine.recordings.out.export import Wanted as Tables
    from engine.recordings.out.formats import DAY_NS
    from tests.recordings.test_export import exported, venue_events

    events = venue_events().copy()
    for part in (3, 2):
        events["time_ns"][len(events) // part :] += DAY_NS
    kinds = (
        ("dbn", ("orders", "definition", "trades")),
        ("tardis", ("levels", "trades", "depth")),
        ("parquet", ("orders", "trades")),
    )
    for kind, tables in kinds:
        folder = tmp_path / kind
        exported(folder / "days", Tables(kind, tables, daily=True), events=events)
        exported(folder / "whole", Tables(kind, tables), events=events)
        (wanted, _), (result, _) = (play(open_recording(folder / name)) for name in ("whole", "days"))
        if kind != "parquet":
            assert result.book_rows_equal == result.book_rows_checked >= (wanted.book_rows_checked or 0) > 1000
        assert (result.trades, result.volume_lots) == (wanted.trades, wanted.volume_lots)
        assert (result.rejects, result.lost) == (wanted.rejects, {}) and result.trades > 100
        assert (result.executions, result.executions_as_recorded) == (wanted.executions, wanted.executions_as_recorded)
        depths = [{name: each.depth for name, each in of.contracts.items()} for of in (result, wanted)]
        assert depths[0] == depths[1] and len(depths[0]) == 2


@compiled
@pytest.mark.parametrize("files", [1, 2])
def test_tables_of_several_days_go_on_over_midnight(tmp_path: Path, files: int) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    rows = [row | {"account": 7} for row in orders(3, 120)]
    (tmp_path / "days").mkdir()

    def write(name: str, rows: list[dict[str, Any]]) -> None:
        parquet.write_table(table_of(rows), tmp_path / name)

    write("whole.parquet", rows)
    for day, first in zip(DAYS, (0, 40, 80), strict=True):
        part = rows[first : first + 40]
        for file in range(files):
            write(f"days/f{file}-{day}.parquet", part[file::files])
    checksum(tmp_path / "days" / f"f0-{DAYS[0]}.parquet")
    found = []
    for path in (tmp_path / "whole.parquet", tmp_path / "days"):
        reader = open_recording(path)
        assert list(reader.batches())[-1].read == 120
        reader = open_recording(path)
        result, _ = play(reader)
        names = sorted(spec.name for spec in contracts_of(reader))
        depths = {name: each.depth for name, each in result.contracts.items()}
        digest = result.digest if files == 1 else ""  # slots are as contracts appear, which several files change
        found.append((digest, result.commands, result.trades, result.rejects, names, depths, accounts_of(reader)))
    assert found[0] == found[1] and found[0][1] == 120


def test_the_days_of_an_export_begin_with_what_rests(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    order = {"action": "new", "contract": "ABC", "side": "buy", "qty_lots": 5, "price_ticks": 9}
    said = {"what": "orders", "contract": "ABC", "tick": "0.5", "lot": "1"}
    for day in DAYS:
        day_ns = int(np.datetime64(day, "ns").astype(np.int64))
        table = table_of([order | {"time_ns": day_ns, "cl_ord_id": number} for number in (5, 6)])
        parquet.write_table(table.replace_schema_metadata(said), tmp_path / f"ABC-orders-{day}.parquet")
        (tmp_path / f"ABC-trades-{day}.parquet").write_bytes(b"PAR1 is not read")
    batches = list(open_recording(tmp_path).batches())
    rows, messages = (np.concatenate([getattr(each, name) for each in batches]) for name in ("commands", "messages"))
    new, every = CommandKind.NEW, CommandKind.MASS_CANCEL
    assert rows["kind"].tolist() == [new, new, every, new, new, every, new, new]
    assert messages.tolist() == [1, 2, 2, 3, 4, 4, 5, 6] and batches[-1].read == 6
    assert set(rows["contract_slot"].tolist()) == {0} and rows["account_slot"][2] == NIL
    other = table.replace_schema_metadata(said | {"tick": "0.25"})
    parquet.write_table(other, tmp_path / f"ABC-orders-{DAYS[2]}.parquet")
    with pytest.raises(RecordingError, match=rf"{DAYS[2]}.parquet: metadata: tick is 0.25 for ABC, and 0.5 in a file"):
        list(open_recording(tmp_path).batches())


def test_what_is_no_folder_of_days_is_one_line(tmp_path: Path) -> None:
    _, days = days_of(8, 20)
    write_days(tmp_path / "days", days, False)
    folder, draw = tmp_path / "days", Random(1)
    [damaged, *_] = sorted(folder.glob("*_L2_*15*.gz"))

    def refused(match: str, format: str = "auto", **wanted: Path) -> None:
        with pytest.raises(RecordingError, match=match) as error:
            list(open_recording(folder, format, wanted=Wanted(**wanted)).batches())  # type: ignore[arg-type]
        assert "\n" not in str(error.value)

    refused("--trades: .*days is a folder, whose files are found by their names", trades=damaged)
    kept = damaged.read_bytes()
    spoilt = bytearray(kept)
    spoilt[draw.randrange(20, len(kept))] ^= 1
    damaged.write_bytes(spoilt)
    refused(f"{damaged.name}: its SHA-256 begins with .* get the file again", "tardis")
    damaged.write_bytes(kept)
    for text in ("none", f"SHA256 ({damaged.name}) = {'0' * 64}", "0" * 128):
        damaged.with_name(damaged.name + ".CHECKSUM").write_text(text)
        refused("CHECKSUM: does not begin with a SHA-256 of 64 hexadecimal digits")
    checksum(damaged)
    trades = damaged.with_name(damaged.name.replace("_incremental_book_L2_", "_trades_"))
    trades.with_name(trades.name + ".CHECKSUM").write_text("0" * 64)
    refused(f"{trades.name}: its SHA-256 begins with .* get the file again")
    checksum(trades)
    damaged.rename(folder / "x_incremental_book_L2_today.csv.gz")
    refused("x_incremental_book_L2_today.csv.gz: no day in its name, such as 2020-01-30, and other files")
    for path in folder.iterdir():
        path.unlink()
    refused("days: holds no journal and no recordings; name the folder that has journal-00000001.log, or daily files")
    (folder / "a-2020-01-30.csv").write_text(FLASH1_CSV)
    refused("a folder of flash1 files is not read as one, those of tardis, databento, itch, pitch, .* are; name a file")
    (folder / "b-2020-01-31.itch").write_bytes(itch_writer.directory(["A"]))
    refused("b-2020-01-31.itch: is itch, and a-2020-01-30.csv is flash1; a folder has files of one format")


# --- captures whose lines go on ---------------------------------------------------------------------------------------


def parted(folder: Path, data: bytes, name: str, header: bool = False) -> None:
    """A file's lines in three files of three days, the second of them packed, the last line without its end."""
    folder.mkdir()
    head, lines = (data.splitlines()[0] + b"\n", data.splitlines()[1:]) if header else (b"", data.splitlines())
    third = len(lines) // 3
    for day, part in zip(DAYS, (lines[:third], lines[third : 2 * third], lines[2 * third :]), strict=True):
        content, packed = head + b"\n".join(part), day == DAYS[1]
        path = folder / f"{name.format(day)}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
        checksum(path)


@pytest.mark.parametrize("kind", ["binance", "coinbase", "bitstamp_live", "csv", "jsonl"])
def test_a_capture_of_several_files_is_read_as_one(tmp_path: Path, kind: str) -> None:
    whole = tmp_path / "whole"
    if kind == "binance":
        write_binance(whole, captured(list(Market(7).events(200)), True))
    elif kind in ("csv", "jsonl"):
        (write_csv if kind == "csv" else write_jsonl)(whole, orders(3, 90))
    else:
        exchange = SmallExchange(3, ("BTC", "ETH"), reduces=False)
        writer: Any = CoinbaseWriter() if kind == "coinbase" else BitstampWriter()
        whole.write_text("\n".join(line for step in exchange.day(120) for line in writer.lines(step)))
    parted(tmp_path / "parts", whole.read_bytes(), "a-{}.txt", kind == "csv")
    found = []
    for path in (whole, tmp_path / "parts"):
        reader = open_recording(path, kind)
        batches = list(reader.batches())
        rows = np.concatenate([batch.commands for batch in batches])
        messages = np.concatenate([batch.messages for batch in batches])
        found.append((rows.tobytes(), messages.tobytes(), batches[-1].read, getattr(reader, "ignored", {})))
    assert found[0] == found[1] and len(found[0][0]) > 1000
    assert share_read(tmp_path / "parts") > 0.5


def test_an_error_names_the_file_and_its_own_line(tmp_path: Path) -> None:
    header = b"action,cl_ord_id,side,qty_lots,price_ticks\n"
    good, bad = b"new,1,buy,5,10\n", b"new,2,up,5,10\n"
    for name, content in (("a", good + good), ("b", good + bad), ("c", bad)):
        (tmp_path / f"{name}.csv").write_bytes(header + content)

    def refused(match: str) -> None:
        with pytest.raises(RecordingError, match=match):
            list(open_recording(tmp_path).batches())

    refused("^b.csv, line 3, side: 'up' is none of buy, sell$")
    (tmp_path / "b.csv").write_bytes(header)
    refused("^c.csv, line 2, side")
    (tmp_path / "c.csv").write_bytes(b"cl_ord_id,action,side,qty_lots,price_ticks\n" + good)
    refused("^c.csv, line 1, header: is not that of a.csv; a folder has one for all$")
    (tmp_path / "c.csv").unlink()
    packed = tmp_path / "d.csv.gz"
    packed.write_bytes(gzip.compress(header + b"".join(b"new,%d,buy,5,10\n" % order for order in range(3, 900)))[:-4])
    refused(r"damaged after line \d{3}: in d.csv: Compressed file ended")
    packed.unlink()
    (batch,) = open_recording(tmp_path).batches()
    assert (len(batch.commands), batch.read) == (2, 2)
