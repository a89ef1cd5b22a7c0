"""What officers ask of a running venue: the parameters of the questions under `venue/admin/` that are no changes."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gateway.office.officer_params import Account, Continuation, Instrument, Reason

Count = Annotated[int, Meta(description="at most so many", ge=1, le=1000)]


class Ask(Struct, kw_only=True, gc=False, forbid_unknown_fields=True):
    """Parameters of a question; what it does not know is refused."""


class PreviewChange(Ask, kw_only=True):
    change: Annotated[str, Meta(description="the change's name, such as set_contract_state", max_length=40)]
    params: Annotated[dict[str, Any], Meta(description="its parameters, as the method of that name takes them")]


class ListSessions(Ask, kw_only=True):
    pass


class EndSession(Ask, kw_only=True):
    session: Annotated[int, Meta(description="the session's number, as list_sessions says it", ge=1, le=1 << 53)]
    reason: Reason


class ListRisks(Ask, kw_only=True):
    count: Count = 50
    continuation: Continuation | None = None


class ListForcedTrades(Ask, kw_only=True):
    instrument_name: Instrument | None = None
    count: Count = 100
    continuation: Continuation | None = None


class ListParameters(Ask, kw_only=True):
    instrument_name: Annotated[str, Meta(description="left out: the venue's own", max_length=64)] | None = None


class ExplainAccount(Ask, kw_only=True):
    account: Account


class ListOrders(Ask, kw_only=True):
    account: Account
    count: Count = 100
    offset: Annotated[int, Meta(description="leave out so many of the latest that ended", ge=0, le=1 << 53)] = 0


class ExplainOrder(Ask, kw_only=True):
    by: Annotated[Literal["order", "sequence"], Meta(description="what the number names")] = "order"
    number: Annotated[
        int, Meta(description="an order's id, or a command's sequence in the log", ge=1, le=(1 << 63) - 1)
    ]


class ListClients(Ask, kw_only=True):
    name: Annotated[str, Meta(description="only clients with this in their name or an account's", max_length=64)] = ""
    after: Annotated[str, Meta(description="only clients behind this name, for the next page", max_length=64)] = ""
    count: Count = 100


class ListAffiliates(Ask, kw_only=True):
    pass


class ListAlerts(Ask, kw_only=True):
    state: Annotated[Literal["open", "reviewed", "dismissed", "escalated", "all"], Meta(description="only these")] = (
        "open"
    )
    count: Annotated[int, Meta(description="the latest so many", ge=1, le=1000)] = 100
    continuation: Continuation | None = None


class GetAlert(Ask, kw_only=True):
    number: Annotated[int, Meta(description="the alert's number", ge=1, le=1 << 53)]


class ReviewAlert(Ask, kw_only=True):
    number: Annotated[int, Meta(description="the alert's number", ge=1, le=1 << 53)]
    state: Annotated[Literal["reviewed", "dismissed", "escalated"], Meta(description="what became of it")]
    note: Annotated[str, Meta(description="why, in words; kept with the review", min_length=1, max_length=500)]
