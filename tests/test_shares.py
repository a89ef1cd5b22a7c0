"""What the workers of a run share: every test is in one part, the long ones at its head."""

from dataclasses import dataclass
from itertools import pairwise

import pytest

from tests.shares import LONG, WITHOUT_COMPILED, dealt, module_of
from tests.test_arrows import ROOT


@dataclass(frozen=True)
class Named:
    nodeid: str


ITEMS = [Named(f"{name}::test_{number}") for name in (*LONG, *WITHOUT_COMPILED) for number in range(2)]
ITEMS += [Named(f"tests/short_{module}.py::test_{number}") for module in range(40) for number in range(5)]


@pytest.mark.parametrize("name", (*LONG, *WITHOUT_COMPILED))
def test_what_is_named_is_there(name: str) -> None:
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("workers", [2, 3, 4, 7])
def test_each_part_has_long_ones_first_and_one_worker_alone_compiles_at_once(workers: int) -> None:
    order = dealt(ITEMS, workers)
    assert sorted(order, key=ITEMS.index) == ITEMS
    bounds = [len(order) * worker // workers for worker in range(workers + 1)]
    parts = [order[first:end] for first, end in pairwise(bounds)]
    for part in parts:
        is_long = [module_of(item) in (*LONG, *WITHOUT_COMPILED) for item in part]
        assert is_long == sorted(is_long, reverse=True)
    assert module_of(parts[0][0]) == LONG[0]
    heads = [module_of(part[0]) for part in parts[1:]]
    assert heads[: len(WITHOUT_COMPILED)] == list(WITHOUT_COMPILED[: len(heads)])


def test_of_a_few_none_is_lost() -> None:
    few = ITEMS[:3] + ITEMS[-2:]
    assert sorted(dealt(few, 4), key=ITEMS.index) == few and dealt([], 2) == []
