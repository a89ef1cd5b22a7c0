"""Lists of steps that broke a promise once: shrunk to the shortest, kept as files, and run again by the suite."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.shrink import shrunk
from tests.simulation import world
from tests.simulation.setting import Setting, setting_of
from tests.simulation.world import Genesis, Result

FOLDER = Path(__file__).parent / "kept"


@dataclass(frozen=True)
class Case:
    """A seed, the steps that are left of it, and what they showed."""

    seed: int
    steps: Sequence[int]
    setting: Setting
    about: str = field(default="")

    def run(self, genesis: Genesis, log: Any = None) -> Result:
        """Take its steps."""
        return world.run(genesis, self.seed, self.steps, log, self.setting)


def kind_of(violation: str) -> str:
    """What a violation is about, without its figures and names: a shorter list must break the same promise."""
    return re.sub(r"[0-9./_-]*[0-9][^ ]*|\b(ann|bob|cat|dan)\b", "", violation.partition("{")[0])[:60]


def shortest(genesis: Genesis, case: Case) -> Case:
    """The shortest list of the same steps that breaks the same promise."""
    violation = case.run(genesis).violation
    wanted = kind_of(violation)

    def fails(steps: Sequence[int]) -> bool:
        return kind_of(replace(case, steps=steps).run(genesis).violation) == wanted

    return replace(case, steps=shrunk(list(case.steps), fails), about=violation)


def of_seed(seed: int, count: int) -> Case:
    """So many steps of a seed."""
    return Case(seed, world.steps_of(seed, count), setting_of(seed))


def save(case: Case, name: str = "") -> Path:
    """Keep a case as a file."""
    path = FOLDER / f"{name or f'seed-{case.seed}'}.json"
    path.parent.mkdir(exist_ok=True)
    data = {"about": case.about, "seed": case.seed, "setting": asdict(case.setting), "steps": list(case.steps)}
    path.write_text(json.dumps(data, indent=1) + "\n")
    return path


def load(path: Path | str) -> Case:
    """A case that was kept."""
    data = json.loads(Path(path).read_text())
    return Case(data["seed"], data["steps"], Setting(**data["setting"]), data["about"])


def cases() -> Iterator[Path]:
    """All that are kept."""
    yield from sorted(FOLDER.glob("*.json"))
