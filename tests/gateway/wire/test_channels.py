"""Channel names: every one of the protocol, and nothing else."""

import pytest

from gateway.wire.channels import NoChannelError, parse
from gateway.wire.decimals import Contract, Unit

BTC = Contract(3, "BTC_USDC-PERPETUAL", "BTC", "USDC", Unit.parse("0.5"), Unit.parse("0.0001"))


def find(name):
    return BTC if name == BTC.name else None


@pytest.mark.parametrize(
    "name, kind, slot, interval, extra",
    [
        ("book.{i}.raw", "book", 3, "raw", {}),
        ("book.{i}.100ms", "book", 3, "100ms", {}),
        ("book.{i}.none.20.100ms", "grouped_book", 3, "100ms", {"depth": 20}),
        ("trades.{i}.100ms", "trades", 3, "100ms", {}),
        ("ticker.{i}.raw", "ticker", 3, "raw", {}),
        ("incremental_ticker.{i}", "incremental_ticker", 3, "raw", {}),
        ("quote.{i}", "quote", 3, "raw", {}),
        ("perpetual.{i}.100ms", "perpetual", 3, "100ms", {}),
        ("deribit_price_index.btc_usdc", "index", -1, "raw", {"currency": "btc_usdc"}),
        ("chart.trades.{i}.1", "chart", 3, "raw", {"resolution_s": 60}),
        ("chart.trades.{i}.1D", "chart", 3, "raw", {"resolution_s": 86400}),
        ("platform_state", "platform_state", -1, "raw", {}),
        ("user.orders.any.any.raw", "user.orders", -1, "raw", {"currency": "ANY"}),
        ("user.orders.{i}.raw", "user.orders", 3, "raw", {}),
        ("user.trades.future.BTC.100ms", "user.trades", -1, "100ms", {"currency": "BTC"}),
        ("user.changes.any.any.raw", "user.changes", -1, "raw", {}),
        ("user.changes.{i}.100ms", "user.changes", 3, "100ms", {}),
        ("user.notices", "user.notices", -1, "raw", {}),
        ("book.{i}.agg2", "book", 3, "agg2", {}),
        ("book.{i}.none.5.agg2", "grouped_book", 3, "agg2", {"depth": 5}),
        ("ticker.{i}.agg2", "ticker", 3, "agg2", {}),
        ("user.orders.{i}.agg2", "user.orders", 3, "agg2", {}),
        ("user.changes.future.USDC.agg2", "user.changes", -1, "agg2", {"currency": "USDC"}),
        ("user.trades.option.USDC.raw", "user.trades", -1, "raw", {"currency": ""}),
        ("trades.future.usdc.agg2", "kind_trades", -1, "agg2", {"currency": "USDC"}),
        ("trades.any.any.raw", "kind_trades", -1, "raw", {"currency": "ANY"}),
        ("instrument.state.any.any", "instrument_state", -1, "raw", {"currency": "ANY"}),
        ("instrument.state.option.USDC", "instrument_state", -1, "raw", {"currency": ""}),
        ("user.portfolio.SOL", "user.portfolio", -1, "raw", {"currency": "SOL"}),
        ("user.portfolio.any", "user.portfolio", -1, "raw", {"currency": "ANY"}),
        ("user.positions.{i}", "user.positions", 3, "raw", {}),
        ("user.positions.usdc", "user.positions", -1, "raw", {"currency": "USDC"}),
        ("user.positions.any", "user.positions", -1, "raw", {"currency": "ANY"}),
    ],
)
def test_channels_of_the_protocol(name, kind, slot, interval, extra):
    name = name.format(i=BTC.name)
    channel = parse(name, find, account_slot=5)
    assert (channel.name, channel.kind, channel.contract_slot, channel.interval) == (name, kind, slot, interval)
    assert {key: getattr(channel, key) for key in extra} == extra
    assert channel.is_private == name.startswith("user.")


@pytest.mark.parametrize(
    "name",
    [
        "", "book", "book.X.raw", "book.{i}", "book.{i}.5s", "book.{i}.none.7.100ms", "book.{i}.none.999.100ms",
        "ticker.{i}.raw.raw", "chart.trades.{i}.7", "user.orders.any.any", "user.orders.X.raw", "user.portfolio.",
        "user.portfolio.a b", "user.orders.any.XYZ.raw", "user.positions", "user.positions.", "user.positions.X.raw",
        "user.trades.future.XYZ.100ms", "user.secrets", "book.{i}.raw\n", "x" * 5000,
    ],
)  # fmt: skip
def test_other_names_are_no_channels(name):
    with pytest.raises(NoChannelError):
        parse(name.format(i=BTC.name), find, account_slot=5)


@pytest.mark.parametrize(
    "name, account_slot, words",
    [
        ("user.orders.any.any.raw", -1, "log in with a key that has the scope read"),
        ("book.NOPE.raw", 5, "no contract 'NOPE'; public/get_instruments lists them"),
        ("user.changes.NOPE.raw", 5, "no contract 'NOPE'"),
        ("book.{i}.none.7.100ms", 5, "depth 7: give one of 1, 5, 10"),
        ("chart.trades.{i}.7", 5, "resolution 7: give one of 1, 3"),
        ("book.{i}.5s", 5, "no channel of this form"),
        ("user.portfolio.a b", 5, "'a b' is not a currency; choose from any, BTC"),
        ("user.portfolio.XYZ", 5, "'XYZ' is not a currency; choose from any, BTC"),
        ("deribit_price_index.eth_usdc", 5, "no index 'eth_usdc'; say one like btc_usdc"),
        ("deribit_price_index.BTC_USDC", 5, "no index 'BTC_USDC'"),
    ],
)
def test_a_name_that_is_none_is_told_why(name, account_slot, words):
    with pytest.raises(NoChannelError, match=words):
        parse(name.format(i=BTC.name), find, account_slot)
