"""Each mutant of the checks at a batch's end fails a test, and each of money is stopped by the check that it names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants_of_checks import CHECKS, MONEY, TRADES, CheckMutant
from tests.mutants_of_exports import EXPORT_MUTANTS
from tests.mutants_of_lives import LIFE_MUTANTS
from tests.mutants_of_tip import TIP_MUTANTS
from tests.mutation import break_copy

ROOT = Path(__file__).parents[1]
PASSED, FAILED = 0, 1
TIMEOUT_S = 600
PROGRAM = """
import sys
sys.path[:0] = sys.argv[1:3]
import engine
import pytest
sys.exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", sys.argv[3]]))
"""
"""Runs tests with the engine of the first folder, imported before pytest puts the second in front of it."""


def run(folder: Path, mutant: CheckMutant | None) -> tuple[int, str]:
    """Run a mutant's tests with a copy of the engine: exit code and what was printed."""
    package = folder / "engine"
    shutil.copytree(ROOT / "engine", package, ignore=shutil.ignore_patterns("__pycache__"))
    if mutant:
        break_copy(mutant, package)
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "LIONROCK_CACHE_DIR": str(folder)}
    tests = mutant.test if mutant else TRADES
    command = [sys.executable, "-c", PROGRAM, str(folder), str(ROOT), tests]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S)
    return done.returncode, done.stdout + done.stderr


def test_the_engine_as_it_is_passes(tmp_path: Path) -> None:
    code, output = run(tmp_path, None)
    assert code == PASSED, output


OTHERS = (*TIP_MUTANTS, *EXPORT_MUTANTS, *LIFE_MUTANTS)


@pytest.mark.parametrize("mutant", (*CHECKS, *OTHERS), ids=lambda mutant: mutant.name)
def test_a_check_that_is_broken_is_noticed(mutant: CheckMutant, tmp_path: Path) -> None:
    code, output = run(tmp_path, mutant)
    assert code == FAILED and "FAILED tests/" in output, output


@pytest.mark.parametrize("mutant", MONEY, ids=lambda mutant: mutant.name)
def test_money_that_is_broken_is_stopped(mutant: CheckMutant, tmp_path: Path) -> None:
    code, output = run(tmp_path, mutant)
    assert code == FAILED and f"InvariantError: {mutant.says} after command" in output, output
