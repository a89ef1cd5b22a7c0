"""The headers of responses over HTTP: what browsers may do with them, and which pages may read them."""

from gateway import pages
from gateway.net.http_messages import Header, Request
from gateway.sessions.http_calls import is_open_call
from gateway.wire.origins import Origins

FIXED: list[Header] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]
"""Headers of every response."""
_FRESH, _STATIC = ("Cache-Control", "no-store"), ("Cache-Control", "no-cache")
_LASTING = ("Cache-Control", "public, max-age=31536000, immutable")
"""What is made for each request is never kept. What is static may be, and is asked for again with its tag; what has its
hash in its name is never asked for again."""
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""What a page may do: run and show the files beside it, talk to this venue, and not be shown inside another page."""
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
_SHARED = frozenset({"/openrpc.json"})


def of(request: Request, origins: Origins) -> list[Header]:
    """The headers beyond type and length of the response to a request."""
    return [_FRESH, *FIXED, ("Content-Security-Policy", _NOTHING), *_sharing(request, origins)]


def of_static(request: Request, origins: Origins, tag: str) -> list[Header]:
    """The same for what is static: a page, its script and its style, the protocol's document."""
    path = request.target.partition("?")[0]
    policy = _NOTHING if path in _SHARED else PAGE_POLICY
    kept = _LASTING if pages.is_hashed(path) else _STATIC
    shared = _sharing(request, origins)
    return [kept, ("ETag", tag), *FIXED, ("Content-Security-Policy", policy), *shared]


def of_refusal() -> list[Header]:
    """The same where there is no request that could be read."""
    return [_FRESH, *FIXED, ("Content-Security-Policy", _NOTHING)]


def _sharing(request: Request, origins: Origins) -> list[Header]:
    """Which other origins' pages may read the response (CORS): any one of what is open, named ones of all."""
    path, named = request.target.partition("?")[0], origins.names(request.headers)
    if named:
        return [
            ("Access-Control-Allow-Origin", named),
            ("Access-Control-Allow-Headers", "authorization, content-type"),
            ("Vary", "Origin"),
        ]
    if path in _SHARED or is_open_call(path):
        return [("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Headers", "content-type")]
    return []
