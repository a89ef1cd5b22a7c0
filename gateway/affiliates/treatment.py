"""How the venue treats an affiliated maker otherwise than clients, in words: what `venue/get_rules` discloses."""

from dataclasses import asdict, dataclass
from typing import Any

CIRCULAR = "SFC circular 26EC6 of 11 February 2026"


@dataclass(frozen=True)
class Treatment:
    """One subject: what the venue does, whom it favours (clients, affiliate or nobody), and by what source."""

    subject: str
    treatment: str
    favours: str
    source: str


def _by(paragraph: str) -> str:
    return f"{CIRCULAR}, paragraph 7({paragraph})"


_POST_ONLY = "Its opening orders are post-only limit orders: it makes prices and never takes a client's."
_ANY_ORDER = "It may place every kind of order that a client may place."
_ALWAYS = (
    Treatment(
        "priority",
        "At one price all quantity of client orders, shown or hidden, is filled before any quantity of an order of the "
        "operator's group. Each of the two queues goes by time, and a refill goes to the end of its own. An order at a "
        "better price comes first, whoever's it is.",
        "clients",
        _by("e"),
    ),
    Treatment(
        "post_trade_data",
        "A trade whose maker belongs to the operator's group says affiliated_maker true, in channels, histories and "
        "over HTTP; every trade has the field.",
        "clients",
        _by("f"),
    ),
    Treatment(
        "pre_trade_transparency",
        "It sees the same book, trades and prices through the same channels at the same time, and no order, stop or "
        "position of a client.",
        "nobody",
        _by("g"),
    ),
    Treatment(
        "admission",
        "It trades a contract only under an approval of two officers for that contract, from a day through a day. The "
        "operator and its custodian never open a position.",
        "clients",
        _by("c"),
    ),
    Treatment(
        "governance",
        "Each approval names the responsible officer for conflicts, and the document on the information barriers "
        "between it and the operator's staff.",
        "clients",
        f"{_by('c')} and (d)",
    ),
    Treatment(
        "suspension",
        "One officer suspends it at once: its approvals end and its orders are cancelled. It has a kill switch of its "
        "own. Its quotes may so disappear at any time, and the book can then be thin.",
        "nobody",
        _by("g"),
    ),
    Treatment(
        "fees",
        "Fees are those of the published programme, never of an account.",
        "nobody",
        _by("g"),
    ),
    Treatment(
        "margin_and_liquidation",
        "Margin, limits, liquidation and auto-deleveraging are the same rules as for clients: no preference in the "
        "ranking, none in closing.",
        "nobody",
        _by("g"),
    ),
    Treatment(
        "conflict_of_interest",
        "When it trades with a client, what one gains the other loses: a company of the operator's group may gain from "
        "clients' losses. A daily report to the operator has its share of the volume and what its fills gained.",
        "nobody",
        _by("g"),
    ),
)


def treatments(post_only: bool, excluding: list[str]) -> list[dict[str, Any]]:
    """All of them as in force: whether it must be post-only, and the contracts whose impact prices leave it out."""
    style = Treatment("order_placing", _POST_ONLY if post_only else _ANY_ORDER, "nobody", _by("g"))
    names = ", ".join(excluding)
    left_out = f"Its quotes are left out of the impact prices behind mark and funding in {names}; in others they count."
    impact = left_out if excluding else "Its quotes count in the impact prices behind mark and funding, as clients' do."
    price = Treatment("impact_prices", impact, "clients" if excluding else "nobody", _by("g"))
    return [asdict(row) for row in (*_ALWAYS, style, price)]
