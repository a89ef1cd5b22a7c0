"""The pages that the server gives to a browser: what was built from `src`, nothing from anywhere else.

The path of an HTTP request comes in. The file's content and its type go out, read once from the disk. Each page has its
own files, as the build's manifest lists them: the public port gives none of the console's. A page is a client of the
public protocol like any other. `README.md` says how pages are built.
"""

import gzip
import json
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

Page = tuple[int, bytes, str]
"""Status, content, content type."""
BUILT = Path(__file__).parent / "built"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


def terminal(path: str) -> Page | None:
    """A file of the trading terminal, which is at "/". None where there is none."""
    return _files("terminal.html").get(path)


def console(path: str) -> Page | None:
    """A file of the console for operators and compliance officers, which is at "/". None where there is none."""
    return _files("console.html").get(path)


def is_hashed(path: str) -> bool:
    """Whether a file's name has the hash of its content: what is at such a path never changes."""
    return path.startswith("/assets/")


@lru_cache(maxsize=64)
def compressed(body: bytes) -> bytes:
    """A file's content for a browser that takes gzip. Made when the file is read: nobody waits for it."""
    return gzip.compress(body, mtime=0)


@cache
def _files(entry: str) -> dict[str, Page]:
    """Every file of one page by its path."""
    return {"/": _read(BUILT / entry), **{f"/{name}": _read(BUILT / name) for name in assets_of(entry)}}


def assets_of(entry: str) -> set[str]:
    """The scripts and styles that `terminal.html` or `console.html` needs, as paths inside `BUILT`."""
    return _assets(json.loads((BUILT / "manifest.json").read_text()), entry, set())


def _assets(manifest: dict[str, Any], entry: str, seen: set[str]) -> set[str]:
    """The files of one entry of the manifest, with those of what it imports."""
    if entry in seen:
        return set()
    seen.add(entry)
    chunk = manifest[entry]
    imported = (*chunk.get("imports", ()), *chunk.get("dynamicImports", ()))
    needed = (_assets(manifest, name, seen) for name in imported)
    return {chunk["file"], *chunk.get("css", ()), *chunk.get("assets", ())}.union(*needed)


def _read(path: Path) -> Page:
    body = path.read_bytes()
    compressed(body)
    return 200, body, f"{_TYPES[path.suffix]}; charset=utf-8"
