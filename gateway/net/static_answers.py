"""What is the same for everybody and always: the pages, and the protocol's document. Bytes that are made once.

A client that has the present version, and says so with its entity tag, gets none of them again (RFC 9110).
"""

import asyncio
import re
from collections.abc import Callable
from functools import lru_cache

from blake3 import blake3

from gateway import pages
from gateway.document import openrpc
from gateway.net.http_messages import Header, Request

Page = tuple[int, bytes, str]
"""Status, content, content type."""
DOCUMENT = "/openrpc.json"
TAG_BYTES = 16
_GZIP = re.compile(r"gzip(;q=(1(\.0*)?|0\.0*[1-9]\d*))?")
"""What a client says that takes gzip: with no weight, or with one above 0."""
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


def encoded(request: Request, body: bytes) -> tuple[bytes, list[Header]]:
    """A page's content as its client takes it, with the headers that say so. The document goes as it is."""
    if request.target.partition("?")[0] == DOCUMENT:
        return body, []
    vary = ("Vary", "Accept-Encoding")
    offered = [part.replace(" ", "") for part in request.headers.get("accept-encoding", "").lower().split(",")]
    if not any(_GZIP.fullmatch(part) for part in offered):
        return body, [vary]
    return pages.compressed(body), [("Content-Encoding", "gzip"), vary]


class StaticAnswers:
    """The static answers of one port: its pages, and the document when that is made."""

    def __init__(self, find: Callable[[str], Page | None], document: "asyncio.Future[bytes]") -> None:
        find("/")  # read and compressed before anybody is served
        self._find = find
        self._document = document

    def is_known(self, path: str) -> bool:
        """Whether there is something at a path."""
        return path == DOCUMENT or self._find(path) is not None

    def give(self, path: str, use: Callable[[Page], None]) -> None:
        """Call `use` with what is at a path: at once, or when it is made."""
        page = self._find(path)
        if page is not None:
            use(page)
            return

        def made(document: "asyncio.Future[bytes]") -> None:
            use(_UNMADE if document.exception() else (200, document.result(), "application/json"))

        if self._document.done():
            made(self._document)
        else:
            self._document.add_done_callback(made)
