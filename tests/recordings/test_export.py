"""`lionrock export`: what comes out, read back with the tools that users have, and replayed."""

import contextlib
import errno
import hashlib
import json
import os
import resource
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import disk
from engine.codes import EventKind
from engine.host import Engine
from engine.recordings import open_recording, out
from engine.recordings.batches import ContractSpec
from engine.recordings.out.book_changes import DEPTH_HEAD, Action, BookFollower, Followed
from engine.recordings.out.export import Export, Wanted
from engine.recordings.out.file_set import ExportError, FileSet
from engine.recordings.out.formats import DAY_NS
from engine.recordings.replay import Options, prepare, replay
from engine.recordings.runner import Runner
from engine.schema import EVENT
from gateway.commands import export as command
from gateway.config import Config
from gateway.registry.records import ContractRecord
from gateway.registry.registry import Registry
from gateway.venue import disk_space
from tests import risk_flow
from tests.recordings.data import compiled
from tests.recordings.test_commands import lionrock

Rows = np.ndarray[Any, Any]
arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
parquet = pytest.importorskip("pyarrow.parquet")

pytestmark = compiled
LEVELS = 5
SPECS = [ContractSpec("BTC_PERP", "0.01", "0.001"), ContractSpec("ETH_PERP", "0.5", "1")]


@cache
def venue_commands() -> Rows:
    """The commands of such a venue, from its beginning."""
    setup = np.concatenate(risk_flow.set_up())
    setup["time_ns"] = risk_flow.build.START_NS
    rows = np.concatenate([setup, risk_flow.flow(7, 12_000)])
    rows["seq"] = np.arange(1, len(rows) + 1)
    return rows


@cache
def venue_events() -> Rows:
    """What a venue with accounts, margin, liquidations and deleveraging tells; two contracts, each time once."""
    engine = Engine(risk_flow.create())
    told: list[Rows] = []
    engine.feed(venue_commands(), lambda _, events: told.append(events.copy()))
    return np.concatenate(told)


def exported(folder: Path, wanted: Wanted, pieces: int = 1, events: Rows | None = None) -> Export:
    """An export of the venue's events, given in so many pieces."""
    files = FileSet(folder)
    export = Export(files, wanted, SPECS, True)
    for part in np.array_split(venue_events() if events is None else events, pieces):
        export.write(part, part["seq"], part)
    export.finish()
    return export


def follow(events: Rows, levels: int = LEVELS, pieces: int = 1) -> Followed:
    """All that a follower says of some events."""
    follower = BookFollower(levels)
    parts = [follower.follow(part) for part in np.array_split(events, pieces)] + [follower.flush()]
    return Followed(np.concatenate([p.changes for p in parts]), np.concatenate([p.depth for p in parts]))


def test_the_venue_goes_through_everything_that_matters_here() -> None:
    events = venue_events()
    kinds = set(np.unique(events["kind"]).tolist())
    assert {EventKind.FILL, EventKind.REDUCED, EventKind.CANCELLED, EventKind.DELEVERAGED} <= kinds
    assert set(np.unique(follow(events).changes["action"]).tolist()) == {*map(int, Action)}


def test_depth_is_the_engines_after_every_command() -> None:
    reader = open_recording(Path("synthetic:3:6000"))
    runner, follower, found = prepare(reader), BookFollower(LEVELS), []
    kept: list[Any] = [[0] * 4 * LEVELS]

    def take(events: Rows) -> None:
        found.extend([*follower.follow(events).depth.tolist(), *follower.flush().depth.tolist()])

    for batch in reader.batches():
        runner.stamp(batch.commands)
        for row in range(len(batch.commands)):
            runner.feed(batch.commands[row : row + 1], take)
            cells = levels_of(runner)
            if cells != kept[-1]:
                kept.append(cells)
    assert len(kept) > 3000
    assert [row[DEPTH_HEAD:] for row in found] == kept[1:]


def levels_of(runner: Runner) -> list[int]:
    """The engine's best levels as the cells of a depth row."""
    bids, asks = runner.depth(LEVELS)
    cells = np.zeros((LEVELS, 4), np.int64)
    for side, levels in enumerate((bids, asks)):
        for place, level in enumerate(levels):
            cells[place, 2 * side : 2 * side + 2] = level
    return list(cells.ravel().tolist())


def test_the_size_of_pieces_changes_nothing() -> None:
    whole, parts = follow(venue_events()), follow(venue_events(), pieces=997)
    assert np.array_equal(whole.changes, parts.changes) and np.array_equal(whole.depth, parts.depth)


def test_what_an_order_shows_adds_up_to_its_level() -> None:
    orders: dict[int, int] = {}
    levels: dict[tuple[int, int, int], int] = {}
    for row in follow(venue_events()).changes:
        if row["action"] == Action.TRADE:
            continue
        place = (int(row["contract"]), int(row["side"]), int(row["price_ticks"]))
        before = orders.pop(int(row["order_id"]), 0)
        left = int(row["left_lots"])
        assert left == (row["lots"] if row["action"] == Action.ADD else before - row["lots"])
        levels[place] = levels.get(place, 0) + left - before
        assert levels[place] == row["level_lots"]
        if left:
            orders[int(row["order_id"])] = left


# --- Parquet --------------------------------------------------------------------------------------------------------


class Heard:
    """All events of a replay."""

    def __init__(self) -> None:
        self.rings: list[Rows] = [np.zeros(0, EVENT)]

    def write(self, commands: Rows, sequences: Rows, events: Rows) -> None:
        """Keep a ring."""
        self.rings.append(events.copy())

    def finish(self) -> None:
        """Nothing is held back."""


def replayed(path: Path) -> Followed:
    """What a replay of a recording says."""
    reader, heard = open_recording(path), Heard()
    result = replay(reader, prepare(reader), Options(reports=heard, compare=False))
    assert result.rejects == {}
    return follow(np.concatenate(heard.rings))


def last_of_each_time(depth: Rows) -> dict[int, list[int]]:
    """The depth at each time; where it is as before there is none."""
    found: dict[int, list[int]] = {}
    last: list[int] = []
    for row in depth.tolist():
        found[row[0]] = row[DEPTH_HEAD:]
    for time_ns in list(found):
        if found[time_ns] == last:
            del found[time_ns]
        else:
            last = found[time_ns]
    return found


def trades_of(changes: Rows) -> list[Any]:
    """What is to be the same of every trade at the book."""
    rows = changes[changes["action"] == Action.FILL]
    return list(rows[["time_ns", "side", "price_ticks", "lots"]].tolist())


@pytest.mark.parametrize("contract", [0, 1])
def test_orders_replay_to_the_same_book_at_every_record_and_the_same_trades(contract: int, tmp_path: Path) -> None:
    exported(tmp_path, Wanted("parquet", ("orders",)), pieces=5)
    again, was = replayed(tmp_path / f"{SPECS[contract].name}-orders.parquet"), follow(venue_events())
    assert trades_of(again.changes) == trades_of(was.changes[was.changes["contract"] == contract])
    assert last_of_each_time(again.depth) == last_of_each_time(was.depth[was.depth[:, 2] == contract])
    assert len(again.changes) > 1000


def test_trades_and_depth_have_times_units_and_statistics(tmp_path: Path) -> None:
    export = exported(tmp_path, Wanted("parquet", ("trades", "depth"), levels=LEVELS), pieces=7)
    followed = follow(venue_events())
    file = parquet.ParquetFile(tmp_path / "BTC_PERP-trades.parquet")
    table, trades = file.read(), followed.changes[followed.changes["action"] >= Action.FILL]
    assert export.rows["trades"] == len(trades)
    trades = trades[trades["contract"] == 0]
    assert str(table.schema.field("time").type) == "timestamp[ns, tz=UTC]"
    assert table["time"].cast(arrow.int64()).to_pylist() == trades["time_ns"].tolist()
    assert table["price_ticks"].to_pylist() == trades["price_ticks"].tolist()
    assert table["side"].to_pylist() == [("sell", "buy")[side - 1] for side in trades["side"].tolist()]
    assert {"order", "liquidation", "deleveraging"} == set(table["cause"].to_pylist())
    assert table["maker_order_id"].null_count == table["cause"].to_pylist().count("deleveraging")
    metadata = table.schema.metadata
    assert (metadata[b"contract"], metadata[b"tick"], metadata[b"lot"]) == (b"BTC_PERP", b"0.01", b"0.001")
    assert file.metadata.num_row_groups == 1
    statistics = file.metadata.row_group(0).column(1).statistics
    assert (statistics.min, statistics.max) == (trades["trade_id"].min(), trades["trade_id"].max())
    depth = parquet.read_table(tmp_path / "ETH_PERP-depth.parquet")
    rows = followed.depth[followed.depth[:, 2] == 1]
    assert depth["bid_1_price_ticks"].to_pylist() == [price or None for price in rows[:, DEPTH_HEAD].tolist()]
    assert depth[f"ask_{LEVELS}_qty_lots"].to_pylist() == [lots or None for lots in rows[:, -1].tolist()]


def test_events_are_all_order_reports(tmp_path: Path) -> None:
    exported(tmp_path, Wanted("parquet", ("events",)))
    events = venue_events()
    events = events[(events["kind"] < EventKind.NOTICE_FIRST) & (events["contract_slot"] == 1)]
    table = parquet.read_table(tmp_path / "ETH_PERP-events.parquet")
    assert table["kind"].to_pylist() == [EventKind(kind).name.lower() for kind in events["kind"].tolist()]
    fills = events[events["kind"] == EventKind.FILL]
    assert table["cash_micros"].drop_null().to_pylist() == fills["cash_micros"].tolist()
    assert table["leaves_lots"].to_pylist() == events["leaves_lots"].tolist()


def test_decimals_are_exact_and_read_by_polars(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    exported(tmp_path, Wanted("parquet", ("trades",), options={"prices": "decimal"}))
    frame = polars.read_parquet(tmp_path / "BTC_PERP-trades.parquet")
    rows = follow(venue_events()).changes
    rows = rows[(rows["action"] >= Action.FILL) & (rows["contract"] == 0)]
    assert (frame["price"].dtype, frame["time"].dtype) == (polars.Decimal(38, 2), polars.Datetime("ns", "UTC"))
    assert [int(price * 100) for price in frame["price"]] == rows["price_ticks"].tolist()
    assert [int(qty * 1000) for qty in frame["qty"]] == rows["lots"].tolist()


# --- days, names and checksums ---------------------------------------------------------------------------------------


def test_each_daily_file_begins_with_what_rests_and_replays_by_itself(tmp_path: Path) -> None:
    events = venue_events().copy()
    middle = events["time_ns"][len(events) // 2]
    day = int(events["time_ns"][0]) // DAY_NS
    events["time_ns"][events["time_ns"] >= middle] += DAY_NS - (middle - events["time_ns"][0])
    exported(tmp_path, Wanted("parquet", ("orders",), daily=True), events=events, pieces=3)
    days = [np.datetime64(day + more, "D") for more in (0, 1)]
    names = sorted(path.name for path in tmp_path.glob("BTC_PERP*.parquet"))
    assert names == [f"BTC_PERP-orders-{date}.parquet" for date in days]
    again, was = replayed(tmp_path / names[1]), follow(events)
    trades = [trade for trade in trades_of(was.changes[was.changes["contract"] == 0]) if trade[0] >= middle]
    assert trades and trades_of(again.changes) == trades
    later = was.depth[(was.depth[:, 2] == 0) & (was.depth[:, 0] // DAY_NS > day)]
    assert last_of_each_time(again.depth).items() >= last_of_each_time(later).items()


def test_checksums_are_of_the_files_and_nothing_else_is_left(tmp_path: Path) -> None:
    exported(tmp_path / "new", Wanted("parquet"))
    found = sorted(path.name for path in (tmp_path / "new").iterdir())
    names = [f"{spec.name}-{what}.parquet" for spec in SPECS for what in ("orders", "trades")]
    assert found == sorted(name + end for name in names for end in ("", ".CHECKSUM"))
    for name in names:
        digest = hashlib.sha256((tmp_path / "new" / name).read_bytes()).hexdigest()
        assert (tmp_path / "new" / f"{name}.CHECKSUM").read_text() == f"{digest}  {name}\n"


def test_a_daily_export_has_the_files_of_one_day_open(tmp_path: Path) -> None:
    lines = [f"{day * DAY_NS},new,{day},buy,5,{day}" for day in range(1, 61)]
    (tmp_path / "days.csv").write_text("time_ns,action,cl_ord_id,side,qty_lots,price_ticks\n" + "\n".join(lines))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (max(int(path.name) for path in Path("/proc/self/fd").iterdir()) + 20, limits[1])
    )
    try:
        given = ("--to", tmp_path / "out", "--format", "parquet", "--daily")
        assert lionrock("export", tmp_path / "days.csv", *given) == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 120


def test_a_disk_that_is_full_before_the_last_checksum_leaves_nothing(tmp_path: Path) -> None:
    def opener(path: str, flags: int) -> int:
        if "b.CHECKSUM" in path:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return os.open(path, flags)

    files = FileSet(tmp_path / "out", opener)
    for name in ("a", "b"):
        files.open(name).write(b"all of it")
    with pytest.raises(OSError, match="No space left"):
        files.commit()
    files.abandon()
    assert not (tmp_path / "out").exists()


def test_what_needs_times_is_refused_without_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.csv").write_text("action,cl_ord_id,side,qty_lots,price_ticks\nnew,1,buy,5,1\n")
    for named, given in (("--format tardis", ["tardis"]), ("--daily", ["parquet", "--daily"])):
        assert lionrock("export", tmp_path / "none.csv", "--to", tmp_path / "q", "--format", *given) == command.FAILED
        assert f"{named}: the recording has no times; choose --format parquet" in capsys.readouterr().err
    assert not (tmp_path / "q").exists()
    assert lionrock("export", tmp_path / "none.csv", "--to", tmp_path / "q", "--format", "parquet") == 0


def test_a_folder_with_files_of_these_names_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "ETH_PERP-trades.parquet.CHECKSUM").write_text("mine")
    files = FileSet(tmp_path)
    export, events = Export(files, Wanted("parquet"), SPECS, True), venue_events()
    with pytest.raises(ExportError, match=r"ETH_PERP-trades.parquet.CHECKSUM: is there already; name another folder"):
        export.write(events, events["seq"], events)
    files.abandon()
    assert [path.name for path in tmp_path.iterdir()] == ["ETH_PERP-trades.parquet.CHECKSUM"]


def test_the_documented_example_reads_prices(tmp_path: Path) -> None:
    pytest.importorskip("polars", reason="polars is not installed")
    exported(tmp_path, Wanted("parquet", ("trades",)))
    text = (Path(out.__file__).parent / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(text.replace("files/", f"{tmp_path}/"), names)
    trades = follow(venue_events()).changes
    ticks = trades["price_ticks"][(trades["action"] >= Action.FILL) & (trades["contract"] == 0)]
    assert names["trades"]["price"].to_list() == pytest.approx((ticks / 100).tolist())


@pytest.mark.parametrize("format, module", [("parquet", "pyarrow"), ("tardis", "pyarrow"), ("dbn", "databento_dbn")])
def test_a_library_that_is_missing_is_one_line_with_the_remedy(
    format: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert lionrock("export", "synthetic:5:10", "--to", tmp_path / "q", "--format", format) == command.FAILED
    said = capsys.readouterr().err
    assert "pip install 'lionrock[" in said and said.count("\n") == 1 and not (tmp_path / "q").exists()


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_exports_a_recording_and_says_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("export", "synthetic:5:3000", "--to", tmp_path / "out", "--format", "parquet", "--json")
    old = os.umask(0o027)
    try:
        assert lionrock(*given, "--what", "trades,orders,funding", "--contract", "X/Y,tick=0.5") == 0
    finally:
        os.umask(old)
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["files"] == ["X_Y-trades.parquet", "X_Y-orders.parquet"] and said["messages"] == 3000
    assert said["size_bytes"] == sum((tmp_path / "out" / name).stat().st_size for name in said["files"])
    assert list(said["rows"]) == ["trades", "orders", "funding"] and said["rows"]["funding"] == 0
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o640}
    assert said["rows"]["trades"] == len(parquet.read_table(tmp_path / "out" / "X_Y-trades.parquet"))
    assert lionrock(*given) == 0 and lionrock(*given) == command.FAILED
    assert "is there already" in capsys.readouterr().err


def test_a_journal_gives_the_same_files_as_its_recording(tmp_path: Path) -> None:
    assert lionrock("convert", "synthetic:6:3000", tmp_path / "journal") == 0
    for source, folder in (("synthetic:6:3000", "a"), (tmp_path / "journal", "b")):
        given = ("--to", tmp_path / folder, "--format", "parquet", "--contract", "SYNTHETIC")
        assert lionrock("export", source, *given) == 0
    for path in (tmp_path / "a").glob("*.parquet"):
        assert parquet.read_table(path).equals(parquet.read_table(tmp_path / "b" / path.name)), path.name


def test_the_folder_of_a_running_venue_is_only_read_and_names_the_contracts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paused: list[bool] = []
    monkeypatch.setattr(disk_space, "pause", lambda: paused.append(True))
    monkeypatch.setattr(disk, "PIECE_BYTES", 4096)
    venue = Config(data=str(tmp_path / "venue"))
    Path(venue.data).mkdir()
    with contextlib.closing(Registry(venue.registry)) as registry:
        for slot, spec in enumerate(SPECS):
            registry.add_contract(ContractRecord(slot, spec.name, "X", "USD", spec.tick, spec.lot, 1), [])
    with contextlib.closing(Engine.create(venue.journal, capacities=risk_flow.CAPACITIES)) as engine:
        rows = venue_commands()[:4000]
        engine.submit(rows)
        engine.commit()
        before = {path: path.read_bytes() for path in Path(venue.data).rglob("*") if path.is_file()}
        assert lionrock("export", venue.data, "--to", tmp_path / "out", "--format", "parquet", "--what", "events") == 0
        given = ("--format", "parquet", "--what", "trades")
        assert lionrock("export", venue.journal, "--to", tmp_path / "of-journal", *given) == 0
        draws = ("--plot", tmp_path / "a.html", "--instrument", "ETH_PERP")
        assert lionrock("replay", venue.data, *draws) == 0
        assert {path: path.read_bytes() for path in Path(venue.data).rglob("*") if path.is_file()} == before
        venue.registry.write_bytes(b"no database")
        assert lionrock("export", venue.data, "--to", tmp_path / "bad", *given) == command.FAILED
    assert len(paused) > 10
    assert sorted(path.name for path in (tmp_path / "out").glob("*.parquet")) == [
        "BTC_PERP-events.parquet", "ETH_PERP-events.parquet",
    ]  # fmt: skip
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o600}
    assert (tmp_path / "of-journal" / "ETH_PERP-trades.parquet").exists()
    assert '"name":"ETH_PERP","tick":"0.5"' in (tmp_path / "a.html").read_text()
    [line] = capsys.readouterr().err.splitlines()
    assert "registry.db: the contracts cannot be read: file is not a database; restore" in line
    metadata = parquet.read_schema(tmp_path / "out" / "ETH_PERP-events.parquet").metadata
    assert (metadata[b"tick"], metadata[b"lot"]) == (b"0.5", b"1")


def wrong(make: Callable[[], object]) -> str:
    with pytest.raises(ExportError) as caught:
        make()
    return str(caught.value)


def test_what_cannot_be_written_is_one_line_that_says_what_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--what ticker: " not in wrong(lambda: Wanted("parquet", ("book",)).tables())
    assert wrong(lambda: Wanted("parquet", options={"prices": "float"}).tables()).endswith("prices is ticks or decimal")
    assert "parquet has prices=ticks|decimal" in wrong(lambda: Wanted("parquet", options={"a": "b"}).tables())
    files = FileSet(tmp_path)
    assert "no clock" in wrong(lambda: Export(files, Wanted("parquet", daily=True), SPECS, False))
    (tmp_path / "file").touch()
    (tmp_path / "journal-0.log").touch()
    for folder, line in ((tmp_path / "file", "not a folder"), (tmp_path, "the folder of a venue or of a journal")):
        assert lionrock("export", "synthetic:5:10", "--to", folder, "--format", "parquet") == command.FAILED
        said = capsys.readouterr().err
        assert line in said and said.count("\n") == 1
    assert lionrock("export", tmp_path / "none.csv", "--to", tmp_path / "q", "--format", "parquet") == command.FAILED
    assert not (tmp_path / "q").exists()
    with pytest.raises(SystemExit):
        lionrock("export", "synthetic:5:10", "--to", tmp_path / "q", "--format", "parquet", "--what", "pictures")
    assert "'pictures' is none of" in capsys.readouterr().err
