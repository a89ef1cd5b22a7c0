"""What is the same for everybody and always: the pages, and the protocol's document. Bytes that are made once.

A client that has the present version, and says so with its entity tag, gets none of them again (RFC 9110).
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache

from blake3 import blake3

from gateway.document import openrpc

Page = tuple[int, bytes, str]
"""Status, content, content type."""
DOCUMENT = "/openrpc.json"
TAG_BYTES = 16
_UNMADE: Page = (500, b"the document could not be made; tell the operator", "text/plain")


def begin_document(loop: asyncio.AbstractEventLoop) -> "asyncio.Future[bytes]":
    """Have the protocol's document made by a thread: it takes a second, the first time in a process."""
    return loop.run_in_executor(None, openrpc.text)


@lru_cache(maxsize=64)
def tag_of(body: bytes) -> str:
    """The entity tag of a content."""
    return f'"{blake3(body).hexdigest(TAG_BYTES)}"'


def has_present(headers: dict[str, str], tag: str) -> bool:
    """Whether a request says that its client has the content with this tag."""
    known = [part.strip().removeprefix("W/") for part in headers.get("if-none-match", "").split(",")]
    return tag in known or known == ["*"]


class StaticAnswers:
    """The static answers of one port: its pages, and the document when that is made."""

    def __init__(self, pages: Callable[[str], Page | None], document: "asyncio.Future[bytes]") -> None:
        self._pages = pages
        self._document = document

    def is_known(self, path: str) -> bool:
        """Whether there is something at a path."""
        return path == DOCUMENT or self._pages(path) is not None

    def give(self, path: str, use: Callable[[Page], None]) -> None:
        """Call `use` with what is at a path: at once, or when it is made."""
        page = self._pages(path)
        if page is not None:
            use(page)
            return

        def made(document: "asyncio.Future[bytes]") -> None:
            use(_UNMADE if document.exception() else (200, document.result(), "application/json"))

        if self._document.done():
            made(self._document)
        else:
            self._document.add_done_callback(made)
