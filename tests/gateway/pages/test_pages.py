"""The trading page asks for what the venue has: its channels, its methods, and its own elements."""

import re

import pytest

from gateway import pages
from gateway.document.sample_rows import BTC
from gateway.sessions.method_table import METHODS
from gateway.wire import channels

SCRIPT = pages.terminal("/app.js")[1].decode()
MARKUP = pages.terminal("/")[1].decode()
NAMED = {"${name}": BTC.name, "${resolution}": "1"}


def asked_channels() -> list[str]:
    """Every channel that the script names, with a contract's name in its place."""
    texts = [single or double for single, double in re.findall(r'`([a-z_.]+\.\$[^`]*)`|"(user\.[^"]*[a-z])"', SCRIPT)]
    for place, text in NAMED.items():
        texts = [found.replace(place, text) for found in texts]
    return texts


@pytest.mark.parametrize("kind", ["book", "ticker", "trades", "chart.trades", "liquidations", "user.notices"])
def test_the_page_follows_each_kind_of_channel(kind: str) -> None:
    found = [name for name in asked_channels() if name.startswith(kind)]
    assert found
    for name in found:
        assert channels.parse(name, lambda text: BTC if text == BTC.name else None, 0) is not None, name


def test_the_page_calls_methods_that_exist() -> None:
    called = set(re.findall(r'call\("([a-z_/]+)"', SCRIPT))
    assert called <= set(METHODS) and "venue/get_reject_reasons" in called


def test_the_script_finds_its_elements() -> None:
    wanted = set(re.findall(r'(?:\$|facts|atMost)\("([a-z-]+)"', SCRIPT))
    assert wanted <= set(re.findall(r'id="([a-z-]+)"', MARKUP)) and {"liquidations", "notices"} <= wanted
