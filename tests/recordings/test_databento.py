"""Databento's market by order, DBN and CSV: files that the public library writes, and what they should lead to."""

import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zstandard

from engine.recordings import open_recording
from engine.recordings.batches import Wanted
from engine.recordings.replay import ReplayResult
from engine.recordings.source import RecordingError
from tests.fuzz.mutate import mutated
from tests.recordings.data import compiled, play
from tests.recordings.lives import COLUMNS, Lives
from tests.recordings.test_commands import last_object, lionrock
from tests.recordings.test_order_lives import books_of, exact

dbn = pytest.importorskip("databento_dbn", reason="databento-dbn is not installed")
from tests.recordings.mbo_writer import (  # noqa: E402
    LAST,
    NAMES,
    NANOS_PER_TICK,
    MboWriter,
    csv_bytes,
    dbn_bytes,
    message,
    metadata,
)

LEVELS = 5
ROW = dict.fromkeys(COLUMNS, 0) | {"time_ns": 1_700_000_000 * 10**9, "order_id": 7}


def drawn(seed: int, events: int) -> Lives:
    lives = Lives(seed, 3)
    for _ in range(events):
        lives.step()
    return lives


def order(action: str, size: int = 5, ticks: int = 1000, **said: Any) -> Any:
    """One record that ends its event."""
    values = {"side": dbn.Side.BID, "price": ticks * NANOS_PER_TICK, "size": size, "flags": LAST}
    return message(ROW, action, **(values | said))


def replayed(path: Path, **wanted: Any) -> ReplayResult:
    return play(open_recording(path, wanted=Wanted(**wanted)), levels=LEVELS)[0]


def written(folder: Path, records: list[Any], name: str = "day.dbn") -> Path:
    (folder / name).write_bytes(dbn_bytes(records))
    return folder / name


def books(lives: Lives, ticks: int = 1) -> dict[str, Any]:
    """The books of the naive markets, in a file's ticks."""
    found = {}
    for name, market in zip(NAMES, lives.markets, strict=True):
        bids, asks = market.book(LEVELS)
        found[name] = ([(p * ticks, q) for p, q in bids], [(p * ticks, q) for p, q in asks])
    return found


SPECS = ("tick=0.01",)
"""What a person says of all contracts."""


# --- what a file leads to ---------------------------------------------------------------------------------------------


@compiled
@pytest.mark.parametrize("fills", ["strict", "reduce"])
@pytest.mark.parametrize("version", [1, 2, 3])
def test_each_version_leads_to_the_books_and_executions(tmp_path: Path, version: int, fills: str) -> None:
    lives = drawn(version, 400)
    records = MboWriter(fills).records(lives.rows)
    (tmp_path / "day.dbn").write_bytes(dbn_bytes(records, version))
    result = replayed(tmp_path / "day.dbn", contracts=SPECS)
    assert result.format == "databento" and result.messages == len(records)
    assert exact(result) and result.executions == lives.executions > 100
    assert result.ignored == {} and (result.book_rows_checked or 0) > 300
    assert books_of(result) == books(lives)


@compiled
@pytest.mark.parametrize("is_pretty", [True, False])
@pytest.mark.parametrize("map_symbols", [True, False])
def test_csv_is_the_same_as_dbn(tmp_path: Path, is_pretty: bool, map_symbols: bool) -> None:
    lives = drawn(5, 300)
    plain = dbn_bytes(MboWriter().records(lives.rows))
    (tmp_path / "day.dbn.zst").write_bytes(zstandard.compress(plain))
    (tmp_path / "day.csv").write_bytes(csv_bytes(plain, is_pretty, map_symbols))
    packed, text = replayed(tmp_path / "day.dbn.zst"), replayed(tmp_path / "day.csv")
    assert exact(text) and text.digest == packed.digest and text.messages == packed.messages
    names = NAMES if map_symbols else ("100", "101", "102")
    assert set(text.contracts) == set(names) and set(packed.contracts) == set(NAMES)


@compiled
def test_symbols_and_from_choose_a_part(tmp_path: Path) -> None:
    lives = drawn(6, 300)
    path = written(tmp_path, MboWriter().records(lives.rows))
    one = replayed(path, symbols=frozenset(["BETA"]), contracts=SPECS)
    assert exact(one) and books_of(one) == {"BETA": books(lives)["BETA"]}
    assert one.ignored.keys() == {"record of an instrument that is not wanted, or has no price yet"}
    late = replayed(path, from_ns=lives.rows[-1][0] - 20_000, contracts=SPECS)
    assert exact(late) and books_of(late) == books_of(replayed(path, contracts=SPECS))
    assert 0 < (late.executions or 0) < lives.executions
    with pytest.raises(RecordingError, match="--symbols: DELTA is not in the recording; there are: ALPHA, BETA, GAMMA"):
        replayed(path, symbols=frozenset(["DELTA"]))
    path.write_bytes(path.read_bytes() + bytes(20))
    with pytest.raises(RecordingError, match="--symbols: DELTA is not in the recording; there are: ALPHA, BETA, GAMMA"):
        replayed(path, symbols=frozenset(["DELTA"]))  # known by the metadata, before the damage is met
    with pytest.raises(RecordingError, match="length: no record is so long"):
        replayed(path, symbols=frozenset(["ALPHA"]))


def test_fills_before_their_cancels_are_one_aggressor(tmp_path: Path) -> None:
    """As where all fills of a sweep come first: T F F C C, and the end of the event on the last one."""
    one, two = {"order_id": 1}, {"order_id": 2}
    records = [
        order("A", 5, side=dbn.Side.ASK, **one),
        order("A", 6, 1001, side=dbn.Side.ASK, **two),
        order("T", 8, 1001, flags=0, order_id=9),
        order("F", 5, side=dbn.Side.ASK, flags=0, **one),
        order("F", 3, 1001, side=dbn.Side.ASK, flags=0, **two),
        order("C", 5, side=dbn.Side.ASK, flags=0, **one),
        order("M", 3, 1001, side=dbn.Side.ASK, **two),
        order("A", 2, 1000, order_id=9),
    ]
    result = replayed(written(tmp_path, records), contracts=SPECS)
    assert exact(result) and (result.executions, result.commands) == (2, 4)
    assert result.depth == ([(1000, 2)], [(1001, 3)])


def test_a_fill_without_its_cancel_touches_no_visible_order(tmp_path: Path) -> None:
    records = [order("A"), order("T", 2, order_id=0), order("F", 2), order("C", 2)]
    records[-1].ts_event += 1
    result = replayed(written(tmp_path, records), contracts=SPECS)
    assert result.ignored == {"fill without an effect on the visible book": 1}
    assert result.trades == 0 and result.depth == ([(1000, 3)], [])


def test_snapshots_clears_and_unknown_orders(tmp_path: Path) -> None:
    snapshot = int(dbn.F_SNAPSHOT)
    records = [
        order("A", 9, 990, order_id=1),
        order("R", flags=snapshot, price=dbn.UNDEF_PRICE, size=0, order_id=0),
        order("A", 4, 1000, order_id=2, flags=snapshot, ts_recv=dbn.UNDEF_TIMESTAMP),
        order("A", 3, 1001, order_id=3, flags=snapshot | LAST | int(dbn.F_BAD_TS_RECV)),
        order("M", 6, 1002, order_id=4),
        order("C", 1, order_id=5),
        order("A", 1, order_id=6, side=dbn.Side.NONE),
        order("A", 1, order_id=7, price=dbn.UNDEF_PRICE),
        order("A", 1, order_id=8, price=-NANOS_PER_TICK),
        order("A", 1, order_id=9, flags=LAST | int(dbn.F_TOB)),
        order("M", 1, 1001, order_id=3, flags=LAST | int(dbn.F_MAYBE_BAD_BOOK)),
        order("N", order_id=0),
    ]
    result = replayed(written(tmp_path, records), contracts=SPECS)
    assert exact(result)
    assert result.depth == ([(1002, 6), (1001, 1), (1000, 4)], [])
    assert result.ignored == {
        "record of an aggregated level": 1,
        "order without a side, a price or a size": 2,
        "order whose price is not above zero": 1,
        "record marked as of a book that may be bad": 1,
        "REDUCE of an order that never came": 1,
        "RESIZE of an order that never came": 1,
    }


def test_a_tick_that_nobody_names_fits_the_prices(tmp_path: Path) -> None:
    quarter = [order("A", price=4_500_250_000_000), order("A", price=4_500_500_000_000, order_id=8)]
    reader = open_recording(written(tmp_path, quarter))
    assert exact(play(reader)[0])
    assert [spec.tick for spec in reader.contracts] == ["0.0001"]  # type: ignore[attr-defined]
    halves = [order("A", price=110_007_812_500)]
    reader = open_recording(written(tmp_path, halves))
    assert exact(play(reader)[0])
    assert [spec.tick for spec in reader.contracts] == ["0.0000005"]  # type: ignore[attr-defined]


def test_publishers_of_one_instrument_have_books_of_their_own(tmp_path: Path) -> None:
    records = [order("A", 1, publisher_id=38), order("A", 2, publisher_id=39), order("C", 1, publisher_id=39)]
    result = replayed(written(tmp_path, records), contracts=SPECS)
    assert exact(result) and books_of(result) == {"ALPHA": ([(1000, 1)], []), "ALPHA@39": ([(1000, 1)], [])}


def test_more_instruments_than_the_engine_takes_are_to_be_chosen(tmp_path: Path) -> None:
    records = [order("A", instrument_id=1000 + number, order_id=number) for number in range(300)]
    path = written(tmp_path, records)
    with pytest.raises(RecordingError, match=r"more than 256 contracts \(\d+ are named .* name those .* --symbols"):
        replayed(path)
    with pytest.raises(RecordingError, match="more than 256 contracts"):
        list(open_recording(path).batches())
    assert exact(replayed(path, symbols=frozenset(["1299"])))


def test_a_snapshot_is_of_the_time_at_which_it_was_made(tmp_path: Path) -> None:
    made, flags = ROW["time_ns"], int(dbn.F_SNAPSHOT) | int(dbn.F_BAD_TS_RECV) | LAST
    records = [order("A", ts_event=made - 10**12, flags=flags), order("A", order_id=8, ts_recv=dbn.UNDEF_TIMESTAMP)]
    records.append(order("C", 1, ts_event=made + 5, flags=int(dbn.F_BAD_TS_RECV) | LAST))
    [batch, *_] = open_recording(written(tmp_path, records), wanted=Wanted(contracts=SPECS)).batches()
    assert batch.commands["time_ns"].tolist() == [made, made - 500, made + 5]


def test_names_that_no_line_may_hold_are_made_readable(tmp_path: Path) -> None:
    plain = dbn_bytes([order("A", price=1)]).replace(b"ALPHA", b"A\nP\x7fA")
    (tmp_path / "day.dbn").write_bytes(plain)
    with pytest.raises(RecordingError, match=r"--contract A\?P\?A,tick=\.\.\.$"):
        replayed(tmp_path / "day.dbn", contracts=("tick=0.01",))


def test_other_records_are_stepped_over_and_definitions_give_ticks(tmp_path: Path) -> None:
    definition = bytearray(400)
    definition[0:2], definition[4:8] = bytes([100, 0x13]), (100).to_bytes(4, "little")
    definition[24:32] = (250_000_000).to_bytes(8, "little")
    status = bytes([10, 0x12, *bytes(38)])
    path = tmp_path / "all.dbn"
    orders = [bytes(order("A", price=4_500_250_000_000)), bytes(order("C", 2))]
    path.write_bytes(metadata().encode() + bytes(definition) + status + b"".join(orders[:1]) + status + orders[1][:56])
    reader = open_recording(path)
    result, _ = play(reader)
    assert exact(result) and result.depth == ([(18_001, 3)], [])
    assert result.ignored == {"record that is no market by order": 3} and result.messages == 2


# --- on the command line ----------------------------------------------------------------------------------------------


@compiled
def test_the_command_line_shows_each_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lives = drawn(7, 200)
    path = written(tmp_path, MboWriter().records(lives.rows))
    assert lionrock("replay", path, "--contract", "tick=0.01") == 0
    said = capsys.readouterr().out
    for part in ("BETA, GAMMA, ALPHA, databento", "3 contracts", "final depth of BETA", "(100.000 %)"):
        assert part in said
    assert lionrock("replay", path, "--symbols", "BETA,GAMMA", "--from", "2023-11-14T22:13:20.00001", "--json") == 0
    result = last_object(capsys)
    assert set(result["contracts"]) == {"BETA", "GAMMA"}
    assert sum(each["book_rows_equal"] for each in result["contracts"].values()) == result["book_rows_equal"] > 50
    assert lionrock("convert", path, tmp_path / "journal", "--json") == 0
    whole = last_object(capsys)
    assert lionrock("replay", tmp_path / "journal", "--json") == 0
    assert last_object(capsys)["digest"] == whole["digest"]


def test_where_one_contract_is_needed_it_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, MboWriter().records(drawn(8, 100).rows))
    assert lionrock("replay", path, "--accounts", "5") == 2
    assert "--accounts: a databento recording may hold several contracts; name one with" in capsys.readouterr().err
    chosen = ("--symbols", "BETA", "--contract", "tick=0.01,lot=0.01")
    assert lionrock("replay", path, "--accounts", "5", *chosen, "--allow-refused", "--json") == 0
    result = last_object(capsys)
    assert result["contract"] == "BETA" and result["commands"] > 20
    assert lionrock("replay", path, "--accounts", "5", "--symbols", "DELTA") == 2
    assert "--symbols: DELTA is not in the recording; there are: ALPHA, BETA, GAMMA" in capsys.readouterr().err


def test_other_formats_have_no_symbols(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lionrock("replay", "synthetic:1:10", "--symbols", "ABC") == 2
    assert "--symbols: a synthetic recording is read whole; leave it out" in capsys.readouterr().err
    assert lionrock("replay", "synthetic:1:10", "--from", "2026-01-01") == 2
    assert "--from: a synthetic recording is read whole; leave it out" in capsys.readouterr().err


# --- wrong input ------------------------------------------------------------------------------------------------------


def refusals(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Wrong files by name, with what is said of them."""
    plain = dbn_bytes([order("A"), order("C", 2), order("C", 3)])
    start = len(plain) - 3 * 56
    text = csv_bytes(plain)
    header, first, *rest = text.splitlines(keepends=True)
    cells = first.split(b",")

    def patched(at: int, new: bytes, data: bytes = plain) -> bytes:
        return data[:at] + new + data[at + len(new) :]

    def cell(name: str, value: bytes) -> bytes:
        place = header.strip().split(b",").index(name.encode())
        return header + b",".join([*cells[:place], value, *cells[place + 1 :]])

    return {
        "cut.dbn": (plain[:-1], "record: the file ends within it"),
        "cut_meta.dbn": (plain[:100], "metadata: the file ends within its"),
        "version.dbn": (patched(3, b"\x09"), "not a recording that is recognised"),
        "big_meta.dbn": (patched(4, b"\xff\xff\xff\xff"), "metadata: is not that of a DBN file"),
        "torn_meta.dbn": (patched(8, b"\xff" * 200), "metadata: cannot be read"),
        "zero_length.dbn": (patched(start + 56, b"\x00"), "message 2, length: no record is so long"),
        "short.dbn": (patched(start, b"\x03"), "message 1, length: no record is so long"),
        "long_mbo.dbn": (patched(start, b"\x20"), "message 1, length: no record is so long"),
        "action.dbn": (patched(start + 38, b"Z"), "record 1, action: 'Z' is none of A, C, M, R, T, F, N"),
        "text.dbn.zst": (b"not packed", "cannot be opened|damaged"),
        "cut.dbn.zst": (zstandard.compress(plain)[:-9], "damaged|ends"),
        "header.csv": (text.replace(b"order_id,", b"order_id,order_id,", 1), "header: order_id must stand there once"),
        "fields.csv": (header + first.replace(b"\n", b",1\n"), "line 2, line: 16 fields instead of 15"),
        "few.csv": (header + b"1,2\n", "line 2, line: 2 fields instead of 15"),
        "price.csv": (cell("price", b"10.5x"), "line 2, price: '10.5x' is no decimal number"),
        "places.csv": (cell("price", b"1.0000000001"), "line 2, price: .* at most nine places"),
        "size.csv": (cell("size", b"4294967296"), "line 2, size: '4294967296' is no whole number that fits"),
        "minus.csv": (cell("size", b"-1"), "line 2, size: '-1' is no whole number that fits"),
        "flags.csv": (cell("flags", b"256"), "line 2, flags: '256' is no whole number that fits"),
        "time.csv": (cell("ts_event", b"2020-13-01T00:00:00Z"), "line 2, ts_event: .* is no time like"),
        "zone.csv": (cell("ts_recv", b"2020-12-01T00:00:00+05:00"), "line 2, ts_recv: .* is no time like"),
        "letter.csv": (cell("side", b"BID"), "line 2, side: 'BID' is not one letter"),
        "id.csv": (cell("order_id", b"0x7"), "line 2, order_id: '0x7' is no whole number"),
        "long.csv": (header + b"1" * (1 << 21), "line 2, line: is longer than 16,384 bytes"),
        "instrument.csv": (cell("instrument_id", b""), "line 2, instrument_id: '' is no whole number"),
        "rest.csv": (header + first + b"".join(rest)[:-30], "line 4, line: .* fields instead of 15"),
    }


def test_wrong_files_are_told_in_one_line(tmp_path: Path) -> None:
    wrong = refusals(tmp_path)
    assert len(wrong) >= 20
    for name, (content, told) in wrong.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(RecordingError, match=told) as raised:
            replayed(path)
        assert "\n" not in str(raised.value), name


def test_prices_between_two_ticks_or_too_high_name_the_remedy(tmp_path: Path) -> None:
    path = written(tmp_path, [order("A", price=100_015_000_000)])
    with pytest.raises(RecordingError, match=r"record 1, price: 100.015 is no multiple of the tick 0.01; name a finer"):
        replayed(path, contracts=("ALPHA,tick=0.01",))
    with pytest.raises(RecordingError, match=r"price: 100.015 is above 1,073,741,823 ticks of 0.00000001"):
        replayed(path, contracts=("tick=0.00000001",))
    with pytest.raises(RecordingError, match=r"a tick of 0.0000000001 is finer than the format's"):
        replayed(path, contracts=("tick=0.0000000001",))
    assert exact(replayed(path, contracts=("BETA,tick=0.01",)))


def test_bad_records_are_left_out_when_asked(tmp_path: Path) -> None:
    plain = dbn_bytes([order("A"), order("A", order_id=8), order("C", 2)])
    start = len(plain) - 3 * 56
    (tmp_path / "day.dbn").write_bytes(plain[: start + 38] + b"Z" + plain[start + 39 :])
    result, _ = play(open_recording(tmp_path / "day.dbn", skip_bad=True))
    assert result.bad_lines == 1 and result.ignored == {"REDUCE of an order that never came": 1}
    lines = csv_bytes(plain).splitlines(keepends=True)
    (tmp_path / "day.csv").write_bytes(lines[0] + b"x\n" + b"".join(lines[1:]))
    result, _ = play(open_recording(tmp_path / "day.csv", skip_bad=True))
    assert result.bad_lines == 1 and result.depth[0][0][1] == 8


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, [order("A")])
    monkeypatch.setitem(__import__("sys").modules, "databento_dbn", None)
    with pytest.raises(RecordingError, match=r"DBN needs databento-dbn: pip install 'lionrock\[databento\]'"):
        replayed(path)


# --- mutations --------------------------------------------------------------------------------------------------------


def mutation_bases() -> dict[str, bytes]:
    """Small files of both forms with every action."""
    records = MboWriter("reduce").records(drawn(9, 40).rows)
    plain = dbn_bytes([*records, order("N", order_id=0), order("R", order_id=0)])
    return {"day.dbn": plain, "day.csv": csv_bytes(plain), "raw.csv": csv_bytes(plain, False, False)}


def read_mutated(folder: Path, name: str, base: bytes, seed: int) -> str:
    """What reading a mutated file comes to: a count of commands, or the line that refuses it."""
    chance = Random(seed)
    data = mutated(base, chance)
    while chance.random() < 0.5:
        data = mutated(data, chance)
    path = folder / name
    path.write_bytes(data)
    try:
        reader = open_recording(path, "databento", skip_bad=chance.random() < 0.5)
        return str(sum(len(batch.commands) for batch in reader.batches()))
    except RecordingError as error:
        text = str(error)
        assert "\n" not in text and name in text and len(text) < 1000, (seed, text)
        return text


@compiled
def test_mutated_files_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    came_to = {
        name: [read_mutated(tmp_path, name, base, seed) for seed in range(90)]
        for name, base in mutation_bases().items()
    }
    for name, said in came_to.items():
        refused = [text for text in said if not text.isdecimal()]
        assert 5 < len(refused) < 85, name


if __name__ == "__main__":  # python -m tests.recordings.test_databento FIRST END FOLDER: mutations by hand
    first, end, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    bases = mutation_bases()
    refused = 0
    for seed in range(first, end):
        name = list(bases)[seed % len(bases)]
        refused += not read_mutated(folder, name, bases[name], seed).isdecimal()
    print(f"{end - first:,} mutated files: {refused:,} refused, the others read")
