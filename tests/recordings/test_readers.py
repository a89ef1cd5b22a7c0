"""Readers: recognising formats, compressed inputs, malformed lines, and what each format's rows become."""

import gzip
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zstandard

from engine.codes import CommandKind, ExecInst, OrdType, Side, TimeInForce
from engine.recordings import csv_jsonl, open_recording
from engine.recordings.batches import READER_ID, Batch, Reader
from engine.recordings.flash1 import CSV_COLUMNS, HEADER, MAGIC, RECORD
from engine.recordings.source import BadLineError, RecordingError

FLASH1_LINES = ("NEW,1,0,7,0,11,101", "NEW,0,1,3,1,12,101", "MODIFY,1,0,9,2,11,102", "CANCEL,1,0,9,3,11,102")
FLASH1_CSV = "\n".join((",".join(CSV_COLUMNS), *FLASH1_LINES, ""))
MESSAGES = "34200.5,1,11,10,1000100,1\n34200.75,3,11,10,1000100,1\n34201.000000001,4,7,5,1000200,-1\n"
ORDERBOOK = (
    "1000200,20,1000100,30,1000300,5,-9999999999,0\n"
    "1000200,20,1000100,20,1000300,5,-9999999999,0\n"
    "1000200,15,1000100,20,1000300,5,-9999999999,0\n"
)
ORDER_OF_LOG = '{"price": "236.47", "amount": "2.00000000", "datetime": "1", "id": 5, "order_type": 0}'
LOG = (
    f"1430438404518 order_created {ORDER_OF_LOG}\n"
    '1430438404519 order_book {"bids": [["236.47", "2.00000000"]], "asks": [["236.50", "1.00000000"]]}\n'
    f"1430438404520 order_deleted {ORDER_OF_LOG}\n"
)


def read(reader: Reader) -> list[Batch]:
    return list(reader.batches())


def rows(reader: Reader, *names: str) -> list[tuple[int, ...]]:
    """The named columns of every command, as tuples."""
    return [row for batch in read(reader) for row in columns_of(batch, names)]


def columns_of(batch: Batch, names: tuple[str, ...]) -> list[tuple[int, ...]]:
    return list(zip(*(batch.commands[name].tolist() for name in names), strict=True))


def lobster_files(folder: Path, messages: str = MESSAGES, orderbook: str = ORDERBOOK) -> Path:
    path = folder / "ABC_2012-06-21_34200000_57600000_message_2.csv"
    path.write_text(messages)
    (folder / "ABC_2012-06-21_34200000_57600000_orderbook_2.csv").write_text(orderbook)
    return path


def binary(*records: tuple[int, ...], count: int | None = None) -> bytes:
    header = np.array([(MAGIC, 1, len(records) if count is None else count)], HEADER)
    return header.tobytes() + np.array(list(records), RECORD).tobytes()


# --- flash1 -----------------------------------------------------------------------------------------------------------


def test_flash1_rows_become_commands(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(FLASH1_CSV)
    forfeit = ExecInst.FORFEIT_PRIORITY | ExecInst.QTY_IS_LEAVES
    assert rows(open_recording(tmp_path / "a.csv"), "kind", "side", "tif", "cl_ord_id", "qty_lots", "flags") == [
        (CommandKind.NEW, Side.SELL, TimeInForce.GTC, 11, 7, 0),
        (CommandKind.NEW, Side.BUY, TimeInForce.IOC, 12, 3, 0),
        (CommandKind.AMEND, Side.SELL, 0, 11, 9, forfeit),
        (CommandKind.CANCEL, Side.SELL, 0, 11, 9, 0),
    ]


def test_flash1_binary_and_csv_are_the_same_stream(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(FLASH1_CSV)
    records = [(0, 1, 0, 0, 7, 0, 11, 101, 0), (0, 0, 1, 0, 3, 1, 12, 101, 0)]
    records += [(2, 1, 0, 0, 9, 2, 11, 102, 0), (1, 1, 0, 0, 9, 3, 11, 102, 0)]
    (tmp_path / "a.bin").write_bytes(binary(*records))
    ours, theirs = (read(open_recording(tmp_path / name))[0] for name in ("a.csv", "a.bin"))
    assert ours.commands.tobytes() == theirs.commands.tobytes()
    assert ours.sequences.tolist() == theirs.sequences.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ((3, 1, 0, 0, 7, 0, 11, 101, 0), "type"),
        ((0, 2, 0, 0, 7, 0, 11, 101, 0), "side"),
        ((0, 1, 2, 0, 7, 0, 11, 101, 0), "ioc"),
        ((0, 1, 0, 0, 0, 0, 11, 101, 0), "quantity"),
        ((0, 1, 0, 0, 7, 0, 0, 101, 0), "order_id"),
        ((0, 1, 0, 0, 7, 0, 1 << 63, 101, 0), "order_id"),
        ((0, 1, 0, 0, 7, 0, 11, 1 << 30, 0), "price_ticks"),
        ((2, 1, 0, 0, 7, 0, 11, -1, 0), "price_ticks"),
    ],
)
def test_flash1_bad_record_is_named_or_skipped(tmp_path: Path, record: tuple[int, ...], field: str) -> None:
    good = (0, 1, 0, 0, 7, 0, 11, 101, 0)
    (tmp_path / "a.bin").write_bytes(binary(good, record))
    with pytest.raises(BadLineError, match=rf"a\.bin, line 2, {field}: "):
        read(open_recording(tmp_path / "a.bin"))
    reader = open_recording(tmp_path / "a.bin", skip_bad=True)
    assert rows(reader, "cl_ord_id") == [(11,)]
    assert reader.bad == 1


def test_flash1_truncated_file_says_where(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(binary((0, 1, 0, 0, 7, 0, 11, 101, 0), count=3))
    with pytest.raises(BadLineError, match=r"line 2, record: the file ends 80 bytes early"):
        read(open_recording(tmp_path / "a.bin"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("BUY,1,0,7,4,11,101", "line 6, type: 'BUY' is none of NEW, CANCEL, MODIFY"),
        ("NEW,1,0,7,4,11", "line 6, line: 6 fields instead of 7"),
        ("NEW,1,0,1e3,4,11,101", "line 6, quantity: '1e3' is not a whole number"),
        ("NEW,1,0,7,4,11,99999999999999999999", "line 6, price_ticks: .* beyond 64 bits"),
        (f"NEW,1,0,7,4,11,{'9' * 5000}", "line 6, price_ticks: 9{40} is beyond 64 bits$"),
        (f"NEW,1,0,7,4,{'0' * 5000}11,-1{'0' * 5000}", "line 6, price_ticks: -10{38} is beyond 64 bits$"),
        ("NEW,3,0,7,4,11,101", "line 6, side: 3 is not within 0 to 1"),
    ],
)
def test_flash1_csv_bad_line_is_named_or_skipped(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(f"{FLASH1_CSV}{line}\nNEW,0,0,1,5,99,50\n")
    with pytest.raises(BadLineError, match=message):
        read(open_recording(tmp_path / "a.csv"))
    reader = open_recording(tmp_path / "a.csv", skip_bad=True)
    assert [cl_ord_id for (cl_ord_id,) in rows(reader, "cl_ord_id")] == [11, 12, 11, 11, 99]
    assert reader.bad == 1


# --- compressed inputs ------------------------------------------------------------------------------------------------


def packed(path: Path, suffix: str, data: bytes) -> Path:
    target = path.with_name(path.name + suffix)
    if suffix == ".zip":
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr(path.name, data)
    else:
        packers = {".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.compress, "": bytes}
        target.write_bytes(packers[suffix](data))
    return target


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst", ".zip"])
@pytest.mark.parametrize(
    ("name", "data", "format"),
    [
        ("a.csv", FLASH1_CSV.encode(), "flash1"),
        ("a.bin", binary((0, 1, 0, 0, 7, 0, 11, 101, 0)), "flash1"),
        ("a.log", LOG.encode(), "bitstamp"),
        ("b.csv", b"action,cl_ord_id,side,qty_lots,price_ticks\nnew,1,buy,2,3\n", "csv"),
        ("b.jsonl", b'{"action": "new", "cl_ord_id": 1, "side": "buy", "qty_lots": 2, "price_ticks": 3}\n', "jsonl"),
    ],
)
def test_compressed_inputs_read_alike(tmp_path: Path, suffix: str, name: str, data: bytes, format: str) -> None:
    plain = b"".join(batch.commands.tobytes() for batch in read(open_recording(packed(tmp_path / name, "", data))))
    reader = open_recording(packed(tmp_path / name, suffix, data))
    assert reader.format == format
    assert b"".join(batch.commands.tobytes() for batch in read(reader)) == plain


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_damaged_compression_is_one_clear_error(tmp_path: Path, suffix: str) -> None:
    path = packed(tmp_path / "a.csv", suffix, (FLASH1_CSV * 2000).encode())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordingError, match=r"damaged|cannot be opened"):
        read(open_recording(path, skip_bad=True))


def test_several_zstandard_frames_are_one_file(tmp_path: Path) -> None:
    half = len(FLASH1_CSV) // 2
    frames = [zstandard.compress(part) for part in (FLASH1_CSV[:half].encode(), FLASH1_CSV[half:].encode())]
    (tmp_path / "a.csv.zst").write_bytes(b"".join(frames))
    assert len(rows(open_recording(tmp_path / "a.csv.zst"), "kind")) == 4


def test_what_is_no_recording_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello\n")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "a.zip").write_bytes(b"no zip")
    for name, reason in (("a.txt", "not a recording"), ("empty", "not a recording"), ("a.zip", "not a readable zip")):
        with pytest.raises(RecordingError, match=reason):
            open_recording(tmp_path / name)
    with pytest.raises(RecordingError, match="no such file"):
        open_recording(tmp_path / "none")


# --- LOBSTER ----------------------------------------------------------------------------------------------------------


def test_lobster_seeds_forgets_and_builds_aggressors(tmp_path: Path) -> None:
    reader = open_recording(lobster_files(tmp_path))
    (batch,) = read(reader)
    assert (reader.format, reader.depth, reader.contract.name) == ("lobster", 2, "ABC")
    columns = ("kind", "side", "tif", "price_ticks", "qty_lots")
    new, cancel = CommandKind.NEW, CommandKind.CANCEL
    assert columns_of(batch, columns) == [
        (new, Side.BUY, TimeInForce.GTC, 1000100, 20),
        (new, Side.SELL, TimeInForce.GTC, 1000200, 20),
        (new, Side.SELL, TimeInForce.GTC, 1000300, 5),
        (new, Side.BUY, TimeInForce.GTC, 1000100, 10),
        (cancel, 0, 0, 0, 0),
        (new, Side.BUY, TimeInForce.IOC, 1000200, 5),
    ]
    assert batch.checks is not None
    assert batch.checks.rows["at"].tolist() == [4, 5, 6]
    anonymous = batch.commands["cl_ord_id"][1]
    assert anonymous > READER_ID
    assert batch.checks.rows["executions"].tolist() == [0, 0, 1]
    assert batch.checks.executions[["cl_ord_id", "qty_lots"]].tolist() == [(anonymous, 5)]
    # 09:30 in New York on that day is 13:30 UTC.
    assert batch.commands["time_ns"][-1] == 1_340_285_401_000_000_001


def test_lobster_zip_as_downloaded(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sample.zip", "w") as archive:
        archive.writestr("ABC_2012-06-21_1_2_message_2.csv", MESSAGES)
        archive.writestr("ABC_2012-06-21_1_2_orderbook_2.csv", ORDERBOOK)
        archive.writestr("LOBSTER_ReadMe.txt", "read me")
    zipped = read(open_recording(tmp_path / "sample.zip"))
    assert zipped[0].commands.tobytes() == read(open_recording(lobster_files(tmp_path)))[0].commands.tobytes()


def test_lobster_without_its_book_says_what_to_do(tmp_path: Path) -> None:
    path = lobster_files(tmp_path)
    book = path.with_name(path.name.replace("message", "orderbook"))
    book.rename(tmp_path / "elsewhere.csv")
    with pytest.raises(RecordingError, match="--book"):
        open_recording(path)
    assert open_recording(path, book=tmp_path / "elsewhere.csv").depth == 2


@pytest.mark.parametrize(
    ("line", "book", "message"),
    [
        ("34202,1,8,5,x,1", "", "message_2.csv, line 4, price: 'x' is not a whole number"),
        ("34202,9,8,5,1000100,1", "", "line 4, type: 9 is not one of 1 to 7"),
        ("34202,1,8,0,1000100,1", "", "line 4, size: 0 is not within"),
        ("34202,1,8,5,-5,1", "", "line 4, price: -5 is not within"),
        ("34202,1,8,5,1000100,0", "", "line 4, direction: is neither"),
        ("34202,1,0,5,1000100,1", "", "line 4, order id: 0 is not within"),
        ("34202,1,8,5,1000100", "", "line 4, line: 5 fields instead of 6"),
        ("34202,3,8,99,1000100,1", "", "line 4, size: 99 is more than the 20 that rest at 1000100"),
        ("34202,3,8,5,1000900,1", "", "line 4, order id: 8 does not rest at 1000900"),
        ("34202,1,8,5,1000100,1", "1000200,15,1000100", "orderbook_2.csv, line 4, line: 3 fields instead of 8"),
        ("34202,1,8,5,1000100,1", "1000200,15,q,20,1000300,5,1,0", "orderbook_2.csv, line 4, line: a field"),
    ],
)
def test_lobster_bad_line_is_named_or_skipped(tmp_path: Path, line: str, book: str, message: str) -> None:
    row = ORDERBOOK.splitlines()[-1]
    after = "34203,1,12,5,1000100,1\n"
    grown = row.replace("1000100,20", "1000100,25")
    path = lobster_files(tmp_path, f"{MESSAGES}{line}\n{after}", f"{ORDERBOOK}{book or row}\n{grown}\n")
    with pytest.raises(BadLineError, match=message):
        read(open_recording(path))
    reader = open_recording(path, skip_bad=True)
    checks = [message for batch in read(reader) if batch.checks for message in batch.checks.rows["message"].tolist()]
    assert reader.bad == 1
    assert checks[:3] == [1, 2, 3] and 4 not in checks


def test_lobster_book_file_that_is_too_short(tmp_path: Path) -> None:
    path = lobster_files(tmp_path, orderbook="\n".join(ORDERBOOK.splitlines()[:2]))
    with pytest.raises(BadLineError, match=r"orderbook_2\.csv, line 3, line: missing"):
        read(open_recording(path))


# --- Bitstamp ---------------------------------------------------------------------------------------------------------


def test_bitstamp_seeds_what_only_snapshots_show(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LOG)
    reader = open_recording(tmp_path / "a.log")
    assert rows(reader, "kind", "side", "price_ticks", "qty_lots") == [
        (CommandKind.NEW, Side.BUY, 23647, 200_000_000),
        (CommandKind.NEW, Side.SELL, 23650, 100_000_000),
        (CommandKind.CANCEL, 0, 0, 0),
    ]
    assert reader.depth == 1


def test_bitstamp_enters_earlier_orders_first(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LOG.splitlines()[2] + "\n" + LOG.splitlines()[0].replace('"id": 5', '"id": 6'))
    kinds = [kind for (kind,) in rows(open_recording(tmp_path / "a.log"), "kind")]
    assert kinds == [CommandKind.NEW, CommandKind.CANCEL, CommandKind.NEW]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("14304384045x9 order_created {}", "line 4, time: "),
        ("1430438404521 order_lost {}", "line 4, kind: 'order_lost' is not an event"),
        ('1430438404521 order_created {"price": "236.47"}', "line 4, amount: is missing"),
        ('1430438404521 order_created {"price": "2', "line 4, content: is not the JSON of 'order_created'"),
        (LOG.splitlines()[0].replace("236.47", "236.475"), "line 4, price: '236.475' has more than 2 decimals"),
        (LOG.splitlines()[0].replace("236.47", "-1"), "line 4, price: -100 ticks are not within"),
        (LOG.splitlines()[0].replace('"id": 5', '"id": 0'), "line 4, id: 0 is not within"),
        (LOG.splitlines()[0].replace('"order_type": 0', '"order_type": 7'), "line 4, 7: is missing or unknown"),
    ],
)
def test_bitstamp_bad_line_is_named_or_skipped(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a.log").write_text(LOG + line + "\n")
    with pytest.raises(BadLineError, match=message):
        read(open_recording(tmp_path / "a.log"))
    reader = open_recording(tmp_path / "a.log", skip_bad=True)
    assert len(rows(reader, "kind")) == 3
    assert reader.bad == 1


# --- our own format ---------------------------------------------------------------------------------------------------


def documented_example() -> tuple[str, str]:
    """The CSV and the JSON line of the format's own documentation."""
    lines = [line.strip() for line in (csv_jsonl.__doc__ or "").splitlines() if line.startswith("    ")]
    return "\n".join(lines[:-1]) + "\n", lines[-1]


def test_documented_example_reads_as_it_says(tmp_path: Path) -> None:
    csv_text, json_line = documented_example()
    (tmp_path / "a.csv").write_text(csv_text)
    new, limit, gtc = CommandKind.NEW, OrdType.LIMIT, TimeInForce.GTC
    columns = ("time_ns", "kind", "cl_ord_id", "side", "qty_lots", "price_ticks", "ord_type", "tif", "flags")
    assert rows(open_recording(tmp_path / "a.csv"), *columns) == [
        (1000, new, 1, Side.SELL, 5, 101, limit, gtc, 0),
        (2000, new, 2, Side.BUY, 3, 99, limit, gtc, ExecInst.POST_ONLY),
        (3000, new, 3, Side.BUY, 2, 101, limit, TimeInForce.IOC, 0),
        (4000, CommandKind.AMEND, 2, 0, 2, 0, 0, 0, 0),
        (5000, CommandKind.CANCEL, 1, 0, 0, 0, 0, 0, 0),
    ]
    (tmp_path / "a.jsonl").write_text(json_line)
    assert rows(open_recording(tmp_path / "a.jsonl"), *columns) == [(2000, new, 2, Side.BUY, 3, 99, limit, gtc, 0)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("9,sell,5,101,gtc", "line 2, action: '9' is none of new, amend, cancel"),
        ("new,sell,5,101", "line 2, line: 4 fields instead of 5"),
        ("new,1,,101,", "line 2, side: is missing, new needs it"),
        ("new,1,buy,101,often", "line 2, tif: 'often' is none of gtc, ioc, fok, gtd"),
        ("new,1,up,101,gtc", "line 2, side: 'up' is none of buy, sell"),
        ("new,0,buy,101,gtc", "line 2, cl_ord_id: 0 is not within"),
        ("new,1,buy,-101,gtc", "line 2, qty_lots: -101 is not within"),
        ("new,1,buy,1.5,gtc", "line 2, qty_lots: '1.5' is not a whole number"),
    ],
)
def test_text_bad_line_is_named_or_skipped(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(f"action,cl_ord_id,side,qty_lots,tif\n{line}\ncancel,7,,,\n")
    with pytest.raises(BadLineError, match=message):
        read(open_recording(tmp_path / "a.csv"))
    reader = open_recording(tmp_path / "a.csv", skip_bad=True)
    assert rows(reader, "kind", "cl_ord_id") == [(CommandKind.CANCEL, 7)]
    assert reader.bad == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"action": "cancel", "cl_ord_id": 1, "colour": 2}', "line 2, colour: is none of"),
        ('{"action": "cancel", "cl_ord_id": 1.5}', "line 2, cl_ord_id: 1.5 is neither text nor a whole number"),
        ('{"action": "cancel", "cl_ord_id": tr', "line 2, line: is not JSON"),
        ("[1]", "line 2, line: is not a JSON object"),
        ('{"action": "amend", "cl_ord_id": 1, "qty_lots": 2, "flags": "fast"}', "line 2, flags: 'fast' is none of"),
    ],
)
def test_jsonl_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"action": "cancel", "cl_ord_id": 1}\n' + line + "\n")
    with pytest.raises(BadLineError, match=message):
        read(open_recording(tmp_path / "a.jsonl"))


def test_text_header_with_an_unknown_field_is_refused_whole(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("action,cl_ord_id,price\ncancel,1,2\n")
    with pytest.raises(BadLineError, match="line 1, header: 'price' is none of"):
        read(open_recording(tmp_path / "a.csv", skip_bad=True))
