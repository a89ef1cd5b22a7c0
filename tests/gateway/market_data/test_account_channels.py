"""An account's own channels: which contracts a currency means."""

import pytest

from gateway.document.sample_rows import BTC, ETH, sample_projection
from gateway.market_data.account_messages import wanted
from gateway.market_data.account_topics import make_user_topic
from gateway.wire.channels import parse
from gateway.wire.views import Report


@pytest.mark.parametrize("currency, is_heard", [("USDC", True), ("any", True), ("BTC", False), ("ETH", False)])
def test_a_channel_of_a_currency_hears_what_is_settled_in_it(currency, is_heard):
    channel = parse(f"user.orders.any.{currency}.raw", {}.get, 0)
    for contract in (BTC, ETH):
        report = Report(5, "order", contract.slot, b"{}")
        assert wanted(channel, sample_projection(), [report]) == [report] * is_heard
    money = make_user_topic(parse(f"user.portfolio.{currency}", {}.get, 0), sample_projection())
    heard = []
    money.join(type("Reader", (), {"stage": heard.append, "behind": {}})())
    assert len(heard) == is_heard
