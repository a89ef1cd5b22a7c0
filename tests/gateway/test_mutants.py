"""Each seeded mutant of the gateway fails the test that it names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import engine
from tests.gateway import mutants
from tests.gateway.mutants import Mutant, broken
from tests.gateway.mutants_of_invariants import INVARIANT_MUTANTS
from tests.gateway.mutants_of_officers import OFFICER_MUTANTS
from tests.gateway.mutants_of_owners import OWNER_MUTANTS
from tests.gateway.mutants_of_statute import STATUTE_MUTANTS
from tests.gateway.mutants_of_surveillance import SURVEILLANCE_MUTANTS
from tests.gateway.mutants_of_trail import TRAIL_MUTANTS
from tests.gateway.socketless_venue import SocketlessVenue

ROOT = Path(__file__).parents[2]
MUTANTS = (
    *mutants.MUTANTS, *OFFICER_MUTANTS, *OWNER_MUTANTS, *STATUTE_MUTANTS, *TRAIL_MUTANTS, *SURVEILLANCE_MUTANTS,
    *INVARIANT_MUTANTS,
)  # fmt: skip
FAILED = 1
"""pytest's exit code of a failure; what cannot be collected has another one and does not count."""
TIMEOUT_S = 240
"""A mutant whose test still runs after so long hangs, which is a failure too."""
HOOK = "from tests.gateway.broken_module import install\ninstall({name!r}, {path!r}, {text!r})\n"


def place(folder: Path, mutant: Mutant) -> dict[str, str]:
    """Put the broken text in a folder; the environment in which every Python process loads it as the module."""
    path = ROOT / "gateway" / mutant.file
    text = folder / path.name
    text.write_text(broken(mutant, ROOT / "gateway"))
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    (folder / "sitecustomize.py").write_text(HOOK.format(name=name, path=str(path), text=str(text)))
    roots = (folder, ROOT, Path(engine.__file__).parents[1])
    is_compiled = any(word in path.read_text() for word in ("njit", "engine.kernels"))
    cache = place_cache(folder / "cache", not is_compiled)
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, roots)), "LIONROCK_CACHE_DIR": str(cache)}


def place_cache(cache: Path, has_gateway: bool) -> Path:
    """A cache with the engine's compiled code, and with the gateway's unless the broken module is compiled itself.

    numba would take the whole module's code for the broken one's. What is compiled now must not outlive the mutant.
    """
    compiled = Path(os.environ["NUMBA_CACHE_DIR"])
    rooms = {folder.name for folder in (ROOT / "gateway").rglob("*") if folder.is_dir()} | {"gateway"}
    (cache / compiled.name).mkdir(parents=True)
    for entry in compiled.iterdir():
        if entry.name.rpartition("_")[0] not in rooms:
            (cache / compiled.name / entry.name).symlink_to(entry)
        elif has_gateway:
            shutil.copytree(entry, cache / compiled.name / entry.name)
    return cache


def run(folder: Path, mutant: Mutant) -> tuple[int, str]:
    """Run the test that a mutant names: exit code and what was printed."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", mutant.test]
    environment = place(folder, mutant)
    try:
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return FAILED, "the test never ended"
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Everything is compiled once before, not in each mutant's own cache."""
    SocketlessVenue(tmp_path_factory.mktemp("compiled")).venue.close()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    code, output = run(tmp_path, mutant)
    assert code == FAILED, output


def test_the_gateway_as_it_is_passes_in_the_same_way(tmp_path: Path) -> None:
    """The way of breaking breaks nothing by itself: a text that says the same passes."""
    whole = Mutant("nothing", "index_feeds/adapter.py", "class Book:", "class Book:", MUTANTS[0].test)
    code, output = run(tmp_path, whole)
    assert code == 0, output


def test_each_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_a_patch_that_no_longer_fits_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\n")
    with pytest.raises(ValueError, match=r"its text is 0 times in a\.py"):
        broken(Mutant("gone", "a.py", "two", "three", MUTANTS[0].test), tmp_path)
