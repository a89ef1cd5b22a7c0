"""The pages that the server gives to a browser: files beside this module, nothing from anywhere else.

The path of an HTTP request comes in. The file's content and its type go out, read once from the disk.
The page itself is a client of the public protocol like any other.
"""

from functools import cache
from pathlib import Path

_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_FOLDER = Path(__file__).parent


@cache
def _read() -> dict[str, tuple[bytes, str]]:
    return {
        f"/{path.name}": (path.read_bytes(), f"{_TYPES[path.suffix]}; charset=utf-8")
        for path in _FOLDER.iterdir()
        if path.suffix in _TYPES
    }


def find(path: str) -> tuple[int, bytes, str] | None:
    """(status, content, content type) of a page; "/" is the trading page. None where there is no page."""
    found = _read().get("/index.html" if path == "/" else path)
    return None if found is None else (200, *found)
