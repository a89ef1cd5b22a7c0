"""A build: a checkout whose code a process runs, this one or another that it is compared with."""

import hashlib
import os
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import engine

_FILES = ("pyproject.toml", "engine/__init__.py", "gateway/cli.py", "bench/suite.py")
_PATH_CHARACTERS = 12


@dataclass(frozen=True)
class Build:
    """The root of a checkout, and where its compiled code is kept."""

    root: Path
    cache: Path

    @property
    def name(self) -> str:
        """What tables and errors call it."""
        return str(self.root)

    def environment(self) -> dict[str, str]:
        """The variables of a process that runs this build: its own modules and its own compiled code."""
        own = {"PYTHONPATH": str(self.root), "LIONROCK_CACHE_DIR": str(self.cache)}
        return {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"} | own


def _cache_home() -> Path:
    """The folder in which this build keeps its folder of compiled code."""
    return Path(os.environ["NUMBA_CACHE_DIR"]).parent


def this_build() -> Build:
    """The build that runs."""
    return Build(Path(engine.__file__).parents[1], _cache_home())


def other_build(folder: str) -> Build:
    """The checkout in a folder. ValueError in one line when it is none, or needs other packages than are installed."""
    root = Path(folder).absolute()
    missing = [name for name in _FILES if not (root / name).is_file()]
    if missing:
        raise ValueError(
            f"--against {folder}: no checkout of Lionrock, {missing[0]} is missing; name the folder that has it"
        )
    _check_packages(folder, root)
    if root.resolve() == this_build().root.resolve():
        return this_build()
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:_PATH_CHARACTERS]
    return Build(root, _cache_home() / f"against-{digest}")


def _check_packages(folder: str, root: Path) -> None:
    """Every package that the other build needs is there, in the version that it names with `==`."""
    try:
        needed = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError):
        raise ValueError(f"--against {folder}: pyproject.toml does not say which packages it needs") from None
    for requirement in needed:
        name, _, wanted = requirement.partition("==")
        name = name.partition(">")[0].partition("<")[0].strip()
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = ""
        if not installed or (wanted and wanted.strip() != installed):
            here = f"here is {installed}" if installed else "it is not installed here"
            raise ValueError(f"--against {folder}: it needs {requirement}, and {here}; both builds run on one Python")
