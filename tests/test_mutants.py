"""Each of the seeded mutants is caught by the model, and the engine as it is passes the same scripts."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.mutants import MUTANTS, Mutant, mutate

ROOT = Path(__file__).parents[1]
PROCESSES = 2
SURVIVED, CAUGHT = 0, 1
TIMEOUT_S = 240
"""A mutant that still plays after so long is in an endless loop, which is a difference too."""


def run(folder: Path, mutant: Mutant | None) -> tuple[int, str]:
    """Play the fixed scripts with a copy of the engine: exit code and what was printed."""
    package = folder / "engine"
    shutil.copytree(ROOT / "engine", package, ignore=shutil.ignore_patterns("__pycache__"))
    if mutant:
        mutate(mutant, package)
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "LIONROCK_CACHE_DIR": str(folder), "PYTHONHASHSEED": "0"}
    command = [sys.executable, str(ROOT / "tests" / "mutants.py"), str(folder)]
    try:
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return (CAUGHT if mutant else SURVIVED - 1), "TimeoutError: the scripts never ended"
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """What became of each mutant, a few at a time in processes of their own, and of the engine as it is."""
    folders = [(mutant, tmp_path_factory.mktemp("mutant")) for mutant in (None, *MUTANTS)]
    with ThreadPoolExecutor(PROCESSES) as pool:
        results = list(pool.map(lambda item: run(item[1], item[0]), folders))
    return {mutant.name if mutant else "": result for (mutant, _), result in zip(folders, results, strict=True)}


def test_engine_as_it_is_passes(outcomes: dict[str, tuple[int, str]]) -> None:
    code, output = outcomes[""]
    assert code == SURVIVED, output


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_caught(mutant: Mutant, outcomes: dict[str, tuple[int, str]]) -> None:
    code, output = outcomes[mutant.name]
    assert code == CAUGHT, output or "engine and model never differed"
    assert "Error" in output and "Traceback" not in output, output


def test_each_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) == 74
