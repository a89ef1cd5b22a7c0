"""The library of patterns: with the default parameters, who abuses is named and who does not is left in peace."""

from pathlib import Path

import pytest

from engine import host
from engine.codes import Mode
from gateway.surveillance import from_journal
from gateway.surveillance.parameters import Parameters
from tests.gateway.surveillance.patterns.catalogue import Pattern
from tests.gateway.surveillance.patterns.innocent import INNOCENT
from tests.gateway.surveillance.patterns.verdict import ABUSIVE, alerts_of, verdict
from tests.stage import TINY

SEED = 1


def test_the_library_has_thirty_patterns_with_names_of_their_own() -> None:
    assert (len(ABUSIVE), len(INNOCENT)) == (20, 10)
    assert len({pattern.name for pattern in (*ABUSIVE, *INNOCENT)}) == 30
    assert all(pattern.case and pattern.rules for pattern in ABUSIVE)


@pytest.mark.parametrize("pattern", ABUSIVE, ids=lambda pattern: pattern.name)
def test_an_abusive_pattern_is_caught_by_the_rule_that_fits(pattern: Pattern) -> None:
    one = verdict(pattern, SEED)
    assert one.is_caught, [(alert.rule, alert.accounts) for alert in one.own]
    for alert in one.own:
        if alert.rule in pattern.rules:
            assert alert.evidence.seqs and alert.text and {*alert.accounts} <= {*range(28)}


@pytest.mark.parametrize("pattern", INNOCENT, ids=lambda pattern: pattern.name)
def test_an_innocent_pattern_is_left_in_peace(pattern: Pattern) -> None:
    one = verdict(pattern, SEED)
    assert [(alert.rule, alert.text) for alert in (*one.own, *one.others)] == []


def test_a_journal_gives_the_same_alerts_as_its_events(tmp_path: Path) -> None:
    pattern = ABUSIVE[1]
    market = pattern.play(SEED)
    engine = host.Engine.create(tmp_path, Mode.EXCHANGE, TINY)
    for rows in market.log:
        engine.feed(rows, lambda commands, events: None)
    engine.close()
    found = from_journal.alerts_of(tmp_path, Parameters(), pattern.clients())
    assert found and found == alerts_of(market.events(), pattern.clients())
