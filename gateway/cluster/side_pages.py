"""A SQLite file beside the journal by its pages: which have changed since it was looked at last.

What goes by pages needs to know nothing of tables, and is the same bytes at the other end: see `side_copy`.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from blake3 import blake3

from gateway.cluster.messages import SIDE_BYTES


class Change(NamedTuple):
    """One part of what has changed in a file; all parts of a version belong together."""

    name: str
    version: int
    part: int
    parts: int
    page_bytes: int
    file_bytes: int
    digest: bytes
    pages: dict[int, bytes]


class SideFile:
    """A file as it was sent last. The first change has every page."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sent = b""
        self._version = 0

    @property
    def sent(self) -> tuple[int, bytes]:
        """The version that was sent last, and the file as it was then; version 0 when none was."""
        return self._version, self._sent

    def changes(self) -> list[Change]:
        """What has been committed since the last call; nothing when that is nothing. sqlite3.Error."""
        image = _image(self._path)
        if image == self._sent:
            return []
        page_bytes = _page_bytes(image)
        parts = list(_cut(_changed(self._sent, image, page_bytes), SIDE_BYTES // page_bytes))
        self._sent, self._version = image, self._version + 1
        digest = blake3(image).digest()
        return [
            Change(
                self._path.name, self._version, part, len(parts), page_bytes, len(image), digest,
                {page: image[page * page_bytes : (page + 1) * page_bytes] for page in pages},
            )
            for part, pages in enumerate(parts)
        ]  # fmt: skip


def _image(path: Path) -> bytes:
    """The bytes of a file that holds all that is committed now."""
    with (
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(":memory:")) as copy,
    ):
        source.backup(copy)
        return copy.serialize()


def _page_bytes(image: bytes) -> int:
    """The size of a page, as a file of SQLite says it at its beginning."""
    size_bytes = int.from_bytes(image[16:18], "big")
    return size_bytes if size_bytes > 1 else 1 << 16


def _changed(before: bytes, image: bytes, page_bytes: int) -> list[int]:
    """The pages of an image that are new or other than before."""
    count = len(image) // page_bytes
    common = min(len(before) // page_bytes, count)
    words = page_bytes // 8
    old, new = (np.frombuffer(data, "<u8", common * words).reshape(common, words) for data in (before, image))
    changed: list[int] = np.flatnonzero((old != new).any(axis=1)).tolist()
    return changed + list(range(common, count))


def _cut(pages: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """So many pages at a time; once even when there are none, as a file may only get shorter."""
    yield pages[:size]
    for start in range(size, len(pages), size):
        yield pages[start : start + size]
