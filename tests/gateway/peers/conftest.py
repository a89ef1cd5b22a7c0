"""Other people's clients, each in an environment of its own that is made for the run, and the venue that they ask.

Of what is on the machine only the interpreters are relied on: packages are installed at the versions pinned here. What
cannot be had is a skip that says what is missing.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_PACKAGE = "ccxt"
_INSTALL_SECONDS = 300


def _tried(command, **options):
    """Run a command; what went wrong, or nothing."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False, **options)
    said = done.stderr.strip() or done.stdout.strip() or f"{command[0]} ended with {done.returncode}"
    return "" if done.returncode == 0 else said[-600:]


def _interpreters():
    yield sys.executable
    for minor in (13, 12):
        found = shutil.which(f"python3.{minor}")
        if found:
            yield found
        kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        yield from (str(path) for path in sorted(kept.glob(f"3.{minor}.*/bin/python3")))


def _python(least):
    """An interpreter of at least this version, the tests' own one if it will do."""
    for candidate in _interpreters():
        if not _tried([candidate, "-c", f"import sys; sys.exit(sys.version_info[:2] < {least})"]):
            return candidate
    pytest.skip("no Python {}.{} or later is here".format(*least))


@pytest.fixture(scope="session")
def python_peer(tmp_path_factory):
    """Makes an environment with a client's pinned packages; gives its interpreter."""

    def make(name, least=(3, 11)):
        folder = tmp_path_factory.mktemp(name) / "venv"
        problem = _tried([_python(least), "-m", "venv", "--without-pip", str(folder)])
        if not problem:
            pins = str(HERE / "requirements" / f"{name}.txt")
            pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "-q"]
            problem = _tried([*pip, "--no-deps", "--no-compile", "-r", pins, "--disable-pip-version-check"])
        if problem:
            pytest.skip(f"{name} could not be installed: {problem}")
        return str(folder / "bin" / "python")

    return make


@pytest.fixture(scope="session")
def javascript(tmp_path_factory):
    """A folder with the pinned JavaScript packages and the scripts."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not here")
    folder = tmp_path_factory.mktemp("javascript")
    for path in (HERE / "javascript").iterdir():
        shutil.copy(path, folder)
    problem = _tried(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
    if problem:
        pytest.skip(f"{_PACKAGE} for JavaScript could not be installed: {problem}")
    return folder


@pytest.fixture(scope="session")
def scenario():
    """The steps that ccxt takes in each of its languages."""
    return json.loads((HERE / "scenario.json").read_text())
