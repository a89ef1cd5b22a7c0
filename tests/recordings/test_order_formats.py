"""Our own order format as CSV, JSON lines, Parquet and Arrow: all of its fields, and that every way reads alike."""

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.codes import NIL, CommandKind, ExecInst, OrdType, PriceSource, Side, TimeInForce
from engine.recordings import csv_jsonl, open_recording, order_text
from engine.recordings.order_fields import FIELDS, FLAGS, NUMBERS, WORDS
from engine.recordings.replay import Options, prepare, replay
from engine.recordings.source import BadLineError, RecordingError
from tests.recordings.mutations import mutated

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
parquet = pytest.importorskip("pyarrow.parquet")

Read = tuple[bytes, list[int], int, list[str], int]


def everything(path: Path, skip_bad: bool = True) -> Read:
    """Command rows, numbers of messages, lines left out, contracts and accounts of a file."""
    reader: Any = open_recording(path, skip_bad=skip_bad)
    batches = list(reader.batches())
    rows = b"".join(batch.commands.tobytes() for batch in batches)
    messages = [number for batch in batches for number in batch.messages.tolist()]
    return rows, messages, reader.bad, [spec.name for spec in reader.contracts], reader.accounts


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    lines = [",".join(FIELDS)]
    lines += [",".join(str(row.get(name, "")) for name in FIELDS) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def table_of(rows: list[dict[str, Any]]) -> Any:
    """A table with a type for each column, as a person's own program would write it."""
    numbers = {*NUMBERS, "account"}
    columns = {}
    for name in FIELDS:
        values = [row.get(name) for row in rows]
        columns[name] = pyarrow.array(values, pyarrow.int64() if name in numbers else pyarrow.string())
    return pyarrow.table(columns)


def orders(seed: int, count: int) -> list[dict[str, Any]]:
    """Orders of all kinds, of several contracts and accounts."""
    draw = random.Random(seed)
    rows = []
    for number in range(1, count + 1):
        action = draw.choice(["new", "new", "new", "amend", "cancel", "mass_cancel"])
        row: dict[str, Any] = {"time_ns": 1_767_225_600_000_000_000 + number, "action": action}
        if draw.random() < 0.7:
            row["contract"] = draw.choice(["BTC_USD", "ETH-PERP", "1000SHIB/USDT:USDT"])
        if draw.random() < 0.7:
            row["account"] = draw.choice([0, 7, 123_456_789, 1 << 50])
        if action != "mass_cancel":
            row["cl_ord_id"] = draw.choice([number, draw.getrandbits(60) + 1])
        if action in ("new", "amend"):
            row["qty_lots"], row["price_ticks"] = draw.randrange(1, 1 << 40), draw.randrange(1 << 20)
            row["flags"] = " ".join(draw.sample(sorted(FLAGS), draw.randrange(3)))
        if action == "new":
            row["side"] = draw.choice(["buy", "sell"])
            for name in ("ord_type", "tif", "trigger_source"):
                if draw.random() < 0.5:
                    row[name] = draw.choice([code.name.lower() for code in WORDS[name]])
            for name in ("display_lots", "offset_ticks", "trigger_price_ticks", "expire_ns"):
                if draw.random() < 0.3:
                    row[name] = draw.randrange(1 << 28)
        rows.append(row)
    return rows


# --- what the fields become -------------------------------------------------------------------------------------------


def test_contracts_accounts_and_every_kind_of_order(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "a.csv",
        [
            {"action": "new", "cl_ord_id": 1, "side": "buy", "qty_lots": 5, "contract": "BTC", "account": 12},
            {
                "action": "new", "cl_ord_id": 1, "side": "sell", "qty_lots": 5, "contract": "ETH", "account": 9,
                "ord_type": "trailing_stop", "offset_ticks": 3, "trigger_source": "last", "flags": "reduce_only",
            },
            {
                "action": "new", "cl_ord_id": 2, "side": "sell", "qty_lots": 9, "price_ticks": 8, "display_lots": 2,
                "tif": "gtd", "expire_ns": 10**18, "contract": "BTC", "account": 12,
            },
            {"action": "mass_cancel", "contract": "ETH", "side": "sell", "flags": "keep_protection"},
            {"action": "mass_cancel", "account": 9},
        ],
    )  # fmt: skip
    reader: Any = open_recording(path)
    (batch,) = reader.batches()
    rows = batch.commands
    assert [spec.name for spec in reader.contracts] == ["BTC", "ETH"] and reader.accounts == 2
    assert rows["contract_slot"].tolist() == [0, 1, 0, 1, NIL]
    assert rows["account_slot"].tolist() == [0, 1, 0, NIL, 1]
    assert rows["group"].tolist() == [0, 0, 0, NIL, NIL]
    assert rows["side"].tolist() == [Side.BUY, Side.SELL, Side.SELL, Side.SELL, 0]
    trailing, iceberg = rows[1], rows[2]
    assert (trailing["ord_type"], trailing["trigger_source"]) == (OrdType.TRAILING_STOP, PriceSource.LAST)
    assert trailing["flags"] == ExecInst.REDUCE_ONLY | ExecInst.CONDITIONAL and trailing["offset_ticks"] == 3
    assert (iceberg["tif"], iceberg["flags"], iceberg["expire_ns"]) == (TimeInForce.GTD, ExecInst.ICEBERG, 10**18)
    assert rows["flags"][3] == ExecInst.KEEP_PROTECTION and rows["kind"][4] == CommandKind.MASS_CANCEL


def test_a_file_without_contracts_and_accounts_has_one_of_each(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("action,cl_ord_id\ncancel,1\nmass_cancel,\n")
    reader: Any = open_recording(tmp_path / "a.csv")
    rows = np.concatenate([batch.commands for batch in reader.batches()])
    assert rows["contract_slot"].tolist() == rows["account_slot"].tolist() == [0, NIL]
    assert (len(reader.contracts), reader.accounts) == (1, 1)


def test_a_wrong_header_tells_the_columns(tmp_path: Path) -> None:
    for header in ("id,cl_ord_id,price", "cl_ord_id,side", "action,side,price_ticks", "action,cl_ord_id,cl_ord_id"):
        (tmp_path / "a.csv").write_text(f"{header}\n1,2,3\n")
        with pytest.raises(BadLineError, match=r"a\.csv, line 1, header: ") as error:
            everything(tmp_path / "a.csv")
        assert "twice" in str(error.value) or "once" in str(error.value) or ", ".join(FIELDS) in str(error.value)


def test_contracts_and_accounts_trade_in_one_engine(tmp_path: Path) -> None:
    sell = {"action": "new", "side": "sell", "qty_lots": 5, "price_ticks": 10, "cl_ord_id": 1, "contract": "BTC"}
    rows = [
        sell | {"account": 7},
        sell | {"account": 8, "contract": "ETH"},
        sell | {"account": 9, "price_ticks": 11},
        sell | {"account": 7, "cl_ord_id": 2, "side": "buy", "tif": "ioc", "qty_lots": 3, "contract": "ETH"},
        {"action": "mass_cancel", "account": 7},
        {"action": "amend", "account": 9, "cl_ord_id": 1, "qty_lots": 4, "contract": "BTC"},
        {"action": "mass_cancel", "account": 7, "contract": "ETH", "side": "buy"},
    ]
    for path in (write_csv(tmp_path / "a.csv", rows), write_jsonl(tmp_path / "a.jsonl", rows)):
        reader = open_recording(path)
        result = replay(reader, prepare(reader), Options())
        assert (result.trades, result.volume_lots, result.rejects, result.lost) == (1, 3, {}, {})
        books = {name: contract.depth for name, contract in result.contracts.items()}
        assert books == {"BTC": ([], [(11, 4)]), "ETH": ([], [(10, 2)])}


# --- every way reads alike --------------------------------------------------------------------------------------------


def one_by_one(data: Any, columns: Any, order: Any, tables: Any, out: Any, state: Any) -> int:
    """In place of the compiled scan: no line is plain, so that the rules read each of them."""
    text = data.tobytes()
    while state[order_text.AT] < len(text):
        if text[state[order_text.AT]] != 10:
            return order_text.FULL if state[order_text.ROWS] == len(out.rows) else order_text.UNUSUAL
        state[order_text.AT] += 1
        state[order_text.LINE] += 1
    return order_text.ENDED


@pytest.mark.parametrize("write", [write_csv, write_jsonl])
def test_compiled_scan_reads_as_the_rules_do(tmp_path: Path, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = order_text.scan
    for seed in range(40):
        path = write(tmp_path / "orders", orders(seed, 30))
        if seed:
            path.write_bytes(
                mutated(
                    path.read_bytes(), random.Random(seed), path.read_bytes().index(b"\n") if write is write_csv else 0
                )
            )
        if write is write_csv and seed % 5 == 1:
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        kind = "csv" if write is write_csv else "jsonl"
        found = []
        for reading in (scan, one_by_one):
            monkeypatch.setattr(order_text, "scan", reading)
            reader: Any = csv_jsonl.TextReader(open_recording(path, kind).source, skip_bad=True)  # type: ignore[attr-defined]
            reader.format = kind
            batches = list(reader.batches())
            assert len(batches) == 1
            (batch,) = batches
            found.append((batch.commands.tobytes(), batch.messages.tolist(), batch.read, reader.bad, reader.contracts))
        assert found[0] == found[1], seed
        assert seed or (reader.bad, len(batch.messages)) == (0, 30)


def test_tables_read_as_text_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.recordings.order_table.BATCH_ROWS", 64)
    rows = orders(5, 300)
    as_text = everything(write_csv(tmp_path / "a.csv", rows))
    table = table_of(rows)
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=100)
    with pyarrow.ipc.new_file(tmp_path / "a.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=70)
    encoded = table.set_column(0, "action", table.column("action").dictionary_encode())
    times = table.column("time_ns").cast(pyarrow.timestamp("ns", "UTC"))
    encoded = encoded.drop_columns(["time_ns"]).append_column("time", times)
    with pyarrow.ipc.new_stream(tmp_path / "a.arrows", encoded.schema) as stream:
        stream.write_table(encoded)
    for name in ("a.parquet", "a.arrow", "a.arrows"):
        assert everything(tmp_path / name, skip_bad=False) == as_text, name


def test_a_table_names_its_contract_and_may_hold_floats(tmp_path: Path) -> None:
    table = pyarrow.table({"action": ["new"], "cl_ord_id": [1.0], "side": ["buy"], "qty_lots": [5.0]})
    parquet.write_table(table.replace_schema_metadata({"contract": "ETH", "tick": "0.01"}), tmp_path / "a.parquet")
    reader: Any = open_recording(tmp_path / "a.parquet")
    assert (reader.contract.name, reader.contract.tick, reader.total) == ("ETH", "0.01", 1)
    (batch,) = reader.batches()
    assert batch.commands["cl_ord_id"].tolist() == [1]


# --- what is wrong ----------------------------------------------------------------------------------------------------

GOOD = {"action": "new", "cl_ord_id": 5, "side": "buy", "qty_lots": 7, "price_ticks": 3}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"action": "renew"}, "action: 'renew' is none of new, amend, cancel, mass_cancel"),
    ({"action": ""}, "action: '' is none of"),
    ({"cl_ord_id": ""}, "cl_ord_id: is missing, new needs it"),
    ({"cl_ord_id": "0"}, "cl_ord_id: 0 is not within 1 to"),
    ({"cl_ord_id": str(1 << 62)}, "cl_ord_id: 4611686018427387904 is not within"),
    ({"cl_ord_id": "9" * 25}, "cl_ord_id: 9+ is beyond 64 bits"),
    ({"side": ""}, "side: is missing"),
    ({"side": "bid"}, "side: 'bid' is none of buy, sell"),
    ({"qty_lots": ""}, "qty_lots: is missing"),
    ({"qty_lots": "-4"}, "qty_lots: -4 is not within 0 to"),
    ({"qty_lots": "1.5"}, "qty_lots: '1.5' is not a whole number"),
    ({"qty_lots": "1e3"}, "qty_lots: '1e3' is not a whole number"),
    ({"price_ticks": str(1 << 30)}, "price_ticks: 1073741824 is not within"),
    ({"ord_type": "peg"}, "ord_type: 'peg' is none of market, limit"),
    ({"tif": "day"}, "tif: 'day' is none of gtc, ioc, fok, gtd"),
    ({"trigger_source": "bid"}, "trigger_source: 'bid' is none of mark, index, last"),
    ({"expire_ns": "tomorrow"}, "expire_ns: 'tomorrow' is not a whole number"),
    ({"time_ns": "-1"}, "time_ns: -1 is not within"),
    ({"flags": "post_only hidden"}, "flags: 'hidden' is none of post_only"),
    ({"contract": "a contract with a long name of many words"}, "contract: 'a contract with .* is not up to 32"),
    ({"contract": "BTC\u20ac"}, "contract: .* is not up to 32"),
    ({"account": "-1"}, "account: -1 is not within 0 to"),
    ({"account": "alice"}, "account: 'alice' is not a whole number"),
    ({"display_lots": str(1 << 53)}, "display_lots: 9007199254740992 is not within"),
]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_a_wrong_field_is_named_or_left_out(tmp_path: Path, wrong: dict[str, Any], message: str, form: str) -> None:
    path, rows = tmp_path / f"a.{form}", [GOOD, GOOD | wrong, GOOD | {"cl_ord_id": 6}]
    if form == "csv":
        write_csv(path, rows)
    elif form == "jsonl":
        write_jsonl(path, rows)
    else:
        texts = [{name: str(row.get(name, "")) or None for name in FIELDS} for row in rows]
        parquet.write_table(pyarrow.table({name: [row[name] for row in texts] for name in FIELDS}), path)
    with pytest.raises(BadLineError, match=rf"a\.{form}, line {3 if form == 'csv' else 2}, {message}"):
        everything(path, skip_bad=False)
    rows_read, messages, bad, *_ = everything(path)
    assert (messages, bad) == ([1, 3], 1) and len(rows_read) == 2 * 128


def test_a_line_without_end_and_a_broken_table_are_one_line_each(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_bytes(b"action,cl_ord_id\ncancel," + b"1" * (5 << 20))
    with pytest.raises(BadLineError, match=r"long\.csv, line 2, line: longer than 4194304 bytes"):
        everything(tmp_path / "long.csv")
    whole = tmp_path / "whole.parquet"
    parquet.write_table(table_of(orders(1, 2000)), whole)
    data = whole.read_bytes()
    for cut in (5, 200, len(data) // 2, len(data) - 5):
        (tmp_path / "cut.parquet").write_bytes(data[:cut])
        with pytest.raises(RecordingError, match=r"cut\.parquet: damaged") as error:
            everything(tmp_path / "cut.parquet")
        assert "\n" not in str(error.value)
    (tmp_path / "a.parquet").write_bytes(data[:4] + bytes(len(data) // 2) + data[len(data) // 2 + 4 :])
    with pytest.raises(RecordingError, match="damaged"):
        everything(tmp_path / "a.parquet")
    table = table_of(orders(1, 4))
    with pyarrow.ipc.new_file(tmp_path / "whole.arrow", table.schema) as file:
        file.write_table(table)
    arrow = (tmp_path / "whole.arrow").read_bytes()
    for seed in [*range(200), 100197, 100581]:
        (tmp_path / "a.arrow").write_bytes(mutated(arrow, random.Random(seed), len(b"ARROW1")))
        with contextlib.suppress(RecordingError):
            everything(tmp_path / "a.arrow")
    (tmp_path / "b.parquet.gz").write_bytes(b"")
    with pytest.raises(RecordingError):
        everything(tmp_path / "b.parquet.gz")
