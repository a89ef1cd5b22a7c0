"""The library of patterns: with the default parameters, who abuses is named and who does not is left in peace."""

import pytest

from tests.gateway.surveillance.patterns.catalogue import Pattern
from tests.gateway.surveillance.patterns.innocent import INNOCENT
from tests.gateway.surveillance.patterns.verdict import ABUSIVE, verdict

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
    assert [(alert.rule, alert.text) for alert in one.own] == []
