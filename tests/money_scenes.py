"""All directed scenes of money, by name."""

from tests import (
    money_scenes_of_accounts,
    money_scenes_of_forced,
    money_scenes_of_margin,
    money_scenes_of_prices,
    money_scenes_of_settlement,
)
from tests.scene import SCENES

MODULES = (
    money_scenes_of_margin,
    money_scenes_of_accounts,
    money_scenes_of_prices,
    money_scenes_of_forced,
    money_scenes_of_settlement,
)
"""Where they stand."""

__all__ = ["MODULES", "SCENES"]
