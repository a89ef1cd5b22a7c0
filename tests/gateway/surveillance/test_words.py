"""What alerts say in words: everything in lots is told as an amount to officers."""

import pytest

from gateway.document.sample_rows import BTC
from gateway.sessions.methods.alerts import _in_amounts
from gateway.surveillance.words import _WORDS, words


class Figures(dict[str, int]):
    """Figures of any name; each number of lots is one of its own."""

    def __missing__(self, name: str) -> int:
        self[name] = 7_000_001 + 2 * len(self) if name.endswith("_lots") else 3
        return self[name]


@pytest.mark.parametrize("rule", _WORDS)
def test_no_number_of_lots_is_left_where_amounts_are_told(rule: str) -> None:
    figures = Figures(side=1)
    for way in ("cancelled", "expired", "amended"):
        _ = figures[f"{way}_withdrawn_lots"]
    text = words(rule, figures)
    told = _in_amounts(text, BTC)
    lots = [f"{value:,}" for value in figures.values() if value > 7_000_000 and f"{value:,}" in text]
    assert lots or rule == "quote_stuffing"
    assert not [number for number in lots if number in told], told
    assert "lots" not in told


@pytest.mark.parametrize("lots", ["12345678", "12,345,678"])
def test_amounts_have_commas_between_thousands_also_of_alerts_that_were_kept_without(lots: str) -> None:
    assert _in_amounts(f"{lots} of {lots} lots of open interest", BTC) == (
        "1,234.5678 of 1,234.5678 BTC of open interest"
    )
    assert _in_amounts(f"the owner holds -{lots} lots", BTC) == "the owner holds -1,234.5678 BTC"
