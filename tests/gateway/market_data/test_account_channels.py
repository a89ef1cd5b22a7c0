"""An account's own channels: which contracts a currency means."""

import pytest

from gateway.document.sample_rows import BTC, ETH, sample_projection
from gateway.market_data.account_topics import make_user_topic
from gateway.wire.channels import parse


@pytest.mark.parametrize("currency, is_heard", [("USDC", True), ("any", True), ("BTC", False), ("ETH", False)])
def test_a_channel_of_a_currency_hears_what_is_settled_in_it(currency, is_heard):
    topic = make_user_topic(parse(f"user.orders.any.{currency}.raw", {}.get, 0), sample_projection())
    assert [topic.wants(BTC), topic.wants(ETH)] == [is_heard] * 2
    money = make_user_topic(parse(f"user.portfolio.{currency}", {}.get, 0), sample_projection())
    heard = []
    money.join(type("Reader", (), {"stage": heard.append, "behind": {}})())
    assert len(heard) == is_heard
