"""Decimals: one grammar, exact in both directions, bounded."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.units import MAX_LOTS, MAX_TICKS
from gateway.wire.decimals import (
    Contract,
    Unit,
    decimal_text,
    micros_text,
    parse_client_id,
    parse_decimal,
    parse_integer,
    parse_micros,
    ratio_text,
)
from gateway.wire.errors import ErrorCode, Refusal


def contract(tick="0.5", lot="0.0001"):
    return Contract(0, "BTC_USDC-PERPETUAL", "BTC", "USDC", Unit.parse(tick), Unit.parse(lot))


@pytest.mark.parametrize(
    "raw, value",
    [
        (b"0", (0, 0)),
        (b"1", (1, 0)),
        (b'"1"', (1, 0)),
        (b"0.5", (5, -1)),
        (b"1e-05", (1, -5)),
        (b"1E+2", (1, 2)),
        (b"1.5e3", (15, 2)),
        (b"999999999999999999.999999999999", (999999999999999999999999999999, -12)),
    ],
)
def test_grammar_reads(raw, value):
    assert parse_decimal(raw, "amount") == value


@pytest.mark.parametrize(
    "raw",
    [
        b"", b'""', b"-1", b'"-0.5"', b"+1", b".5", b"1.", b"1e", b"1e100", b"NaN", b'"NaN"', b"Infinity", b'"inf"',
        b"1_000", b"1,5", b"0x10", b" 1", b'" 1"', b"1 ", "\u0661".encode(), "\uff11".encode(), b"1" * 19,
        b"0." + b"1" * 30, b"null", b"true", b"[1]", b"{}", b'"', b"1\n", b'"1\\u0030"', b"\xff", b"1e+-2", b"--1",
    ],
)  # fmt: skip
def test_grammar_refuses(raw):
    with pytest.raises(Refusal) as caught:
        parse_decimal(raw, "amount")
    assert caught.value.code == ErrorCode.INVALID_PARAMS
    assert caught.value.param == "amount"
    assert "\n" not in caught.value.reason


@given(st.integers(0, 10**18 - 1), st.integers(0, 10**12 - 1), st.integers(-20, 20))
def test_grammar_agrees_with_exact_fractions(whole, fraction, power):
    text = f"{whole}.{fraction:012d}e{power}"
    mantissa, exponent = parse_decimal(text.encode(), "x")
    assert Fraction(mantissa) * Fraction(10) ** exponent == Fraction(text)


@given(st.integers(-(10**20), 10**20), st.integers(-12, 6))
def test_text_is_exact_and_plain(mantissa, exponent):
    text = decimal_text(mantissa, exponent)
    assert Fraction(text) == Fraction(mantissa) * Fraction(10) ** exponent
    assert "E" not in text and "e" not in text
    assert "." not in text or not text.endswith("0")


@given(st.integers(1, MAX_TICKS), st.sampled_from(["0.5", "0.01", "1", "5", "0.25"]))
def test_price_there_and_back(ticks, tick):
    btc = contract(tick=tick, lot="0.01")
    assert btc.price_ticks(btc.price_text(ticks)) == ticks


@given(st.integers(0, MAX_LOTS))
def test_amount_there_and_back(lots):
    assert contract().amount_lots(contract().amount_text(lots)) == lots


@pytest.mark.parametrize(
    "raw, code, word",
    [
        (b"0.25", ErrorCode.PRICE_WRONG_TICK, "BAD_TICK"),
        (b"0", ErrorCode.PRICE_WRONG_TICK, "BAD_TICK"),
        (b"0.000000000001", ErrorCode.PRICE_WRONG_TICK, "BAD_TICK"),
        (b"999999999999999999e99", ErrorCode.PRICE_TOO_HIGH, "PRICE_OUT_OF_BAND"),
        (b"1e-99", ErrorCode.PRICE_WRONG_TICK, "BAD_TICK"),
    ],
)
def test_prices_that_are_no_prices(raw, code, word):
    with pytest.raises(Refusal, match=word) as caught:
        contract().price_ticks(raw)
    assert (caught.value.code, caught.value.param) == (code, "price")


@pytest.mark.parametrize("raw, word", [(b"0.00005", "BAD_LOT"), (b"1e99", "QTY_TOO_LARGE")])
def test_amounts_that_are_no_amounts(raw, word):
    with pytest.raises(Refusal, match=word) as caught:
        contract().amount_lots(raw)
    assert caught.value.code == ErrorCode.INVALID_ARGUMENTS


def test_scaled_zero_is_zero():
    assert contract().amount_lots(b"0e-99") == 0


def test_micros_and_ratios():
    assert parse_micros(b"1000.000001", "amount") == 1_000_000_001
    assert micros_text(-1_500_000) == "-1.5"
    assert ratio_text(1, 3, 4) == "0.3333"
    assert ratio_text(1, 0, 4) == "0"
    with pytest.raises(Refusal, match="6 decimals"):
        parse_micros(b"0.0000001", "amount")


def test_whole_numbers_in_bounds():
    assert parse_integer(b'"10"', "count", 1, 100) == 10
    assert parse_integer(b"1e2", "count", 1, 100) == 100
    for raw in (b"0", b"101", b"1.5"):
        with pytest.raises(Refusal, match="from 1 to 100"):
            parse_integer(raw, "count", 1, 100)


def test_client_ids_are_int64():
    assert parse_client_id(b"9223372036854775807", "cl_ord_id") == 2**63 - 1
    for raw in (b"0", b"9223372036854775808", b"1.0", b"-1", b'"a"', b""):
        with pytest.raises(Refusal, match="cl_ord_id"):
            parse_client_id(raw, "cl_ord_id")


def test_contract_units_must_give_whole_micros():
    assert contract().micros_per_tick_lot == 50
    with pytest.raises(ValueError, match="whole number of micros"):
        contract(tick="0.01", lot="0.00001")
    for bad in ("0", "-1", "1e-2", "", "0.0", "abc"):
        with pytest.raises(ValueError, match="positive decimal"):
            Unit.parse(bad)


def test_average_and_notional():
    btc = contract()
    assert btc.average_text(40000 * 2 + 40001, 3) == b"20000.1665"
    assert btc.notional_micros(40_000_000, 10_000) == 20_000_000_000
    assert btc.subticks_of(20_000_000_000, -10_000) == 40_000_000


def test_the_memory_is_bounded():
    btc = contract()
    for ticks in range(1, 70_000):
        btc.price_text(ticks)
    assert len(btc._prices) <= 1 << 15
