"""Each directed scene of money ends as it says, and every invariant holds then."""

from typing import Any

import pytest

from engine import invariants
from tests.money_scenes import SCENES
from tests.stage import Stage, conserved


@pytest.mark.parametrize("name", SCENES)
def test_scene(name: str) -> None:
    made = []

    def begin(*contracts: Any, **settings: Any) -> Stage:
        made.append(Stage(*contracts, **settings))
        return made[-1]

    SCENES[name](begin)
    for stage in made:
        invariants.check(stage.root)
        assert conserved(stage.state) == 0
