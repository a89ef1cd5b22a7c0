"""Lionrock's engine: a deterministic exchange core, a pure function of its command log.

Importing it says where compiled code is kept, before anything is compiled: `LIONROCK_CACHE_DIR`, else
`$XDG_CACHE_HOME/lionrock`, else `~/.cache/lionrock`, in a folder named by a digest of the engine's sources, the
compiler's version and its flags. numba itself sees neither an edit in another file nor a changed flag. What is compiled
in other packages is stamped with the files that it is made of: see `cache_stamps`.
"""

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

KEPT_CACHES = 4
"""How many folders of compiled code stay in any case: of other checkouts, or of a run with other flags."""
KEPT_S = 7 * 86_400
"""A folder used within this time stays too: another process may be filling it."""
_DIGEST_CHARACTERS = 32


def _cache_digest() -> str:
    """What compiled code depends on: the modules beside this one, numba, numpy, Python and numba's flags.

    `host` has no kernels and is left out.
    """
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(set(package.glob("*.py")) - {package / "host.py"}):
        digest.update(f"{source.relative_to(package)}\0".encode() + source.read_bytes() + b"\0")
    flags = sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_") and item[0] != "NUMBA_CACHE_DIR")
    digest.update(repr((version("numba"), version("numpy"), sys.version, flags)).encode())
    return digest.hexdigest()[:_DIGEST_CHARACTERS]


def _cache_home() -> Path:
    """Where the folders of compiled code lie."""
    chosen = os.environ.get("LIONROCK_CACHE_DIR")
    if chosen:
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lionrock"


def _prune(home: Path) -> None:
    """Delete the folders of compiled code that were not used for longest."""
    folders = [entry for entry in home.iterdir() if entry.is_dir() and len(entry.name) == _DIGEST_CHARACTERS]
    used = sorted((entry.stat().st_mtime, entry) for entry in folders)
    for last_used, folder in used[:-KEPT_CACHES]:
        if last_used < used[-1][0] - KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)


def _place_cache() -> str:
    """Choose and make the folder; a temporary one where the user's cannot be written."""
    try:
        home = _cache_home()
        folder = home / _cache_digest()
        fresh = not folder.exists()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.utime(folder)
    except (OSError, RuntimeError):
        return tempfile.mkdtemp(prefix="lionrock-")
    if fresh:
        with contextlib.suppress(OSError):
            _prune(home)
    return str(folder)


os.environ["NUMBA_CACHE_DIR"] = _place_cache()
if "numba" in sys.modules:
    sys.modules["numba"].config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]
