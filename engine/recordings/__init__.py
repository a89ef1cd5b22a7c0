"""Recorded order streams from outside: readers that turn them into command batches, and what they should have led to.

`open_recording` recognises the format: a journal's folder, and from the first bytes flash1, LOBSTER, Bitstamp 2015 and
of today, Databento's market by order, NASDAQ ITCH, PITCH, Coinbase's full channel, price levels of Tardis, Binance and
Kraken, and our own CSV, JSONL and tables.
`synthetic:SEED:COUNT` instead of a file is a generated stream.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.host import holds_journal
from engine.recordings import journals, synthetic
from engine.recordings.batches import EVERYTHING, Reader, Wanted
from engine.recordings.event_batches import replay as replay
from engine.recordings.source import RecordingError, Source, sources

if TYPE_CHECKING:
    from engine.recordings.drawing import draw as draw
    from engine.recordings.own_orders import Fees as Fees
    from engine.recordings.pictures import gather as gather
    from engine.recordings.strategy import Session as Session
    from engine.recordings.strategy import backtest as backtest

_LATER = {"draw": "drawing", "Fees": "own_orders", "gather": "pictures", "Session": "strategy", "backtest": "strategy"}
"""What is imported when it is asked for, and from which module: a start need not wait for it, nor for all formats."""
DECODERS = {
    "databento": ("databento", "decoder"),
    "itch": ("itch", "ItchDecoder"),
    "pitch": ("pitch_binary", "decoder"),
    "coinbase": ("coinbase", "CoinbaseDecoder"),
    "bitstamp_live": ("bitstamp_live", "BitstampLiveDecoder"),
}
"""The formats that record single orders, of many contracts: each by its decoder, as (module, name)."""
LEVEL_DECODERS = {
    "tardis": ("tardis", "TardisLevels"),
    "binance": ("binance", "BinanceLevels"),
    "kraken": ("kraken", "KrakenLevels"),
}
"""The formats that record price levels, of many contracts: each by its decoder, as (module, name)."""
_OF_ONE_CONTRACT = {
    "flash1": ("flash1", "Flash1Reader"),
    "csv": ("csv_jsonl", "TextReader"),
    "jsonl": ("csv_jsonl", "TextReader"),
    "table": ("order_table", "TableReader"),
}
"""The formats that are one file and nothing beside it: each by its reader, as (module, name)."""
TRADES_APART = ("tardis", "binance")
"""Of these the trades may be a file of their own."""
OF_MANY_CONTRACTS = frozenset((*DECODERS, *LEVEL_DECODERS))
"""The formats of which a part can be wanted."""
FORMATS = ("journal", "flash1", "lobster", "bitstamp", "csv", "jsonl", "table", *DECODERS, *LEVEL_DECODERS)
_FIRST_BYTES = (
    ("flash1", "flash1", ("is_binary", "is_csv")),
    ("itch", "itch", ("is_itch",)),
    ("pitch", "pitch", ("is_pitch",)),
    ("coinbase", "coinbase", ("is_coinbase",)),
    ("bitstamp_live", "bitstamp_live", ("is_capture",)),
    ("bitstamp", "bitstamp", ("is_log", "is_csv")),
    ("lobster", "lobster", ("is_messages",)),
    ("tardis", "tardis", ("is_tardis",)),
    ("binance", "binance", ("is_binance",)),
    ("kraken", "kraken", ("is_kraken",)),
    ("table", "order_table", ("is_table",)),
    ("databento", "databento", ("is_dbn", "is_csv")),
    ("jsonl", "csv_jsonl", ("is_jsonl",)),
    ("csv", "csv_jsonl", ("is_csv",)),
    ("pitch", "pitch_binary", ("is_binary",)),
)
"""By what first bytes are recognised: (format, module, its functions). The first that fits counts."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_module(_LATER[name]), name)


def open_recording(
    path: Path | str,
    format: str = "auto",
    book: Path | None = None,
    skip_bad: bool = False,
    wanted: Wanted = EVERYTHING,
) -> Reader:
    """A reader for the file at `path`, plain, .gz, .xz, .zst or .zip, for a journal, daily files or generated flow.

    `book` is the recorded book when it is a file of its own; LOBSTER's is found by its name, in the same folder or
    zip. `wanted` is what part of a recording of many contracts is wanted. RecordingError when the file cannot be opened
    or recognised, or has no such parts, JournalError for a journal that cannot be read.
    """
    reader = _open(Path(path), format, book, skip_bad, wanted)
    if reader.format not in OF_MANY_CONTRACTS:
        for option, given in (("--symbols", wanted.symbols), ("--from", wanted.from_ns)):
            if given:
                raise RecordingError(f"{option}: a {reader.format} recording is read whole; leave it out")
    if wanted.trades and reader.format not in TRADES_APART:
        raise RecordingError(f"--trades: a {reader.format} recording has its own trades; leave it out")
    return reader


def _open(path: Path, format: str, book: Path | None, skip_bad: bool, wanted: Wanted) -> Reader:
    if synthetic.is_name(path):
        return synthetic.SyntheticReader(*synthetic.parse(path))
    if format == "journal" or (format == "auto" and holds_journal(path)):
        return journals.JournalRecording(path)
    if path.is_dir():
        return _open_folder(path, format, book, skip_bad, wanted)
    streams = sources(path)
    main = _main_stream(path, streams)
    kind = recognise(main) if format == "auto" else format
    if kind == "lobster":
        return open_stream(main, kind, _lobster_book(main, streams, book), skip_bad)
    return open_stream(main, kind, sources(book)[0] if book else None, skip_bad, wanted)


def open_stream(
    main: Source, kind: str, book: Source | None = None, skip_bad: bool = False, wanted: Wanted = EVERYTHING
) -> Reader:
    """The reader of one stream of a known format, with its recorded book where that is a stream of its own.

    RecordingError as `open_recording`.
    """
    if kind == "lobster" and book:
        return _made("lobster", "LobsterReader", main, book, skip_bad)
    if kind == "bitstamp":
        return _made("bitstamp", "BitstampReader", main, book, skip_bad)
    if book:
        raise RecordingError(f"{book.path}: a {kind} recording has no recorded book to compare with; leave it out")
    if kind in OF_MANY_CONTRACTS:
        return _of_many_contracts(kind, decoder_of(kind)(main, wanted, skip_bad), wanted)
    if kind in _OF_ONE_CONTRACT:
        return _made(*_OF_ONE_CONTRACT[kind], main, skip_bad)
    raise RecordingError(f"{main.path}: format {kind!r} is none of {', '.join(FORMATS)}")


def _open_folder(folder: Path, format: str, book: Path | None, skip_bad: bool, wanted: Wanted) -> Reader:
    """A folder of daily files."""
    daily_files, joined_files = _module("daily_files"), _module("joined_files")
    files = daily_files.daily_files(folder)
    if not files:
        remedy = "name the folder that has journal-00000001.log, or daily files"
        raise RecordingError(f"{folder}: holds no journal and no recordings; {remedy}")
    for option, given in (("--book", book), ("--trades", wanted.trades)):
        if given:
            raise RecordingError(f"{option}: {folder} is a folder, whose files are found by their names; leave it out")
    found = {path: recognise(_main_stream(path, sources(path))) if format == "auto" else format for path in files}
    kind, path = next((kind, path) for path, kind in found.items())
    other = next((path for path, each in found.items() if each != kind), None)
    if other:
        raise RecordingError(f"{other}: is {found[other]}, and {path.name} is {kind}; a folder has files of one format")
    if kind in joined_files.JOINED_FORMATS:
        return _open_joined(folder, kind, skip_bad, wanted)
    if kind == "table":
        return _made("daily_tables", "DailyTables", folder, skip_bad)
    if kind not in daily_files.FORMATS_BY_DAY:
        names = ", ".join((*daily_files.FORMATS_BY_DAY, *joined_files.JOINED_FORMATS, "table"))
        reason = f"a folder of {kind} files is not read as one, those of {names} are; name a file"
        raise RecordingError(f"{folder}: {reason}")
    return _of_many_contracts(kind, daily_files.DailyFiles(folder, kind, decoder_of(kind), wanted, skip_bad), wanted)


def _open_joined(folder: Path, kind: str, skip_bad: bool, wanted: Wanted) -> Reader:
    """A folder of files whose lines are one stream; each error names the file that the line is in."""
    joined = _module("joined_files").JoinedSource
    head = joined(folder).head()
    source = joined(folder, has_header=kind == "csv" or _module("bitstamp_live").has_header(head))
    if kind in ("csv", "jsonl"):
        reader = _made("csv_jsonl", "TextReader", source, skip_bad)
        reader.batches = partial(lambda read: source.located(read()), reader.batches)  # type: ignore[method-assign]
        return reader
    decoder = decoder_of(kind)(source, wanted, skip_bad)
    decoder.blocks = partial(lambda read: source.located(read()), decoder.blocks)
    return _of_many_contracts(kind, decoder, wanted)


def recognise(source: Source) -> str:
    """The format of a stream. RecordingError when it is none of FORMATS."""
    head = source.head()
    for kind, module, names in _FIRST_BYTES:
        if any(getattr(_module(module), name)(head) for name in names):
            return kind
    raise RecordingError(f"{source.path}: not a recording that is recognised; name its format: {', '.join(FORMATS)}")


def _module(name: str) -> Any:
    """A module beside this one: each is imported when it is needed, as those of all formats take a sixth of a start."""
    return import_module(f"{__name__}.{name}")


def _made(module: str, name: str, *arguments: Any, **more: Any) -> Reader:
    """What a class of a module makes of the arguments."""
    reader: Reader = getattr(_module(module), name)(*arguments, **more)
    return reader


def decoder_of(kind: str) -> Callable[[Source, Wanted, bool], Any]:
    """What decodes a format of many contracts."""
    module, name = DECODERS.get(kind) or LEVEL_DECODERS[kind]
    decoder: Callable[[Source, Wanted, bool], Any] = getattr(_module(module), name)
    return decoder


def _of_many_contracts(kind: str, decoder: Any, wanted: Wanted) -> Reader:
    """The reader of what a decoder gives, or of the daily files of one."""
    module, name = ("lives_reader", "LivesReader") if kind in DECODERS else ("price_levels", "LevelsReader")
    return _made(module, name, decoder, wanted=wanted)


def _main_stream(path: Path, streams: list[Source]) -> Source:
    """The stream to replay: the only one, or of a LOBSTER zip the message file."""
    messages = [source for source in streams if "_message_" in source.name]
    if len(messages) == 1 or len(streams) == 1:
        return (messages or streams)[0]
    raise RecordingError(f"{path}: holds {len(streams)} files and not one message file; unpack the one to replay")


def _lobster_book(main: Source, streams: list[Source], book: Path | None) -> Source:
    if book:
        return sources(book)[0]
    name = main.name.replace("_message_", "_orderbook_")
    beside = [source for source in streams if source.name == name]
    if not main.member and name != main.name:
        beside = [source for path in main.path.parent.glob(f"{name}*") for source in sources(path)]
    if not beside:
        raise RecordingError(f"{main.path}: its orderbook file is not beside it; name it with --book")
    return beside[0]
