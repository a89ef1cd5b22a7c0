"""One target for each reader of recordings: its format is told, the bytes are not packed, and its rows are looked at.

`recordings` gives the same readers packed files and formats to recognise; these are for a million inputs of each. So an
input is read from memory, in blocks that are small, without a thread. One of SAMPLED is a file that is opened as users
open it, in blocks as large as theirs, and replayed in an engine of its own. A table is always a file.

An input is `!` or nothing (bad lines are to be skipped), the file's name, a line feed, and what is in the file.
"""

import io
import resource
import signal
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any, BinaryIO, ClassVar

from numba import njit

from engine.code_values import COMMAND_MASS_CANCEL
from engine.codes import NIL, CommandKind
from engine.recordings import (
    binance,
    bitstamp,
    csv_jsonl,
    databento,
    databento_csv,
    dbn_file,
    exchange_day,
    flash1,
    json_lines,
    kraken,
    lives_reader,
    lobster,
    open_recording,
    open_stream,
    order_table,
    pitch,
    price_levels,
    tardis,
)
from engine.recordings.batches import Reader, accounts_of, contracts_of
from engine.recordings.id_table import new_table
from engine.recordings.live_orders import new_follower
from engine.recordings.replay import Options, prepare, replay
from engine.recordings.source import RecordingError, Source
from tests.fuzz.mutate import below, mutated, mutated_fixed
from tests.fuzz.structure import (
    DbnRecords,
    Flash1Records,
    ItchMessages,
    Layout,
    Lines,
    PitchFrames,
    PitchLines,
    PitchMessages,
    restructured,
)
from tests.fuzz.target import Target, Wrong
from tests.fuzz.targets.recordings import BASES, LOBSTER, SKIPS

MOST_GROWTH_KIB = 96 << 10
"""How much more memory than ever before one input may take; the first ones warm up. An engine, 65 MB, may lie in a
reference cycle while the next one is made."""
LOOKED_AT = 200
"""The system is asked for the peak of the memory after so many inputs: its answer takes longer than ten inputs take."""
MOST_CPU_S = 40
"""Looked at each half of it, by one timer for all inputs: to set one for each costs a fifth of a small input."""
SAMPLED = 400
"""One of so many inputs is a file, and is replayed."""
_WARM_UP = 300
_KINDS = tuple(
    int(kind)
    for kind in (CommandKind.NEW, CommandKind.AMEND, CommandKind.CANCEL, CommandKind.MASS_CANCEL, CommandKind.LABEL)
)
_ROWS, _OUT_ROWS = 64, 16
_BLOCKS = {
    "BLOCK_ROWS": (databento, databento_csv, dbn_file, exchange_day, json_lines, lives_reader, price_levels, tardis),
    "BATCH_ROWS": (csv_jsonl, flash1, order_table),
    "BLOCK_LEVELS": (binance, kraken, lobster),
    "BLOCK_BYTES": (bitstamp,),
}
SMALL: tuple[tuple[Any, str, Any], ...] = (
    *((module, name, _ROWS) for name, modules in _BLOCKS.items() for module in modules),
    *((module, "OUT_ROWS", _OUT_ROWS) for module in (lives_reader, price_levels)),
    (lives_reader, "new_follower", lambda from_ns: new_follower(from_ns, 16, 64)),
    (pitch, "new_table", partial(new_table, 16)),
    (lobster, "ahead", iter),
)
"""Blocks and tables that are small: quicker to make, and their ends are met. A thread would cost more than the rest."""
_FROM_BASE = 0.25
_STRUCTURED = 0.7
_EVEN = 0.5
_NO_LETTERS = bytes(octet for octet in range(128) if not chr(octet).isalpha() and octet != ord(" "))

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
    """Files of a few rows in several types of columns and ways of writing, so that changed bytes are changed cells."""
    import pyarrow
    from pyarrow import ipc, parquet

    from tests.recordings.test_order_formats import table_of

    whole, files = table_of(_orders()), {}
    few = whole.slice(0, 6).select([name for name in whole.column_names if whole[name].slice(0, 6).null_count < 6])
    time_at, action_at = few.column_names.index("time_ns"), few.column_names.index("action")
    timed = few.set_column(time_at, "time", few["time_ns"].cast(pyarrow.timestamp("ns")))
    words = few.set_column(action_at, "action", few["action"].dictionary_encode())
    named = few.replace_schema_metadata({"contract": "ABC", "tick": "0.5", "lot": "0.001"})
    for name, table in (("orders", whole), ("few", few), ("timed", timed), ("words", words), ("named", named)):
        out = io.BytesIO()
        parquet.write_table(table, out, compression="NONE", use_dictionary=name in ("orders", "words"))
        files[f"{name}.parquet"] = out.getvalue()
        out = io.BytesIO()
        with (ipc.new_stream if name == "named" else ipc.new_file)(out, table.schema) as file:
            file.write_table(table)
        files[f"{name}.arrow"] = out.getvalue()
    return files


def _texts() -> Files:
    from engine.recordings.order_fields import FIELDS

    rows = _orders()
    lines = [",".join(FIELDS), *(",".join(str(row.get(name, "")) for name in FIELDS) for row in rows)]
    return {"orders.csv": BASES["orders.csv"], "all.csv": "\n".join(lines).encode()}


def _json_texts() -> Files:
    import json

    return {"orders.jsonl": BASES["orders.jsonl"], "all.jsonl": "\n".join(map(json.dumps, _orders())).encode()}


@dataclass(frozen=True)
class MemorySource(Source):
    """A stream whose bytes are at hand."""

    content: bytes = b""

    def _open(self) -> BinaryIO:
        return io.BytesIO(self.content)


class OneReader(Target):
    """The files of one format."""

    round_inputs = 20_000
    format: ClassVar[str]
    files: ClassVar[Callable[[], Files]]
    layouts: ClassVar[dict[str, Layout]]
    """How files are built, by how their names end."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._files = type(self).files()
        self._bases = [name.encode() + b"\n" + data for name, data in self._files.items()]
        self._paths: dict[str, Path] = {}
        self._begun, self._done, self._seen, self._most_kib = 0, 0, 0, 0
        self.as_users = tuple((module, name, getattr(module, name)) for module, name, _ in SMALL)
        signal.signal(signal.SIGPROF, self._look_at_time)
        signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S / 2, MOST_CPU_S / 2)
        set_values(SMALL)
        self._as_a_file(*next(iter(self._files.items())), skip_bad=False)  # loads the engine: no input's memory

    def close(self) -> None:
        set_values(self.as_users)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def bases(self) -> list[bytes]:
        return list(self._bases)

    @classmethod
    def loaded(cls, path: Path) -> bytes:
        return path.name.encode() + b"\n" + path.read_bytes()

    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        if chance.random() < _FROM_BASE:
            pool = self._bases
        head, _, data = pool[below(chance, len(pool))].partition(b"\n")
        name = head.removeprefix(SKIPS.encode())
        layout = self.layout(name)
        if layout is not None and chance.random() < _STRUCTURED:
            data = restructured(data, layout, chance)
        elif layout is None and len(data) >= 8 and chance.random() < _STRUCTURED:
            changed = bytearray(data)
            mutated_fixed(changed, chance)
            data = bytes(changed)
        else:
            data = mutated(data, chance)
        return (SKIPS.encode() if chance.random() < _EVEN else b"") + name + b"\n" + data

    def check(self, data: bytes) -> str:
        head, _, content = data.partition(b"\n")
        skip_bad, name = head[:1] == SKIPS.encode(), head.decode().removeprefix(SKIPS)
        self._begun += 1
        try:
            if zlib.crc32(data) % SAMPLED == 0:
                shape = self._as_a_file(name, content, skip_bad)
            else:
                path = self._path(name.replace("orderbook", "message"))
                shape = _read(path, lambda: self.opened(name, content, skip_bad))
        finally:
            self._done += 1
        self._look_at_memory()
        return shape

    def layout(self, name: bytes) -> Layout | None:
        """How a file of that name is built."""
        return next((each for end, each in self.layouts.items() if name.endswith(end.encode())), None)

    def opened(self, name: str, content: bytes, skip_bad: bool) -> Reader:
        """The reader of bytes, from memory; a table is read from a file."""
        if self.format == "table":
            return open_stream(Source(self.write(name, content)), "table", None, skip_bad)
        main, book = MemorySource(self._path(name), "", content), None
        if self.format == "lobster":
            files = self._files | {name: content}
            main, book = (
                MemorySource(self._path(each), "", files[each])
                for each in (LOBSTER.format(part) for part in ("message", "orderbook"))
            )
        return open_stream(main, self.format, book, skip_bad)

    def write(self, name: str, content: bytes) -> Path:
        """The file to open for some bytes, with its other half beside it."""
        for other, whole in self._files.items() if self.format == "lobster" else ():
            self._path(other).write_bytes(whole)
        self._path(name).write_bytes(content)
        return self._path(name.replace("orderbook", "message"))

    def _path(self, name: str) -> Path:
        if name not in self._paths:
            self._paths[name] = self.folder / name
        return self._paths[name]

    def _as_a_file(self, name: str, content: bytes, skip_bad: bool) -> str:
        """Open and read it as users do, and replay it in an engine, with all checks on."""
        path = self.write(name, content)

        def opened() -> Reader:
            return open_recording(path, self.format, skip_bad=skip_bad)

        set_values(self.as_users)
        try:
            shape = _read(path, opened)
            _replay(path, opened)
        finally:
            set_values(SMALL)
        return shape

    def _look_at_time(self, *_: object) -> None:
        """Called after each half of MOST_CPU_S, between two steps of Python; compiled code is not stopped by it."""
        if self._begun > self._done and self._begun == self._seen:
            raise Wrong(f"took {MOST_CPU_S / 2:g} to {MOST_CPU_S} s of processor time")
        self._seen = self._begun

    def _look_at_memory(self) -> None:
        if self._done % LOOKED_AT:
            return
        now_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        grown_kib, self._most_kib = now_kib - self._most_kib, now_kib
        if self._done > _WARM_UP and grown_kib > MOST_GROWTH_KIB:
            raise Wrong(f"one of the last {LOOKED_AT} inputs took {grown_kib} KiB more memory than all before")


def set_values(values: tuple[tuple[Any, str, Any], ...]) -> None:
    """Set attributes of modules."""
    for module, name, value in values:
        setattr(module, name, value)


def _read(path: Path, opened: Callable[[], Reader]) -> str:
    """Read a recording to its end: the shape of what came of it."""
    rows, read, parted = 0, 0, 0
    try:
        reader = opened()
        for batch in reader.batches():
            commands = batch.commands
            if len(commands):
                wrong = _wrong_rows(reader, commands)
                if wrong:
                    raise Wrong(wrong)
            last = int(batch.messages[-1]) if len(batch.messages) else 0
            if batch.read < read or last > batch.read + 1:
                raise Wrong(f"messages up to {last}, {batch.read} read after {read}")
            parted, read, rows = max(parted, last), batch.read, rows + len(commands)
        if parted > read:
            raise Wrong(f"message {parted} was parted, and only {read} were read")
    except RecordingError as error:
        return _refusal(path, str(error))
    return f"{rows.bit_length()} rows {reader.bad.bit_length()} bad {' '.join(getattr(reader, 'ignored', {}))}"


def _replay(path: Path, opened: Callable[[], Reader]) -> None:
    try:
        reader = opened()
        replay(reader, prepare(reader), Options())
    except RecordingError as error:
        _refusal(path, str(error))


_WRONGS = ("", "kind", "contract_slot", "account_slot", "time_ns")


@njit(cache=True)
def _first_wrong(rows, contracts, accounts):
    """The first row that the engine could not be given, and why as a place of _WRONGS; 0 for none."""
    for place in range(len(rows)):
        row = rows[place]
        is_known = False
        for kind in _KINDS:
            is_known |= row.kind == kind
        if not is_known:
            return place, 1
        least = NIL if row.kind == COMMAND_MASS_CANCEL else 0
        if not least <= row.contract_slot < contracts:
            return place, 2
        if not least <= row.account_slot < accounts:
            return place, 3
        if row.time_ns < 0:
            return place, 4
    return 0, 0


def _wrong_rows(reader: Reader, rows: Any) -> str:
    """What the engine could not be given, if anything; prices and quantities it looks at itself."""
    place, why = _first_wrong(rows, max(1, len(contracts_of(reader))), max(1, accounts_of(reader)))
    name = _WRONGS[why]
    return f"{name} {rows[place][name]} of a row of kind {rows[place]['kind']}" if name else ""


def _refusal(path: Path, text: str) -> str:
    """The shape of a refusal. Raises Wrong unless it is one readable line that names the file."""
    names = (path.name, path.name.replace("message", "orderbook"))
    if not any(name in text for name in names) or "\n" in text or len(text) > 1_000 or not text.isprintable():
        raise Wrong(f"refused as {text!r:.300}")
    said = text.rpartition("/")[2].encode("ascii", "ignore").translate(None, _NO_LETTERS)
    return said[:60].decode()


def _target(key: str, told: str, files: Callable[[], Files], layouts: dict[str, Layout]) -> type[OneReader]:
    """A class for one reader."""
    members = {"name": key, "format": told, "files": staticmethod(files), "layouts": layouts}
    return type(f"{key.title()}Reader", (OneReader,), members | {"__doc__": f"Recordings in {told}."})


_TEXT, _TABLE = Lines(), Lines(heads=1)
READERS: tuple[type[OneReader], ...] = (
    _target("itch", "itch", _kept("20200130.itch"), {"": ItchMessages()}),
    _target("pitch", "pitch", _kept("20120106.pitch"), {"": PitchLines()}),
    _target(
        "pitch_binary",
        "pitch",
        _kept("20120106.pitch.bin", "20120106.pitch.frames"),
        {".bin": PitchMessages(), ".frames": PitchFrames()},
    ),
    _target("coinbase", "coinbase", _kept("coinbase.jsonl"), {"": _TEXT}),
    _target("bitstamp_live", "bitstamp_live", _kept("bitstamp.jsonl"), {"": _TEXT}),
    _target("bitstamp", "bitstamp", _kept("bitstamp.log", "bitstamp.csv"), {".csv": _TABLE, "": _TEXT}),
    _target("dbn", "databento", _dbn, {"": DbnRecords()}),
    _target("databento_csv", "databento", _databento_csv, {"": _TABLE}),
    _target("tardis", "tardis", _kept("tardis.csv"), {"": _TABLE}),
    _target("binance", "binance", _kept("binance.jsonl"), {"": _TEXT}),
    _target("kraken", "kraken", _kept("kraken.log"), {"": _TEXT}),
    _target("csv", "csv", _texts, {"": _TABLE}),
    _target("jsonl", "jsonl", _json_texts, {"": _TEXT}),
    _target("lobster", "lobster", _kept(*(LOBSTER.format(part) for part in ("message", "orderbook"))), {"": _TEXT}),
    _target("flash1", "flash1", _kept("flash1.csv", "flash1.bin"), {".csv": _TABLE, "": Flash1Records()}),
    _target("tables", "table", _tables, {}),
)
