"""What a client raises: a venue's refusal, and a connection that is gone."""

from typing import Any

from gateway.wire.reasons import in_words

HANDED_OVER = "HANDED_OVER"
"""The refusal of a node that has handed the venue over while a request waited: it was not taken there."""


class RpcError(Exception):
    """The venue's error answer: `code`, `reason`, the parameter at fault, its value, the limit and what would pass."""

    def __init__(self, error: dict[str, Any]) -> None:
        data = error.get("data") or {}
        self.code = int(error["code"])
        self.reason = str(data.get("reason", error["message"]))
        self.param = data.get("param")
        self.wait_ms = int(data.get("wait_ms", 0))
        self.value, self.limit, self.remedy = (data.get(name) for name in ("value", "limit", "remedy"))
        words = data.get("message") or in_words(self.reason)
        parts = (f"{error['message']} ({self.code})", self.param, self.reason, words)
        super().__init__(": ".join(filter(None, parts)))


class Disconnected(Exception):  # noqa: N818 - a state of the connection
    """The connection was lost; whether the request was served is not known. Look for orders by their `cl_ord_id`."""
