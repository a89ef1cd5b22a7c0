"""Which web pages may use what needs a key: the venue's own, and those of the origins that the operator names.

A browser says in the header Origin which page asks; other clients send none and are not concerned. A page of another
origin may ask what is open to everybody over HTTP. A websocket is refused to it, and so is each method with a scope.
"""

import re
from collections.abc import Mapping

ANY = "*"
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")


class Origins:
    """The origins whose pages are trusted beside the venue's own: `https://desk.example.com`, or `*` for any.

    Raises ValueError, in one line, when one is not written as a browser would write it.
    """

    def __init__(self, listed: str = "") -> None:
        self._named = frozenset(filter(None, (part.strip() for part in listed.split(","))))
        for name in sorted(self._named - {ANY}):
            if not _ORIGIN.fullmatch(name):
                raise ValueError(
                    f"allowed_origins: {name[:60]!r}: write scheme, host in lower case and port as a browser does, "
                    "such as https://desk.example.com or http://localhost:3000, with commas between, or * for any"
                )

    def names(self, headers: Mapping[str, str]) -> str:
        """The origin that asks if it is one of those that the operator named, else nothing."""
        origin = headers.get("origin", "")
        return origin if origin and (origin in self._named or ANY in self._named) else ""

    def is_foreign(self, headers: Mapping[str, str]) -> bool:
        """Whether a page asks that is neither the venue's own nor of a named origin; names in `headers` are lower case.

        A page is the venue's own when its host and port are those that the request was sent to: the scheme may have
        been changed by a proxy that ends TLS.
        """
        origin = headers.get("origin")
        if origin is None or self.names(headers):
            return False
        host = origin.partition("://")[2]
        return not host or host != headers.get("host")
