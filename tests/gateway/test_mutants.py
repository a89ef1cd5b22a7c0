"""Each seeded mutant of the gateway fails the test that it names, and the gateway as it is passes all of those."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import engine
from tests.gateway.mutants import MUTANTS, Mutant, mutate

ROOT = Path(__file__).parents[2]
PROCESSES = 2
PASSED, FAILED = 0, 1
"""pytest's exit codes; what cannot be collected has another one and counts as neither."""
TIMEOUT_S = 240
"""A mutant whose test still runs after so long hangs, which is a failure too."""


def place(folder: Path, mutant: Mutant | None) -> dict[str, str]:
    """Put copies of the gateway and its tests in a folder, broken or not; returns the environment to run them in.

    The engine stays where it is. Its compiled code is used again, and that of the copy is kept in the folder.
    """
    for name in ("gateway", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    if mutant:
        mutate(mutant, folder / "gateway")
    compiled = Path(os.environ["NUMBA_CACHE_DIR"])
    cache = folder / "cache" / compiled.name
    cache.mkdir(parents=True)
    for entry in compiled.iterdir():
        (cache / entry.name).symlink_to(entry)
    path = os.pathsep.join([str(folder), str(Path(engine.__file__).parents[1])])
    return os.environ | {"PYTHONPATH": path, "LIONROCK_CACHE_DIR": str(cache.parent), "PYTHONDONTWRITEBYTECODE": "1"}


def run(folder: Path, mutant: Mutant | None) -> tuple[int, str]:
    """Run the tests that a mutant names, all of them without one: exit code and what was printed."""
    environment = place(folder, mutant)
    tests = [mutant.test] if mutant else sorted({known.test for known in MUTANTS})
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    try:
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return FAILED, "the test never ended"
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """What became of each mutant, a few at a time in processes of their own, and of the gateway as it is."""
    folders = [(mutant, tmp_path_factory.mktemp("mutant")) for mutant in (None, *MUTANTS)]
    with ThreadPoolExecutor(PROCESSES) as pool:
        results = list(pool.map(lambda item: run(item[1], item[0]), folders))
    return {mutant.name if mutant else "": result for (mutant, _), result in zip(folders, results, strict=True)}


def test_gateway_as_it_is_passes(outcomes: dict[str, tuple[int, str]]) -> None:
    code, output = outcomes[""]
    assert code == PASSED, output


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_caught(mutant: Mutant, outcomes: dict[str, tuple[int, str]]) -> None:
    code, output = outcomes[mutant.name]
    assert code == FAILED, output


def test_each_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_a_patch_that_no_longer_fits_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\n")
    with pytest.raises(ValueError, match=r"its text is 0 times in a\.py"):
        mutate(Mutant("gone", "a.py", "two", "three", MUTANTS[0].test), tmp_path)
