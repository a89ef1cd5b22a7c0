"""What one simulated world is like: how often each step comes, and what its venue is set to."""

from dataclasses import dataclass, fields
from random import Random
from typing import Any

USUAL = {
    "send": 26, "carry": 22, "turn": 18, "thread": 14, "hear": 14, "wait": 3, "index": 0.6, "cut": 0.3, "kill": 0.1,
    "lose_power": 0.15, "write_back": 1, "stop": 0.03, "fail": 0.1, "jump": 0.2, "pay_in": 0.3,
}  # fmt: skip
"""How often each step comes as a rule."""
_RARE = ("cut", "kill", "lose_power", "stop", "fail", "jump", "pay_in", "write_back", "wait")


@dataclass(frozen=True)
class Setting:
    """A world's setting. Steps that `weights` does not name never come, so one that was kept stays as it was."""

    weights: dict[str, float]
    damage: float
    """How often a stopped machine's disk is damaged for a what-if start."""
    snapshot_commands: int = 0
    archive_after_segments: int = 8
    history_rows: int = 0
    read_only: float = 0
    """How often a venue whose disk has failed goes on to answer questions, before it ends."""

    def config(self) -> dict[str, Any]:
        """The settings of the venue among these."""
        ours = {"weights", "damage", "read_only"}
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in ours}


def setting_of(seed: int) -> Setting:
    """The setting of a seed's world: what is rare is off, as usual, or five times as often."""
    chance = Random(seed)
    weights = {
        name: usual * chance.choice((0, 1, 1, 1, 5)) if name in _RARE else usual * chance.uniform(0.5, 1.5)
        for name, usual in USUAL.items()
    }
    return Setting(
        weights,
        damage=chance.choice((0, 0, 0.1, 0.5)),
        snapshot_commands=chance.choice((0, 10, 30, 100)),
        archive_after_segments=chance.choice((0, 0, 1, 8)),
        history_rows=chance.choice((0, 1, 100)),
        read_only=0.7,
    )
