"""Each seeded mutant of the engine is noticed by a script, and the engine as it is passes them all."""

from collections.abc import Iterator

import pytest

from tests import mutation
from tests.mutants import MUTANTS
from tests.mutants_of_money import EQUIVALENT, MONEY_MUTANTS
from tests.mutation import Bench, Mutant

NOTICED_BY = mutation.recorded()
ORDERS, MONEY = 80, 206
NAMED = (
    "the fund's daily tenth is never reset",
    "a deleveraging giver gives one step more than it can afford",
    "the check of equity at a fill forgets the fee",
    "a deleveraged giver keeps its opening orders",
    "bracket edge off by one",
    "equity > half of MM as >=",
    "liquidation fee above what is left",
)
"""What once was seeded by hand and noticed by nobody."""


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """A process that has everything loaded."""
    made = Bench()
    yield made
    made.close()


def test_the_engine_as_it_is_passes(bench: Bench) -> None:
    played = sorted(set(NOTICED_BY.values()))
    outcome = bench.run(None, played)
    assert outcome.script == "", outcome.error


@pytest.mark.parametrize("mutant", (*MUTANTS, *MONEY_MUTANTS), ids=lambda mutant: mutant.name)
def test_a_mutant_is_noticed(mutant: Mutant, bench: Bench) -> None:
    script = NOTICED_BY.get(mutant.name)
    assert script, "play it: python -m tests.mutation --record"
    outcome = bench.run(mutant, [script])
    assert outcome.script == script, f"{script} notices nothing any more: python -m tests.mutation --record"


@pytest.mark.parametrize(("mutant", "reason"), EQUIVALENT, ids=lambda value: getattr(value, "name", ""))
def test_an_equivalent_is_still_a_change_of_the_text(mutant: Mutant, reason: str) -> None:
    assert list(mutation.changes(mutant)) and reason


def test_each_has_a_name_of_its_own() -> None:
    names = [mutant.name for mutant in (*MUTANTS, *MONEY_MUTANTS, *(mutant for mutant, _ in EQUIVALENT))]
    assert len(set(names)) == len(names)
    assert (len(MUTANTS), len(MONEY_MUTANTS)) == (ORDERS, MONEY)
    assert set(NAMED) <= set(names)
    assert set(NOTICED_BY) == {mutant.name for mutant in (*MUTANTS, *MONEY_MUTANTS)}
