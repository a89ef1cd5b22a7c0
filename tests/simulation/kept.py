"""Lists of steps that broke a promise once: shrunk to the shortest, kept as files, and run again by the suite."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.shrink import shrunk
from tests.simulation import world
from tests.simulation.world import Genesis

FOLDER = Path(__file__).parent / "kept"


@dataclass(frozen=True)
class Case:
    """A seed, the steps that are left of it, and what they showed."""

    seed: int
    steps: Sequence[int]
    about: str = field(default="")


def kind_of(violation: str) -> str:
    """What a violation is about, without its figures and names: a shorter list must break the same promise."""
    return re.sub(r"[0-9./_-]*[0-9][^ ]*|\b(ann|bob|cat|dan)\b", "", violation.partition("{")[0])[:60]


def shortest(genesis: Genesis, case: Case) -> Case:
    """The shortest list of the same steps that breaks the same promise."""
    violation = world.run(genesis, case.seed, case.steps).violation
    wanted = kind_of(violation)

    def fails(steps: Sequence[int]) -> bool:
        return kind_of(world.run(genesis, case.seed, steps).violation) == wanted

    return Case(case.seed, shrunk(list(case.steps), fails), violation)


def save(case: Case, name: str = "") -> Path:
    """Keep a case as a file."""
    path = FOLDER / f"{name or f'seed-{case.seed}'}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"about": case.about, "seed": case.seed, "steps": list(case.steps)}, indent=1) + "\n")
    return path


def load(path: Path | str) -> Case:
    """A case that was kept."""
    data = json.loads(Path(path).read_text())
    return Case(data["seed"], data["steps"], data["about"])


def cases() -> Iterator[Path]:
    """All that are kept."""
    yield from sorted(FOLDER.glob("*.json"))
