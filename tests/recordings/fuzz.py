"""Mutated recordings: whatever is in a file, a reader gives rows or one line that names the file.

    python -m tests.recordings.fuzz --count 100000        (--seed; a failing input is printed, and kept with --keep DIR)

A failing input is kept in `tests/recordings/corpus`, named KIND-WHAT.EXT, where every test run reads it.
"""

import argparse
import gzip
import io
import json
import lzma
import random
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import zstandard

from engine.journal.format import JournalError
from engine.recordings import open_recording
from engine.recordings.source import RecordingError
from tests.recordings.test_readers import FLASH1_CSV, LOG, MESSAGES, ORDERBOOK, binary

CORPUS = Path(__file__).with_name("corpus")
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
_RECORDS = [(0, 1, 0, 0, 7, 0, 11, 101, 0), (0, 0, 1, 0, 3, 1, 12, 101, 0), (1, 1, 0, 0, 9, 3, 11, 102, 0)]
_LOBSTER = "ABC_2012-06-21_34200000_57600000_{}_2.csv"
BASES = {
    "flash1.csv": FLASH1_CSV.encode(), "flash1.bin": binary(*_RECORDS), "bitstamp.log": LOG.encode(),
    "orders.csv": CSV.encode(), "orders.jsonl": JSONL.encode(), "bitstamp.csv": BITSTAMP_CSV.encode(),
    _LOBSTER.format("message"): MESSAGES.encode(), _LOBSTER.format("orderbook"): ORDERBOOK.encode(),
}  # fmt: skip
PACKED = {
    ".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.compress,
    ".zip": lambda data: _zipped({"orders.csv": data}),
}  # fmt: skip
_PIECES = (
    b"", b"-1", b"9" * 30, b"1e400", b"nan", b"NaN", b"Infinity", b"-", b".", b"\xff\xfe", b"\x00", b'"', b"{", b"[",
    b"null", b"true", b"18446744073709551616", b"1.00000000000000000000001", b",", b"\n", b"\r", "\u0661".encode(),
    b"0x10", b"1_000", b" ", b"[" * 200, b"2012-13-45", b"9223372036854775807", b"-9223372036854775809",
)  # fmt: skip


def _zipped(files):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def mutated(data, chance):
    """The bytes with one to four things done to them."""
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 1, 2, 4, 8, 20)))
        do = chance.randrange(7)
        if do == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif do == 1:
            del data[at:end]
        elif do == 2:
            data[at:at] = chance.choice(_PIECES)
        elif do == 3:
            data[at:end] = chance.choice(_PIECES)
        elif do == 4:
            data[at:at] = data[chance.randrange(len(data) + 1) :][:40]
        elif do == 5:
            del data[at:]
        else:
            fields = bytes(data).replace(b"\n", b"\n,").split(b",")
            fields[chance.randrange(len(fields))] = chance.choice(_PIECES)
            data = bytearray(b",".join(fields).replace(b"\n,", b"\n"))
    return bytes(data)


def inputs(seed, count, folder):
    """(path, bytes) of mutated recordings, each written where it says, with what belongs to it beside it."""
    chance = random.Random(seed)
    for _ in range(count):
        name = chance.choice(list(BASES))
        data = mutated(BASES[name], chance)
        kind = chance.randrange(12)
        if "_2.csv" not in name and kind < len(PACKED):
            ending = list(PACKED)[kind]
            data, name = PACKED[ending](data), name + ending
            if chance.random() < 0.5:
                data = mutated(data, chance)
        for other in BASES if "_2.csv" in name else ():
            (folder / other).write_bytes(BASES[other])
        (folder / name).write_bytes(data)
        yield (folder / name.replace("orderbook", "message")), data


def problem(path, skip_bad):
    """What is wrong with how a recording is refused; empty when it is read, or refused in one line with its name."""
    try:
        reader = open_recording(path, skip_bad=skip_bad)
        for batch in reader.batches():
            np.asarray(batch.commands)
    except (RecordingError, JournalError) as error:
        text = str(error)
        names = (path.name, path.stem, path.name.replace("message", "orderbook"), "orders.csv")
        is_named = any(name in text for name in names)
        return "" if is_named and "\n" not in text else f"refused as {text!r:.300}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main():
    """The long run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for place, (path, data) in enumerate(inputs(args.seed, args.count, Path(folder))):
            wrong = problem(path, place % 2 == 1)
            if wrong and (key := f"{path.suffix} {wrong.partition(':')[0]} {wrong[:60]}") not in found:
                found[key] = wrong
                print(json.dumps({"file": path.name, "wrong": wrong, "data": repr(data[:300])}), flush=True)
                if args.keep:
                    (args.keep / f"{len(found)}-{path.name}").write_bytes(data)
            if place % 20_000 == 19_999:
                print(f"{place + 1:,} inputs, {len(found)} kinds of problems", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
