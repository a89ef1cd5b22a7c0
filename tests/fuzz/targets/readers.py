"""One target for each reader of recordings: its format is told, the bytes are not packed, and its rows are looked at.

`recordings` gives the same readers packed files and formats to recognise; these are for a million inputs of each.
An input is `!` or nothing (bad lines are to be skipped), the file's name, a line feed, and what is in the file.
"""

import io
import resource
import signal
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import numpy as np

from engine.codes import NIL, CommandKind
from engine.recordings import exchange_day, lives_reader, open_recording, price_levels
from engine.recordings.batches import Reader, accounts_of, contracts_of
from engine.recordings.replay import Options, prepare, replay
from engine.recordings.source import RecordingError
from tests.fuzz.mutate import below, mutated, mutated_fixed
from tests.fuzz.target import Target, Wrong
from tests.fuzz.targets.recordings import BASES, LOBSTER, SKIPS

MOST_GROWTH_KIB = 64 << 10
"""How much more memory than ever before one input may take; the first ones warm up."""
MOST_CPU_S = 40
REPLAYED = 200
"""One of so many inputs is replayed in an engine of its own."""
_WARM_UP = 300
_KINDS = (CommandKind.NEW, CommandKind.AMEND, CommandKind.CANCEL, CommandKind.MASS_CANCEL, CommandKind.LABEL)
_ROWS = 64
_SMALL: tuple[tuple[Any, str], ...] = (
    (exchange_day, "BLOCK_ROWS"), (lives_reader, "OUT_ROWS"), (price_levels, "OUT_ROWS"),
)  # fmt: skip
"""Blocks that are small: quicker to make, and their ends are met."""
_FROM_BASE = 0.25
_EVEN = 0.5

Files = dict[str, bytes]


def _kept(*names: str) -> Callable[[], Files]:
    return lambda: {name: BASES[name] for name in names}


@cache
def _databento() -> Files:
    from tests.recordings.test_databento import mutation_bases

    return mutation_bases()


@cache
def _orders() -> list[dict[str, Any]]:
    from tests.recordings.test_order_formats import orders

    return orders(1, 25)


def _dbn() -> Files:
    return {name: data for name, data in _databento().items() if name.endswith(".dbn")}


def _databento_csv() -> Files:
    return {name: data for name, data in _databento().items() if name.endswith(".csv")}


def _tables() -> Files:
    from pyarrow import ipc, parquet

    from tests.recordings.test_order_formats import table_of

    table, files = table_of(_orders()), {}
    for name, write in (("orders.parquet", parquet.write_table), ("orders.arrow", _write_arrow(ipc))):
        out = io.BytesIO()
        write(table, out)
        files[name] = out.getvalue()
    return files


def _write_arrow(ipc: Any) -> Callable[[Any, io.BytesIO], None]:
    def write(table: Any, out: io.BytesIO) -> None:
        with ipc.new_file(out, table.schema) as file:
            file.write_table(table)

    return write


def _texts() -> Files:
    from engine.recordings.order_fields import FIELDS

    rows = _orders()
    lines = [",".join(FIELDS), *(",".join(str(row.get(name, "")) for name in FIELDS) for row in rows)]
    return {"orders.csv": BASES["orders.csv"], "all.csv": "\n".join(lines).encode()}


def _json_texts() -> Files:
    import json

    return {"orders.jsonl": BASES["orders.jsonl"], "all.jsonl": "\n".join(map(json.dumps, _orders())).encode()}


class OneReader(Target):
    """The files of one format."""

    round_inputs = 20_000
    format: ClassVar[str]
    files: ClassVar[Callable[[], Files]]
    binary: ClassVar[bool] = False
    """Whether half of the changes are to keep the places of all that follows."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._files = type(self).files()
        self._done, self._most_kib = 0, 0
        self._sizes = {(module, name): getattr(module, name) for module, name in _SMALL}
        for module, name in _SMALL:
            setattr(module, name, _ROWS)

    def close(self) -> None:
        for (module, name), size in self._sizes.items():
            setattr(module, name, size)

    def bases(self) -> list[bytes]:
        return [name.encode() + b"\n" + data for name, data in self._files.items()]

    @classmethod
    def loaded(cls, path: Path) -> bytes:
        return path.name.encode() + b"\n" + path.read_bytes()

    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        if chance.random() < _FROM_BASE:
            pool = self.bases()
        head, _, data = pool[below(chance, len(pool))].partition(b"\n")
        if self.binary and data and chance.random() < _EVEN:
            changed = bytearray(data)
            if len(changed) >= 8:
                mutated_fixed(changed, chance)
            data = bytes(changed)
        else:
            data = mutated(data, chance)
        skips = SKIPS if chance.random() < _EVEN else ""
        return skips.encode() + head.removeprefix(SKIPS.encode()) + b"\n" + data

    def check(self, data: bytes) -> str:
        head, _, content = data.partition(b"\n")
        name = head.decode().removeprefix(SKIPS)
        for other, whole in self._files.items() if self.format == "lobster" else ():
            (self.folder / other).write_bytes(whole)
        (self.folder / name).write_bytes(content)
        path = self.folder / name.replace("orderbook", "message")
        with _bounded_time():
            shape = self._read(path, head[:1] == SKIPS.encode())
        if zlib.crc32(data) % REPLAYED == 0:
            self._replay(path, head[:1] == SKIPS.encode())
        self._look_at_memory()
        return shape

    def _read(self, path: Path, skip_bad: bool) -> str:
        rows, read = 0, 0
        try:
            reader = open_recording(path, self.format, skip_bad=skip_bad)
            for batch in reader.batches():
                wrong = _wrong_rows(reader, batch.commands)
                if wrong:
                    raise Wrong(wrong)
                if batch.read < read or (len(batch.messages) and batch.messages[-1] > batch.read):
                    raise Wrong(f"{batch.read} messages read after {read} and of {batch.messages[-1:]}")
                read, rows = batch.read, rows + len(batch.commands)
        except RecordingError as error:
            return _refusal(path, str(error))
        return f"{rows} rows {reader.bad} bad {' '.join(getattr(reader, 'ignored', {}))}"

    def _replay(self, path: Path, skip_bad: bool) -> None:
        """In an engine, with all checks on."""
        try:
            reader = open_recording(path, self.format, skip_bad=skip_bad)
            runner = prepare(reader)
            replay(reader, runner, Options())
        except RecordingError as error:
            _refusal(path, str(error))

    def _look_at_memory(self) -> None:
        now_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        grown_kib, self._done = now_kib - self._most_kib, self._done + 1
        self._most_kib = now_kib
        if self._done > _WARM_UP and grown_kib > MOST_GROWTH_KIB:
            raise Wrong(f"took {grown_kib} KiB more memory than all before")


class _bounded_time:  # noqa: N801 - reads as what it does
    """Wrong when what is within does not end; compiled code is not stopped by it."""

    def __enter__(self) -> None:
        signal.signal(signal.SIGPROF, self._told)
        signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    @staticmethod
    def _told(*_: object) -> None:
        raise Wrong(f"took longer than {MOST_CPU_S} s of processor time")


def _wrong_rows(reader: Reader, rows: Any) -> str:
    """What the engine could not be given, if anything; prices and quantities it looks at itself."""
    if not len(rows):
        return ""
    contracts, accounts = max(1, len(contracts_of(reader))), max(1, accounts_of(reader))
    are_of_all = rows["kind"] == CommandKind.MASS_CANCEL
    bounds: Iterator[tuple[str, Any]] = iter(
        (
            ("kind", ~np.isin(rows["kind"], _KINDS)),
            ("contract_slot", (rows["contract_slot"] >= contracts) | (rows["contract_slot"] < NIL)),
            ("contract_slot", (rows["contract_slot"] == NIL) & ~are_of_all),
            ("account_slot", (rows["account_slot"] >= accounts) | (rows["account_slot"] < NIL)),
            ("account_slot", (rows["account_slot"] == NIL) & ~are_of_all),
            ("time_ns", rows["time_ns"] < 0),
        )
    )
    for name, wrong in bounds:
        if wrong.any():
            row = rows[int(np.argmax(wrong))]
            return f"{name} {row[name]} of a {CommandKind(int(row['kind'])).name} row"
    return ""


def _refusal(path: Path, text: str) -> str:
    """The shape of a refusal. Raises Wrong unless it is one readable line that names the file."""
    names = (path.name, path.name.replace("message", "orderbook"))
    if not any(name in text for name in names) or "\n" in text or len(text) > 1_000 or not text.isprintable():
        raise Wrong(f"refused as {text!r:.300}")
    return "".join(letter for letter in text.rpartition("/")[2] if letter.isalpha() or letter == " ")[:60]


def _target(key: str, told: str, files: Callable[[], Files], is_binary: bool = False) -> type[OneReader]:
    """A class for one reader."""
    members = {"name": key, "format": told, "files": staticmethod(files), "binary": is_binary}
    return type(f"{key.title()}Reader", (OneReader,), members | {"__doc__": f"Recordings in {told}."})


READERS: tuple[type[OneReader], ...] = (
    _target("itch", "itch", _kept("20200130.itch"), True),
    _target("pitch", "pitch", _kept("20120106.pitch")),
    _target("coinbase", "coinbase", _kept("coinbase.jsonl")),
    _target("bitstamp_live", "bitstamp_live", _kept("bitstamp.jsonl")),
    _target("bitstamp", "bitstamp", _kept("bitstamp.log", "bitstamp.csv")),
    _target("dbn", "databento", _dbn, True),
    _target("databento_csv", "databento", _databento_csv),
    _target("tardis", "tardis", _kept("tardis.csv")),
    _target("binance", "binance", _kept("binance.jsonl")),
    _target("kraken", "kraken", _kept("kraken.log")),
    _target("csv", "csv", _texts),
    _target("jsonl", "jsonl", _json_texts),
    _target("lobster", "lobster", _kept(*(LOBSTER.format(part) for part in ("message", "orderbook")))),
    _target("flash1", "flash1", _kept("flash1.csv", "flash1.bin"), True),
    _target("tables", "table", _tables, True),
)
