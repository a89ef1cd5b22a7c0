"""Error answers: the integer codes of the wire protocol and which of them each reason of the rulebook becomes.

A refusal names the field, the value, the limit and what would pass: in one readable line, `data.message`, and each by
itself in `data.param`, `data.value`, `data.limit` and `data.remedy`. `data.reason` carries the rulebook's reason, or
the line itself where the rulebook has none.
"""

from enum import IntEnum

from msgspec import Struct

from engine.codes import Reason, Side
from gateway.wire.plain_text import plain
from gateway.wire.reasons import REASONS


class ErrorCode(IntEnum):
    """Codes that existing clients know; the names are the messages on the wire."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    QTY_TOO_LOW = 10002
    ORDER_NOT_FOUND = 10004
    PRICE_TOO_LOW = 10005
    PRICE_TOO_HIGH = 10007
    NOT_ENOUGH_FUNDS = 10009
    ALREADY_CLOSED = 10010
    BOOK_CLOSED = 10012
    INVALID_INSTRUMENT = 10020
    TOO_MANY_REQUESTS = 10028
    RETRY = 10040
    HALTED = 10041
    PRICE_WRONG_TICK = 10043
    INVALID_ARGUMENTS = 11029
    NOT_OPEN_ORDER = 11044
    POST_ONLY_REJECT = 11054
    INTERNAL_SERVER_ERROR = 11094
    INVALID_CREDENTIALS = 13004
    UNAUTHORIZED = 13009
    FORBIDDEN = 13021


MEANINGS = {
    ErrorCode.PARSE_ERROR: "the message is not JSON",
    ErrorCode.INVALID_REQUEST: "the message is not a JSON-RPC 2.0 request",
    ErrorCode.METHOD_NOT_FOUND: "this venue has no such method",
    ErrorCode.INVALID_PARAMS: "a parameter is missing, unknown, of the wrong type or out of range; see data",
    ErrorCode.QTY_TOO_LOW: "the amount is below the contract's minimum",
    ErrorCode.ORDER_NOT_FOUND: "the account has no such order",
    ErrorCode.PRICE_TOO_LOW: "a sell below the price band",
    ErrorCode.PRICE_TOO_HIGH: "a buy above the price band",
    ErrorCode.NOT_ENOUGH_FUNDS: "the account's margin does not carry it",
    ErrorCode.ALREADY_CLOSED: "the order is filled or cancelled already",
    ErrorCode.BOOK_CLOSED: "the contract is settled",
    ErrorCode.INVALID_INSTRUMENT: "no such contract; public/get_instruments lists them",
    ErrorCode.TOO_MANY_REQUESTS: "over the rate limit; data.wait_ms says how long to wait",
    ErrorCode.RETRY: "the venue cannot take the request now; send it again",
    ErrorCode.HALTED: "the venue or the contract does not take this order in its present state",
    ErrorCode.PRICE_WRONG_TICK: "the price is not a multiple of the contract's tick",
    ErrorCode.INVALID_ARGUMENTS: "the order or request is not one that the rules allow; see data.reason",
    ErrorCode.NOT_OPEN_ORDER: "only an open order can be amended",
    ErrorCode.POST_ONLY_REJECT: "the post-only order would trade at once",
    ErrorCode.INTERNAL_SERVER_ERROR: "a fault of the venue, which its log has under data.request",
    ErrorCode.INVALID_CREDENTIALS: "unknown key, wrong secret or signature, or a login seen before",
    ErrorCode.UNAUTHORIZED: "log in first, or the token has expired",
    ErrorCode.FORBIDDEN: "the key's scope or the account's admission does not allow it; see data.reason",
}

_HALTED = (
    Reason.VENUE_HALTED,
    Reason.MARKET_HALTED,
    Reason.MARKET_CANCEL_ONLY,
    Reason.MARKET_REDUCE_ONLY,
    Reason.MARKET_POST_ONLY,
    Reason.REFERENCE_PRICE_UNAVAILABLE,
    Reason.CAPACITY,
)
_FORBIDDEN = (
    Reason.ORDER_VALUE_LIMIT,
    Reason.TOO_MANY_ORDERS,
    Reason.POSITION_LIMIT,
    Reason.GROUP_POSITION_LIMIT,
    Reason.EXPOSURE_LIMIT,
    Reason.OPEN_INTEREST_CAP,
    Reason.LEVERAGE_LIMIT,
    Reason.SANCTIONS,
    Reason.KEY_REVOKED,
)
_CODES = {
    Reason.UNKNOWN_CONTRACT: ErrorCode.INVALID_INSTRUMENT,
    Reason.BAD_TICK: ErrorCode.PRICE_WRONG_TICK,
    Reason.QTY_TOO_SMALL: ErrorCode.QTY_TOO_LOW,
    Reason.POST_ONLY_WOULD_CROSS: ErrorCode.POST_ONLY_REJECT,
    Reason.INSUFFICIENT_MARGIN: ErrorCode.NOT_ENOUGH_FUNDS,
    Reason.WITHDRAWAL_LIMIT: ErrorCode.NOT_ENOUGH_FUNDS,
    Reason.UNKNOWN_ORDER: ErrorCode.ORDER_NOT_FOUND,
    **dict.fromkeys(_HALTED, ErrorCode.HALTED),
    **dict.fromkeys(_FORBIDDEN, ErrorCode.FORBIDDEN),
    **{reason: ErrorCode.FORBIDDEN for reason in Reason if 1000 < reason < 1100},
}


def code_of(reason: int, side: int = 0) -> ErrorCode:
    """The wire code of a rulebook reason: admission refusals are FORBIDDEN, a price outside the band says which way."""
    if reason == Reason.PRICE_OUT_OF_BAND:
        return ErrorCode.PRICE_TOO_LOW if side == Side.SELL else ErrorCode.PRICE_TOO_HIGH
    return _CODES.get(Reason(reason), ErrorCode.INVALID_ARGUMENTS)


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """A request that is answered with an error: code, the parameter at fault and the reason with its remedy.

    The reason is one line that prints, whatever of the request it quotes.
    """

    def __init__(self, code: ErrorCode, reason: str, param: str = "", **data: object) -> None:
        reason = plain(reason)
        super().__init__(f"{param}: {reason}" if param else reason)
        self.code = code
        self.reason = reason
        self.param = param
        self.data = data


def bad_param(param: str, reason: str) -> Refusal:
    """The refusal of one parameter."""
    return Refusal(ErrorCode.INVALID_PARAMS, reason, param)


class Explanation(Struct, frozen=True, gc=False):
    """Why a request is refused: the parameter at fault, its value, the limit that it meets, and what would pass."""

    param: str
    value: str
    limit: str
    fault: str
    remedy: str

    @property
    def message(self) -> str:
        """All of it in one readable line."""
        return f"{self.fault}; {self.remedy}" if self.remedy else self.fault


def refusal_of(reason: Reason, why: Explanation | None, side: int = 0) -> Refusal:
    """The answer to a request that the rules refuse, with the figures where they are known, else in general words."""
    code = code_of(reason, side)
    if why is None:
        meaning, remedy = REASONS.get(reason, ("", ""))
        words = {"message": f"{meaning} {remedy}".strip(), "remedy": remedy} if meaning else {}
        return Refusal(code, reason.name, **words)
    figures = {"value": why.value, "limit": why.limit, "remedy": why.remedy}
    return Refusal(code, reason.name, why.param, message=why.message, **figures)
