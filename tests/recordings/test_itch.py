"""NASDAQ ITCH 5.0: every fact of a seeded day comes out as it went in, at any cut of the bytes."""

import gzip
import random
import struct
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from engine.recordings import byte_blocks, exchange_day, itch
from engine.recordings.batches import Wanted
from engine.recordings.itch import ItchDecoder
from engine.recordings.lives_reader import LivesReader
from engine.recordings.order_lives import LIFE, LifeAction
from engine.recordings.source import BadBytesError, RecordingError, Source
from tests.recordings.itch_writer import directory, file_of, framed, head, message
from tests.recordings.small_exchange import Fact, SmallExchange

SYMBOLS = ("AAPL", "MSFT", "ZVZZT")
ACTIONS = {
    "add": LifeAction.ADD,
    "execute": LifeAction.EXECUTE,
    "cut": LifeAction.REDUCE,
    "reduce": LifeAction.REDUCE,
    "delete": LifeAction.DELETE,
    "replace": LifeAction.REPLACE,
    "trade": LifeAction.TRADE,
}
ADDED = Fact("add", 34_200_000_000_000, "AAPL", 5, 1, 1_000_000, 100)
MIDNIGHT_NS = 1_580_360_400_000_000_000
"""30 January 2020, 00:00 in New York."""


def facts_of(seed: int, steps: int, symbols: tuple[str, ...] = SYMBOLS) -> list[Fact]:
    return [fact for step in SmallExchange(seed, symbols).day(steps) for fact in step]


def write(folder: Path, content: bytes, name: str = "01302020.NASDAQ_ITCH50") -> Source:
    (folder / name).write_bytes(content)
    return Source(folder / name)


def decoded(decoder: ItchDecoder) -> np.ndarray:
    return np.concatenate([block.rows for block in decoder.blocks()] or [np.zeros(0, LIFE)])


def only(*symbols: str) -> Wanted:
    return Wanted(frozenset(symbols))


def plain(rows: np.ndarray) -> list[tuple[int, ...]]:
    return [row[:10] for row in rows.tolist()]


def expected(facts: list[Fact], symbols: tuple[str, ...], first_message: int) -> list[tuple[int, ...]]:
    rows: list[tuple[int, ...]] = []
    for number, fact in enumerate(facts, first_message):
        if fact.symbol not in symbols:
            continue
        is_priced, is_sized = fact.kind in ("add", "replace", "trade"), fact.kind != "delete"
        price, size = fact.price if is_priced else 0, fact.size if is_sized else 0
        side = fact.side if fact.kind == "add" else 0
        ids, contract = (fact.order_id, fact.new_id), symbols.index(fact.symbol)
        rows.append((MIDNIGHT_NS + fact.time_ns, *ids, price, size, number, contract, int(ACTIONS[fact.kind]), side, 2))
    return rows


def seen(facts: list[Fact]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fact.symbol for fact in facts if fact.kind == "add"))


def test_every_fact_of_a_day_becomes_a_row_of_its_own(tmp_path: Path) -> None:
    facts = facts_of(1, 1500)
    decoder = ItchDecoder(write(tmp_path, file_of(facts, SYMBOLS)))
    assert plain(decoded(decoder)) == expected(facts, seen(facts), 5)
    assert [spec.name for spec in decoder.contracts] == list(seen(facts))
    assert {spec.tick for spec in decoder.contracts} == {"0.0001"} and decoder.ignored == {}
    assert {fact.kind for fact in facts} == set(ACTIONS)


def test_where_the_bytes_are_cut_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = facts_of(2, 60)
    source = write(tmp_path, file_of(facts, SYMBOLS))
    whole = decoded(ItchDecoder(source))
    for size in (1, 3, 64):
        monkeypatch.setattr(byte_blocks, "READ_BYTES", size)
        assert plain(decoded(ItchDecoder(source))) == plain(whole)
    monkeypatch.setattr(exchange_day, "BLOCK_ROWS", 7)
    blocks = list(ItchDecoder(source).blocks())
    assert plain(np.concatenate([block.rows for block in blocks])) == plain(whole)
    assert max(len(block.rows) for block in blocks) == 7
    assert [block.read for block in blocks] == sorted(block.read for block in blocks)
    assert blocks[-1].read == len(facts) + 4


def test_only_the_symbols_that_are_wanted(tmp_path: Path) -> None:
    facts = facts_of(3, 300)
    packed = gzip.compress(file_of(facts, SYMBOLS))
    decoder = ItchDecoder(write(tmp_path, packed, "01302020.NASDAQ_ITCH50.gz"), only("ZVZZT", "AAPL"))
    assert plain(decoded(decoder)) == expected(facts, ("AAPL", "ZVZZT"), 5)
    left_out = sum(fact.symbol == "MSFT" for fact in facts)
    assert decoder.ignored == {"message of a symbol that is not wanted": left_out}


def test_a_wanted_symbol_that_is_not_there_is_said(tmp_path: Path) -> None:
    source = write(tmp_path, file_of(facts_of(3, 30), SYMBOLS))
    there = "there are: AAPL, MSFT, ZVZZT$"
    with pytest.raises(RecordingError, match=f"--symbols: APPL is not in the recording; {there}"):
        list(LivesReader(ItchDecoder(source, only("APPL")), wanted=only("APPL")).batches())


def test_an_unlisted_symbol_is_refused_when_the_market_opens(tmp_path: Path) -> None:
    """In front of anything that follows; a file without its beginning is read to its end, for orders name symbols."""
    opens, damage = framed(head(b"S", 0, 3) + b"Q"), b"\x00\x09damage"
    with pytest.raises(RecordingError, match=r"--symbols: APPL is not in .*; there are: AAPL, MSFT$"):
        decoded(ItchDecoder(write(tmp_path, directory(["AAPL", "MSFT"]) + opens + damage), only("APPL", "MSFT")))
    decoder = ItchDecoder(write(tmp_path, opens + framed(message(ADDED, 1))), only("AAPL"))
    assert decoded(decoder)["order_id"].tolist() == [5]


def test_more_symbols_than_contracts(tmp_path: Path) -> None:
    symbols = tuple(f"S{number}" for number in range(300))
    orders = [ADDED._replace(symbol=name, order_id=number) for number, name in enumerate(symbols, 1)]
    source = write(tmp_path, file_of(orders, symbols))
    with pytest.raises(RecordingError, match=r"more than 256 contracts \(300 are named .* name those .* --symbols"):
        decoded(ItchDecoder(source))
    assert len(decoded(ItchDecoder(source, only("S299")))) == 1


def test_a_file_without_its_beginning(tmp_path: Path) -> None:
    """Orders name the symbol themselves; what is about orders that were added before the cut is counted."""
    early = message(ADDED._replace(kind="delete", order_id=1), 9)
    source = write(tmp_path, framed(early, message(ADDED, 9), message(ADDED._replace(kind="delete"), 9)))
    decoder = ItchDecoder(source)
    assert decoded(decoder)["action"].tolist() == [LifeAction.ADD, LifeAction.DELETE]
    assert decoder.contracts[0].name == "AAPL"
    assert decoder.ignored == {"message of a symbol without an order so far": 1}


def test_messages_that_change_no_book(tmp_path: Path) -> None:
    quiet = [
        head(kind.encode(), 1, 5) + bytes(itch.LENGTH_OF[kind] - 11)
        for kind in itch.LENGTH_OF
        if kind not in "AFECXDUPQR"
    ]
    unknown = head(b"z", 1, 5) + b"what a later version brings"
    printed = bytearray(message(ADDED._replace(kind="cut", size=1), 1))
    printed[31] = ord("Y")
    crosses = [message(ADDED._replace(kind="cross", size=size), 1) for size in (0, 5_000_000_000)]
    added = message(ADDED, 1)
    decoder = ItchDecoder(
        write(tmp_path, directory(["AAPL"]) + framed(added, *quiet, unknown, bytes(printed), *crosses))
    )
    rows = decoded(decoder)
    assert rows["action"].tolist() == [LifeAction.ADD, LifeAction.EXECUTE, LifeAction.TRADE]
    assert rows["message"].tolist() == [3, len(quiet) + 5, len(quiet) + 7]
    assert rows["size_lots"][2] == 5_000_000_000
    assert decoder.ignored == {"message of an unknown type": 1}


def test_stub_quotes_and_coarser_ticks(tmp_path: Path) -> None:
    """An order above 2^30 ticks is left out; replaced by one, it goes. A coarser tick holds both."""
    stub = ADDED._replace(price=1_999_999_900, order_id=6)
    stubbed = ADDED._replace(kind="replace", new_id=7, price=1_999_999_900)
    between = ADDED._replace(kind="trade", price=1_000_050)
    messages = [message(each, 1) for each in (ADDED, stub, stubbed, between)]
    source = write(tmp_path, directory(["AAPL"]) + framed(*messages))
    decoder = ItchDecoder(source)
    assert decoded(decoder)["action"].tolist() == [LifeAction.ADD, LifeAction.DELETE, LifeAction.TRADE]
    assert decoder.ignored == {"order above 2^30 ticks": 2}
    decoder = ItchDecoder(source, Wanted(contracts=("tick=0.01",)))
    assert decoded(decoder)["price_ticks"].tolist() == [10_000, 19_999_999, 19_999_999]
    assert decoder.ignored == {"trade between two ticks": 1}


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("01302020.NASDAQ_ITCH50", date(2020, 1, 30)),
        ("S013020-v50.txt", date(2020, 1, 30)),
        ("20190530.BX_ITCH_50", date(2019, 5, 30)),
        ("nasdaq_2020-01-30.itch.gz", date(2020, 1, 30)),
        ("binance_incremental_book_L2_2020-01-30_1INCH20231114.csv.gz", date(2020, 1, 30)),
        ("lionrock-20261130.mbo.dbn.zst", date(2026, 11, 30)),
        ("pitch_example_data_20120106.xz", date(2012, 1, 6)),
        ("2020-13-01.itch", None),
        ("bx-itch-2019.bin", None),
        ("13452020.NASDAQ_ITCH50", None),
    ],
)
def test_the_day_is_in_the_files_name(name: str, day: date | None) -> None:
    assert byte_blocks.date_of(name) == day


def test_recognised_by_its_first_messages() -> None:
    content = file_of(facts_of(1, 20), SYMBOLS)
    assert itch.is_itch(content[:4096]) and itch.is_itch(content[:20])
    pitch = b"S28800011AAK27GA0000DTS000100SH    0000619200Y\n"
    for other in (b"", b"\x00", b"100_WBEM" + bytes(90), pitch, bytes(64)):
        assert not itch.is_itch(other)


A = message(ADDED, 1)
WRONG = {
    "no length at all": (framed(A)[:1], "length: 0, but the file ends 0 bytes after it"),
    "half a length": (framed(A) + b"\x00", "message 5, length: 0, but the file ends 0 bytes"),
    "cut within a message": (framed(A)[:-5], "length: 36, but the file ends 31 bytes after it"),
    "cut after its length": (framed(A)[:2], "length: 36, but the file ends 0 bytes after it"),
    "an end in the middle": (b"\x00\x00" + framed(A), "length: is 0, which ends a file, but bytes follow"),
    "an order that is too short": (framed(A[:-1]), "length: 35 is not the 36 of type 'A'"),
    "an order that is too long": (framed(A + b"x"), "length: 37 is not the 36 of type 'A'"),
    "a deletion that is too short": (framed(head(b"D", 1, 5)), "length: 11 is not the 19 of type 'D'"),
    "a quiet message of another length": (framed(head(b"H", 1, 5)), "length: 11 is not the 25 of type 'H'"),
    "a directory of another length": (framed(head(b"R", 1, 5)), "length: 11 is not the 39 of type 'R'"),
    "a length beyond the file": (b"\xff\xff" + A, "length: 65535, but the file ends 36 bytes after it"),
    "a side that is none": (framed(A[:19] + b"X" + A[20:]), "side: 'X' is neither 'B' nor 'S'"),
    "a side of no letter": (framed(A[:19] + b"\x00" + A[20:]), r"side: '\\x00' is neither"),
    "an order of nothing": (framed(A[:20] + bytes(4) + A[24:]), "shares: are 0 in a message of type 'A'"),
    "an order without a price": (framed(A[:32] + bytes(4)), "price: is 0 in a message of type 'A'"),
    "a time beyond the day": (framed(A[:5] + b"\xff" * 6 + A[11:]), "time: is not within a day"),
    "a day and a nanosecond": (framed(A[:5] + (86_400 * 10**9).to_bytes(6, "big") + A[11:]), "time: is not within"),
    "an execution of nothing": (framed(message(ADDED._replace(kind="execute", size=0), 1)), "shares: .* type 'E'"),
    "a cancellation of nothing": (framed(message(ADDED._replace(kind="reduce", size=0), 1)), "shares: .* type 'X'"),
    "a replacement by nothing": (framed(message(ADDED._replace(kind="replace", size=0), 1)), "shares: .* type 'U'"),
    "a replacement without a price": (framed(message(ADDED._replace(kind="replace", price=0), 1)), "price: is 0"),
    "an attributed order of nothing": (framed(message(ADDED._replace(size=0), 1, True)), "shares: .* type 'F'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_bytes_are_one_line_that_names_where(case: str, tmp_path: Path) -> None:
    content, pattern = WRONG[case]
    begun = directory(["AAPL"]) + framed(message(ADDED._replace(order_id=1), 1))
    decoder = ItchDecoder(write(tmp_path, begun + content))
    rows = []
    with pytest.raises(BadBytesError, match=pattern) as failure:
        rows += [row for block in decoder.blocks() for row in block.rows.tolist()]
    text = str(failure.value)
    assert text.startswith("01302020.NASDAQ_ITCH50, byte ") and "\n" not in text and len(text) < 200
    if "half" not in case and "middle" not in case:
        assert f"byte {len(begun):,}, message 4, " in text


def test_what_stands_before_the_damage_comes_first(tmp_path: Path) -> None:
    begun = directory(["AAPL"]) + framed(A, A[:19] + b"X" + A[20:], message(ADDED._replace(order_id=9), 1))
    blocks = ItchDecoder(write(tmp_path, begun)).blocks()
    assert next(blocks).rows["order_id"].tolist() == [5]
    with pytest.raises(BadBytesError, match="side"):
        next(blocks)
    decoder = ItchDecoder(write(tmp_path, begun), skip_bad=True)
    assert decoded(decoder)["order_id"].tolist() == [5, 9] and decoder.bad == 1


def test_damaged_packing_names_the_byte(tmp_path: Path) -> None:
    packed = gzip.compress(file_of(facts_of(4, 50), SYMBOLS))
    with pytest.raises(RecordingError, match="damaged after byte"):
        decoded(ItchDecoder(write(tmp_path, packed[:-40], "day.gz")))


def test_a_tick_that_does_not_fit(tmp_path: Path) -> None:
    source = write(tmp_path, directory(["AAPL"]) + framed(message(ADDED._replace(price=1_000_050), 1)))
    for tick, pattern in (("0.01", "100.0050 is no multiple of the tick 0.0100"), ("0.00003", "of the format")):
        decoder = ItchDecoder(source, Wanted(contracts=(f"AAPL,tick={tick}",)))
        with pytest.raises(RecordingError, match=pattern):
            decoded(decoder)


def test_mutated_bytes_never_raise_anything_else(tmp_path: Path) -> None:
    content = file_of(facts_of(5, 40), SYMBOLS)
    assert mutate(tmp_path, content, range(150)) > 40


def mutate(folder: Path, content: bytes, seeds: range) -> int:
    """Decode mutated files; how many of them were refused."""
    refused = 0
    for seed in seeds:
        dice, spoilt = random.Random(seed), bytearray(content)
        for _ in range(dice.randint(1, 8)):
            at = dice.randrange(len(spoilt))
            spoilt[at : at + dice.choice((0, 1, 1, 1, 2, 30))] = dice.randbytes(dice.choice((0, 1, 1, 1, 2)))
        decoder = ItchDecoder(write(folder, bytes(spoilt)), skip_bad=bool(seed & 1))
        try:
            rows = decoded(decoder)
        except RecordingError as error:
            refused += 1
            assert len(str(error)) < 250 and "\n" not in str(error)
        else:
            assert len(rows) <= len(spoilt) // 20
            assert (rows["contract"] < max(1, len(decoder.contracts))).all()
    return refused


def test_the_length_table_is_of_the_specification() -> None:
    assert len(itch.LENGTH_OF) == 23
    assert struct.unpack(">H", directory(["A"])[14:16])[0] == itch.LENGTH_OF["R"]
