"""Recordings in every format, plain and packed: rows, or one line that names the file.

An input is the file's name, a line feed, and what is in it; `!` before the name: bad lines are to be skipped.
"""

import gzip
import io
import lzma
import zipfile
from pathlib import Path
from random import Random

import numpy as np
import zstandard

from engine.journal.format import JournalError
from engine.recordings import open_recording
from engine.recordings.source import RecordingError
from tests.fuzz.mutate import below, mutated
from tests.fuzz.target import Target, Wrong
from tests.recordings import itch_writer, pitch_binary_writer, pitch_writer
from tests.recordings.bitstamp_writer import BitstampWriter
from tests.recordings.coinbase_writer import CoinbaseWriter
from tests.recordings.small_exchange import SmallExchange
from tests.recordings.test_readers import FLASH1_CSV, LOG, MESSAGES, ORDERBOOK, binary

CSV = (
    "time_ns,action,cl_ord_id,side,qty_lots,price_ticks,tif,flags\n1000000000,new,1,sell,5,41000,,\n"
    "1000000000,new,2,buy,3,39000,gtc,post_only\n1040000000,amend,2,,2,,,\n1060000000,cancel,1,,,,,\n"
)
JSONL = (
    '{"time_ns": 1, "action": "new", "cl_ord_id": 1, "side": "buy", "qty_lots": 5, "price_ticks": 7, "flags": ""}\n'
    '{"time_ns": 2, "action": "cancel", "cl_ord_id": 1}\n'
)
BITSTAMP_CSV = (
    "id,timestamp,exchange.timestamp,price,volume,action,direction\n"
    "5,1430438404518,1430438404000,236.47,2.00000000,created,bid\n5,1430438404520,1430438404000,236.47,1.5,changed,bid\n"
)
TARDIS = (
    "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
    "deribit,BTC,1700000000000000,1700000000000900,true,bid,50.5,1.25\n"
    "deribit,BTC,1700000000000000,1700000000000900,true,ask,50.6,3\n"
    "deribit,ETH,1700000000001000,1700000000001900,true,ask,7e1,0.5\n"
    "deribit,BTC,1700000000002000,1700000000002900,false,bid,50.5,0\n"
)
BINANCE = (
    '{"lastUpdateId":7,"bids":[["50.5","1.250"]],"asks":[["50.60","3"]]}\n'
    '{"e":"aggTrade","E":1700000000001,"s":"BTCUSDT","p":"50.5","q":"0.25","T":1700000000001,"m":true}\n'
    '{"e":"depthUpdate","E":1700000000002,"s":"BTCUSDT","U":8,"u":9,"b":[["50.5","1"]],"a":[]}\n'
)
KRAKEN = (
    '1.5 [9,{"as":[["50.60","3.0","1618678133.36"]],"bs":[["50.50","1.2","1618678133.36"]]},"book-10","XBT/USD"]\n'
    '1.6 [9,{"b":[["50.50","0.0","1618678133.37"]],"c":"974947235"},"book-10","XBT/USD"]\n{"event":"heartbeat"}\n'
)
_RECORDS = [(0, 1, 0, 0, 7, 0, 11, 101, 0), (0, 0, 1, 0, 3, 1, 12, 101, 0), (1, 1, 0, 0, 9, 3, 11, 102, 0)]
LOBSTER = "ABC_2012-06-21_34200000_57600000_{}_2.csv"
_EXCHANGE = SmallExchange(1, ("ABC", "XYZ"), reduces=False)
_DAY = [fact for step in _EXCHANGE.day(12) for fact in step]
_COINBASE, _BITSTAMP = CoinbaseWriter(), BitstampWriter()
BASES = {
    "flash1.csv": FLASH1_CSV.encode(), "flash1.bin": binary(*_RECORDS), "bitstamp.log": LOG.encode(),
    "orders.csv": CSV.encode(), "orders.jsonl": JSONL.encode(), "bitstamp.csv": BITSTAMP_CSV.encode(),
    "20200130.itch": itch_writer.file_of(_DAY, ("ABC", "XYZ")), "20120106.pitch": pitch_writer.file_of(_DAY),
    "20120106.pitch.bin": pitch_binary_writer.file_of(_DAY),
    "20120106.pitch.frames": pitch_binary_writer.framed(_DAY, units=2),
    "coinbase.jsonl": "\n".join([*_COINBASE.lines(_DAY), _COINBASE.snapshot(_EXCHANGE, "ABC")]).encode(),
    "bitstamp.jsonl": "\n".join([*_BITSTAMP.lines(_DAY), _BITSTAMP.snapshot(_EXCHANGE, "ABC")]).encode(),
    "tardis.csv": TARDIS.encode(), "binance.jsonl": BINANCE.encode(), "kraken.log": KRAKEN.encode(),
    LOBSTER.format("message"): MESSAGES.encode(), LOBSTER.format("orderbook"): ORDERBOOK.encode(),
}  # fmt: skip
_NAMES = list(BASES)
SKIPS = "!"


def _zipped(data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("orders.csv", data)
    return target.getvalue()


PACKED = {".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.compress, ".zip": _zipped}


class Recordings(Target):
    """Files that `lionrock replay` and `lionrock convert` read."""

    name = "recordings"

    def bases(self) -> list[bytes]:
        return [name.encode() + b"\n" + data for name, data in BASES.items()]

    @classmethod
    def loaded(cls, path: Path) -> bytes:
        return path.name.encode() + b"\n" + path.read_bytes()

    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        head, _, data = pool[below(chance, len(pool))].partition(b"\n")
        name = head.decode().removeprefix(SKIPS)
        if chance.random() < 0.4 or name not in BASES:
            name = _NAMES[below(chance, len(_NAMES))]
            data = BASES[name]
        data, kind = mutated(data, chance), below(chance, 12)
        if "_2.csv" not in name and kind < len(PACKED):
            ending = list(PACKED)[kind]
            data, name = PACKED[ending](data), name + ending
            if chance.random() < 0.5:
                data = mutated(data, chance)
        skips = SKIPS if chance.random() < 0.5 else ""
        return f"{skips}{name}\n".encode() + data

    def check(self, data: bytes) -> str:
        head, _, content = data.partition(b"\n")
        name = head.decode().removeprefix(SKIPS)
        for other in BASES if name.endswith("_2.csv") else ():
            (self.folder / other).write_bytes(BASES[other])
        path = self.folder / name
        path.write_bytes(content)
        wrong, shape = problem(self.folder / name.replace("orderbook", "message"), head[:1] == SKIPS.encode())
        if wrong:
            raise Wrong(wrong)
        return f"{path.suffix} {shape}"


def problem(path: Path, skip_bad: bool) -> tuple[str, str]:
    """(What is wrong with how a recording is read or refused, the shape of what came of it)."""
    rows = 0
    try:
        reader = open_recording(path, skip_bad=skip_bad)
        for batch in reader.batches():
            rows += len(np.asarray(batch.commands))
    except (RecordingError, JournalError) as error:
        text = str(error)
        names = (path.name, path.stem, path.name.replace("message", "orderbook"), "orders.csv")
        is_named = any(name in text for name in names)
        words = "".join(letter for letter in text.rpartition("/")[2] if letter.isalpha() or letter == " ")
        return "" if is_named and "\n" not in text else f"refused as {text!r:.300}", words[:60]
    return "", f"{min(rows, 9)} rows"
