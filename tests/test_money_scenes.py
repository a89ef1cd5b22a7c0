"""Each directed scene of money ends as it says, engine and model agree on all of it, and every invariant holds then."""

from typing import Any

import pytest

from engine import invariants
from tests.money_scenes import SCENES
from tests.scene import PairStage
from tests.stage import conserved


@pytest.mark.parametrize("name", SCENES)
def test_scene(name: str) -> None:
    made = []

    def begin(*contracts: Any, **settings: Any) -> PairStage:
        made.append(PairStage(*contracts, **settings))
        return made[-1]

    SCENES[name](begin)
    for stage in made:
        invariants.check(stage.root)
        assert conserved(stage.state) == 0
