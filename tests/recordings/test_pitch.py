"""PITCH: every fact of a seeded day comes out as it went in, at any cut of the bytes; wrong lines are named."""

import random
from pathlib import Path

import numpy as np
import pytest

from engine.recordings import byte_blocks, exchange_day, id_table, pitch
from engine.recordings.batches import Wanted
from engine.recordings.order_lives import LIFE, LifeAction
from engine.recordings.pitch import PitchDecoder
from engine.recordings.source import BadLineError, RecordingError, Source
from tests.recordings.pitch_writer import base_36, facts_in_pitch, file_of, line
from tests.recordings.small_exchange import Fact, SmallExchange

SYMBOLS = ("SPY", "ZVZZT", "BRK.B")
MIDNIGHT_NS = 1_325_826_000_000_000_000
"""6 January 2012, 00:00 in New York."""
ACTIONS = {"add": LifeAction.ADD, "execute": LifeAction.EXECUTE, "reduce": LifeAction.REDUCE, "trade": LifeAction.TRADE}
ADDED = Fact("add", 28_800_011_000_000, "SPY", 5, 1, 1_425_300, 100)


def facts_of(seed: int, steps: int) -> list[Fact]:
    return [fact for step in SmallExchange(seed, SYMBOLS).day(steps) for fact in step]


def write(folder: Path, content: bytes, name: str = "pitch_20120106.txt") -> Source:
    (folder / name).write_bytes(content)
    return Source(folder / name)


def decoded(decoder: PitchDecoder) -> np.ndarray:
    return np.concatenate([block.rows for block in decoder.blocks()] or [np.zeros(0, LIFE)])


def plain(rows: np.ndarray) -> list[tuple[int, ...]]:
    return [row[:10] for row in rows.tolist()]


def expected(facts: list[Fact], symbols: list[str]) -> list[tuple[int, ...]]:
    rows: list[tuple[int, ...]] = []
    for number, fact in enumerate(facts_in_pitch(facts), 1):
        if fact.symbol in symbols:
            time_ns = MIDNIGHT_NS + fact.time_ns // 1_000_000 * 1_000_000
            order_id = 0 if fact.kind == "trade" else fact.order_id
            price = fact.price if fact.kind in ("add", "trade") else 0
            side = fact.side if fact.kind == "add" else 0
            contract = symbols.index(fact.symbol)
            rows.append((time_ns, order_id, 0, price, fact.size, number, contract, int(ACTIONS[fact.kind]), side, 2))
    return rows


def seen(facts: list[Fact]) -> list[str]:
    return list(dict.fromkeys(fact.symbol for fact in facts))


@pytest.mark.parametrize(("prefix", "end"), [("S", "\n"), ("", "\r\n")])
def test_every_fact_of_a_day_becomes_a_row_of_its_own(prefix: str, end: str, tmp_path: Path) -> None:
    facts = facts_of(1, 800)
    content = file_of(facts, prefix, end)
    assert pitch.is_pitch(content[:4096])
    decoder = PitchDecoder(write(tmp_path, content))
    assert plain(decoded(decoder)) == expected(facts, seen(facts))
    assert [spec.name for spec in decoder.contracts] == seen(facts) and decoder.ignored == {}
    assert {fact.kind for fact in facts_in_pitch(facts)} == set(ACTIONS)


def test_where_the_bytes_are_cut_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, file_of(facts_of(2, 60)).removesuffix(b"\n"))
    whole = plain(decoded(PitchDecoder(source)))
    assert whole == expected(facts_of(2, 60), seen(facts_of(2, 60)))
    for size in (1, 7, 64):
        monkeypatch.setattr(byte_blocks, "READ_BYTES", size)
        assert plain(decoded(PitchDecoder(source))) == whole
    monkeypatch.setattr(exchange_day, "BLOCK_ROWS", 5)
    blocks = list(PitchDecoder(source).blocks())
    assert plain(np.concatenate([block.rows for block in blocks])) == whole


def test_only_the_symbols_that_are_wanted(tmp_path: Path) -> None:
    facts = facts_of(3, 300)
    decoder = PitchDecoder(write(tmp_path, file_of(facts)), Wanted(frozenset(["BRK.B"])))
    assert plain(decoded(decoder)) == expected(facts, ["BRK.B"])
    left_out = sum(fact.symbol != "BRK.B" for fact in facts_in_pitch(facts))
    assert decoder.ignored == {"line of a symbol or an order that is left out": left_out}


def test_lines_that_a_venue_published(tmp_path: Path) -> None:
    """The examples of the public sample day, with the figures that they say."""
    lines = (
        "S28800011AAK27GA0000DTS000100SH    0000619200Y",
        "S28800168X1K27GA00000Y000100",
        "S28803240P4K27GA00004PB000200DXA   0000499600000N4AQ00003",
        "S28843493EAK27GA0000DT00010000004AQ00005",
    )
    decoder = PitchDecoder(write(tmp_path, "\n".join(lines).encode(), "day.txt"))
    rows = decoded(decoder)
    assert rows["action"].tolist() == [LifeAction.ADD, LifeAction.TRADE, LifeAction.EXECUTE]
    assert rows["time_ns"].tolist() == [28_800_011_000_000, 28_803_240_000_000, 28_843_493_000_000]
    assert rows["order_id"].tolist() == [int("AK27GA0000DT", 36), 0, int("AK27GA0000DT", 36)]
    assert rows["price_ticks"].tolist() == [619_200, 499_600, 0]
    assert [spec.name for spec in decoder.contracts] == ["SH", "DXA"]
    assert decoder.ignored == {"line about an order that was never added": 1}


def test_lines_that_change_no_book_and_those_that_clear_one(tmp_path: Path) -> None:
    quiet = ["28800011B00004AQ00005", "28800011HSPY     T0XY", "28800011ISPY     O" + "0" * 40]
    quiet += ["28800011JSPY     O" + "0" * 20, "28800011RSPY     B", "", "28800011sQQQ     "]
    orders = [line(ADDED), line(ADDED._replace(order_id=6, symbol="QQQ"))]
    after = [line(ADDED._replace(kind="clear")), line(ADDED._replace(kind="reduce")), line(ADDED._replace(order_id=7))]
    later = ["28800011Zsomething of a later version", line(ADDED._replace(kind="execute", order_id=6))]
    text = "\n".join([*quiet, *orders, *after, *later])
    decoder = PitchDecoder(write(tmp_path, text.encode()))
    rows = decoded(decoder)
    actions = [LifeAction.ADD, LifeAction.ADD, LifeAction.CLEAR, LifeAction.ADD, LifeAction.EXECUTE]
    assert rows["action"].tolist() == actions
    assert rows["contract"].tolist() == [0, 1, 0, 0, 1]
    assert decoder.ignored == {"line of an unknown type": 1, "line about an order that was never added": 1}


def test_prices_beyond_the_ticks(tmp_path: Path) -> None:
    stub = ADDED._replace(order_id=6, price=1_999_999_900)
    between = ADDED._replace(kind="trade", price=1_425_350)
    text = "\n".join(line(each) for each in (ADDED, stub, stub._replace(kind="reduce"), between))
    source = write(tmp_path, text.encode())
    decoder = PitchDecoder(source)
    assert decoded(decoder)["order_id"].tolist() == [5, 0]
    assert decoder.ignored == {"order above 2^30 ticks": 1, "line of a symbol or an order that is left out": 1}
    decoder = PitchDecoder(source, Wanted(contracts=("tick=0.01",)))
    assert decoded(decoder)["price_ticks"].tolist() == [14_253, 19_999_999, 0]
    assert decoder.ignored == {"trade between two ticks": 1}


def test_more_symbols_than_contracts(tmp_path: Path) -> None:
    orders = [ADDED._replace(symbol=f"S{number}", order_id=number) for number in range(5000)]
    source = write(tmp_path, "\n".join(map(line, orders)).encode())
    with pytest.raises(RecordingError, match=r"more than 256 contracts .* name .* --symbols, such as S0,S256"):
        decoded(PitchDecoder(source))
    assert len(decoded(PitchDecoder(source, Wanted(frozenset(["S4999"]))))) == 1


def test_the_table_of_open_orders_is_a_dictionary() -> None:
    """Thousands of ids in and out, grown on the way, against Python's own."""
    dice, table, kept = random.Random(1), id_table.new_table(64), dict[int, int]()
    for step in range(6000):
        key = dice.choice((dice.randrange(1, 400), dice.getrandbits(62)))
        place = id_table.find(table, key)
        assert (table[place, 1] == id_table.EMPTY) == (key not in kept)
        if key in kept and dice.random() < 0.7:
            id_table.remove(table, place)
            del kept[key]
        else:
            table[place], kept[key] = (key, step, 0), step
        if 2 * len(kept) >= len(table):
            table = id_table.rebuilt(table, table[:, 1] != id_table.EMPTY)
    used = table[table[:, 1] != id_table.EMPTY]
    assert dict(used[:, :2].tolist()) == kept
    assert all(table[id_table.find(table, key), 1] == value for key, value in kept.items())


A, E, X = line(ADDED), line(ADDED._replace(kind="execute")), line(ADDED._replace(kind="reduce"))
P, LONG = line(ADDED._replace(kind="trade")), line(ADDED, True)
WRONG = {
    "no time": (A[8:], "time: 'A00000000000' is|time: 'A0000000' is not milliseconds"),
    "too short for a time": ("28800", "time: '28800' is not milliseconds within a day"),
    "a time with a letter": ("2880O011" + A[8:], "time: '2880O011'"),
    "a time beyond the day": ("86400000" + A[8:], "time: '86400000'"),
    "text": ("this is no recording", "time: 'this is '"),
    "an order cut short": (A[:40], "line: 40 characters instead of the 45 of type 'A'"),
    "a long order cut short": (LONG[:45], "line: 45 characters instead of the 47 of type 'd'"),
    "an execution cut short": (E[:30], "line: 30 characters instead of the 39 of type 'E'"),
    "a cancellation cut short": (X[:20], "line: 20 characters instead of the 27 of type 'X'"),
    "a trade cut short": (P[:50], "line: 50 characters instead of the 56 of type 'P'"),
    "an id in small letters": (A[:9] + "abcdefghijkl" + A[21:], "order id: 'abcdefghijkl'"),
    "an id with a space": (X[:9] + "0000000000 1" + X[21:], "order id: '0000000000 1'"),
    "a side that is none": (A[:21] + "X" + A[22:], "side: 'X' is neither B nor S"),
    "a trade's side that is none": (P[:21] + "1" + P[22:], "side: '1' is neither B nor S"),
    "an order of nothing": (A[:22] + "000000" + A[28:], "shares: '000000' is no number above 0"),
    "shares with a sign": (A[:22] + "-00100" + A[28:], "shares: '-00100'"),
    "an execution of nothing": (E[:21] + "000000" + E[27:], "shares: '000000'"),
    "a cancellation of words": (X[:21] + "all of", "shares: 'all of'"),
    "an order without a price": (A[:34] + "0000000000" + A[44:], "price: '0000000000'"),
    "a price with a point": (A[:34] + "00142.5300" + A[44:], "price: '00142.5300'"),
    "a long order's price": (LONG[:36] + "     14253" + LONG[46:], "price: '     14253'"),
    "a line without an end": ("28800011" + "x" * 9000, "line: has no end within 4096 bytes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_lines_are_one_line_that_names_where(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_blocks, "READ_BYTES", 2048)
    text, pattern = WRONG[case]
    source = write(tmp_path, f"{line(ADDED._replace(order_id=1))}\nS{text}".encode())
    blocks = PitchDecoder(source).blocks()
    assert next(blocks).rows["order_id"].tolist() == [1]
    with pytest.raises(BadLineError, match=pattern) as failure:
        next(blocks)
    assert str(failure.value).startswith("pitch_20120106.txt, line 2, ") and len(str(failure.value)) < 200
    if "without an end" not in case:
        decoder = PitchDecoder(source, skip_bad=True)
        assert len(decoded(decoder)) == 1 and decoder.bad == 1


def test_a_price_between_ticks(tmp_path: Path) -> None:
    source = write(tmp_path, line(ADDED._replace(price=1_425_350)).encode())
    with pytest.raises(BadLineError, match="line 1, price: '0001425350' ten-thousandths are no multiple of the tick"):
        decoded(PitchDecoder(source, Wanted(contracts=("tick=0.01",))))


def test_mutated_lines_never_raise_anything_else(tmp_path: Path) -> None:
    assert mutate(tmp_path, file_of(facts_of(5, 40)), range(150)) > 40


def mutate(folder: Path, content: bytes, seeds: range) -> int:
    """Decode mutated files; how many of them were refused."""
    refused = 0
    for seed in seeds:
        dice, spoilt = random.Random(seed), bytearray(content)
        for _ in range(dice.randint(1, 8)):
            at = dice.randrange(len(spoilt))
            spoilt[at : at + dice.choice((0, 1, 1, 1, 2, 30))] = dice.randbytes(dice.choice((0, 1, 1, 1, 2)))
        decoder = PitchDecoder(write(folder, bytes(spoilt)), skip_bad=bool(seed & 1))
        try:
            rows = decoded(decoder)
        except RecordingError as error:
            refused += 1
            assert len(str(error)) < 250 and "\n" not in str(error)
        else:
            assert len(rows) <= len(spoilt) // 20
            assert (rows["contract"] < max(1, len(decoder.contracts))).all()
    return refused


def test_recognised_by_its_first_line() -> None:
    assert pitch.is_pitch(b"S28800011AAK27GA0000DTS000100SH    0000619200Y\nmore")
    assert base_36(int("AK27GA0000DT", 36)) == "AK27GA0000DT"
    for other in (b"", b"34200.017,1,16113575,18,5853300,1\n", b"1430438400123 order_created {}\n", b"S28800011A\n"):
        assert not pitch.is_pitch(other)
