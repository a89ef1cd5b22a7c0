"""When compiled code on disk is too old: numba looks at a function's own file, and here also at what that file imports.

A compiled function holds a copy of every kernel and every constant of other modules that it uses. The modules beside
this one are in the name of the cache's folder: see `engine`. All others of the product count here, as far as a file
imports them, itself or through others. And how compiled code is loaded.
"""

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from numba.core import dispatcher
from numba.core.caching import CacheImpl, FunctionCache, UserProvidedCacheLocator
from numba.core.runtime import rtsys

_PACKAGES = ("engine", "gateway")
_FOLDER = Path(__file__).parent
_ROOT = _FOLDER.parent
_MODULE = r"((?:engine|gateway)(?:\.\w+)*)"
_IMPORT = re.compile(
    rf"^[ \t]*(?:from[ \t]+{_MODULE}[ \t]+import[ \t]+(\([^)]*\)|.*)|import[ \t]+{_MODULE})", re.MULTILINE
)
_NAME = re.compile(r"(\w+)(?:\s+as\s+\w+)?")


def _file(module: Path) -> Path | None:
    """The file of a module or a package."""
    return next((path for path in (module.with_suffix(".py"), module / "__init__.py") if path.is_file()), None)


def _named(base: Path, names: str) -> Iterator[Path | None]:
    """The files of what `from base import names` names: the module, or parts of the package."""
    module = base.with_suffix(".py")
    if module.is_file():
        yield module
        return
    parts = [_file(base / name) for name in _NAME.findall(names)]
    yield from parts
    if not parts or None in parts:
        yield _file(base)


@cache
def _imported(path: Path) -> frozenset[Path]:
    """The files of the product that a file imports, without the modules beside this one."""
    found: set[Path | None] = set()
    for package, names, module in _IMPORT.findall(path.read_text("utf-8", "replace")):
        found.update(_named(_ROOT.joinpath(*(package or module).split(".")), names))
    return frozenset(file for file in found if file and file.parent != _FOLDER)


@cache
def reached(path: Path) -> frozenset[Path]:
    """The files that a file imports, itself or through others, without itself."""
    files, waiting = {path}, [path]
    while waiting:
        more = _imported(waiting.pop()) - files
        files |= more
        waiting.extend(more)
    return frozenset(files - {path})


@cache
def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


class ImportsLocator(UserProvidedCacheLocator):
    """Where numba keeps a function's code and what it is stamped with; of a file that imports nothing as numba does."""

    def get_source_stamp(self) -> bytes:
        """A digest of the function's file and of those that it reaches."""
        own: bytes = super().get_source_stamp()
        files = sorted(reached(Path(self._py_file)))
        return hashlib.sha256(own + b"".join(map(_digest, files))).digest() if files else own


CacheImpl._locator_classes = [ImportsLocator, *CacheImpl._locator_classes]


class LoadedCache(FunctionCache):
    """Loads compiled code of the product without what only compiling needs.

    numba makes all that it can compile known first, from random numbers to sets: a seventh of a command's start. It
    does so again before it compiles anything, and what others cache is loaded as ever.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The code for a signature, or None where there is none."""
        if self._py_func.__module__.partition(".")[0] not in _PACKAGES:
            return super().load_overload(sig, target_context)
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


dispatcher.FunctionCache = LoadedCache  # type: ignore[attr-defined]
