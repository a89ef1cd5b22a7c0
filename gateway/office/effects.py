"""What a change would do if it were carried out now, in words and values: for the officer who is about to ask for it.

Nothing is written. The plan is the one that would be carried out, so what is shown is what would be done.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from engine.codes import (
    NIL,
    AccountAttribute,
    Asset,
    ClientAttribute,
    CommandKind,
    MarketState,
    Restriction,
    VenueState,
)
from gateway.office.changes import Plan
from gateway.office.directive_names import named
from gateway.registry.registry import Intent, Registry
from gateway.wire.decimals import decimal_text, micros_text

_STATES = {
    MarketState.OPEN: "orders are taken and matched",
    MarketState.POST_ONLY: "only orders that do not trade at once are taken; resting orders stay",
    MarketState.REDUCE_ONLY: "only orders that reduce a position are taken; resting orders that open are cancelled",
    MarketState.CANCEL_ONLY: "no order is taken and nothing is matched; resting orders stay and can be cancelled",
    MarketState.HALTED: "no order is taken and nothing is matched; resting orders stay and can be cancelled",
    MarketState.SETTLED: "the contract ends: its positions are closed at the mean of the index over 30 minutes",
}
_GOES_ON = "index, mark, funding and liquidations go on; triggers wait until the contract is open again"
_RESTRICTIONS = {
    Restriction.NONE: "it may open positions again, as far as the admission rules let it",
    Restriction.REDUCE_ONLY: "it only reduces; its orders that open are cancelled",
    Restriction.SUSPENDED: "it only reduces; its orders that open are cancelled",
    Restriction.FROZEN: "every order is cancelled, nothing is traded and nothing is paid out",
    Restriction.CLOSED: "the account is closed for good",
}


_MONEY = {CommandKind.DEPOSIT, CommandKind.WITHDRAW, CommandKind.FUND_DEPOSIT}


def effects(plan: Plan) -> list[str]:
    """One sentence for each thing that a plan does to orders and markets."""
    return list(dict.fromkeys(text for intent in plan.intents for text in _effects(intent)))


def _effects(intent: Intent) -> Iterator[str]:
    if intent.kind == CommandKind.CONTRACT_STATE:
        yield _STATES.get(MarketState(intent.code), "")
        if intent.code not in (MarketState.OPEN, MarketState.SETTLED):
            yield _GOES_ON
        if intent.sweeps:
            yield "every resting order of the contract is cancelled"
    elif intent.kind == CommandKind.VENUE_STATE:
        yield from _of_venue(intent)
    elif intent.kind == CommandKind.ACCOUNT_SET and intent.code == AccountAttribute.RESTRICTION:
        yield _RESTRICTIONS[Restriction(intent.value)]
    elif intent.kind == CommandKind.CLIENT_SET and intent.code == ClientAttribute.FROZEN:
        yield _RESTRICTIONS[Restriction.FROZEN] if intent.value else _RESTRICTIONS[Restriction.NONE]
    elif (intent.kind, intent.code) in _KILLS:
        yield (
            "no new order is taken, and what opens is cancelled; protective stops and reducing go on"
            if (intent.value)
            else "orders are taken again; cancelled ones do not come back"
        )


_KILLS = {
    (CommandKind.ACCOUNT_SET, AccountAttribute.KILL_SWITCH),
    (CommandKind.CLIENT_SET, ClientAttribute.KILL_SWITCH),
}


def _of_venue(intent: Intent) -> Iterator[str]:
    if intent.code == VenueState.OPEN:
        yield "every contract takes orders again, as its own state says"
        return
    yield "no contract takes orders or matches; cancels always work"
    if intent.sweeps:
        yield "every resting order of the venue is cancelled"


def directives(registry: Registry, intents: Iterable[Intent]) -> list[dict[str, Any]]:
    """Each directive of a plan by names, with the value in force now (None: never set) and the one after it.

    Money has no value in force: what moves is told as a decimal amount.
    """
    contracts = {record.slot: record.name for record in registry.contracts()}
    accounts: dict[int, str | None] = {NIL: None}
    for intent in intents:
        if intent.account_slot not in accounts:
            found = registry.one("SELECT name FROM accounts WHERE slot = ?", intent.account_slot)
            accounts[intent.account_slot] = found[0] if found else None
    return [
        {
            **named(intent), "account": accounts[intent.account_slot],
            "instrument_name": contracts.get(intent.contract_slot), "index": intent.item,
            "before": None if intent.kind in _MONEY else _shown(intent, registry.known_value(intent)),
            "after": _shown(intent, _value(intent)),
        }
        for intent in intents
    ]  # fmt: skip


def _value(intent: Intent) -> int:
    states = (CommandKind.CONTRACT_STATE, CommandKind.VENUE_STATE)
    return intent.code if intent.kind in states else intent.amount_micros or intent.value


def _shown(intent: Intent, value: int | None) -> int | str | None:
    """A state by its name, money as an amount, any other value as it is."""
    if value is None:
        return None
    if intent.kind in _MONEY:
        return f"{decimal_text(value, -8)} {Asset(intent.item).name}" if intent.item else micros_text(value)
    if intent.kind == CommandKind.CONTRACT_STATE:
        return MarketState(value).name.lower()
    if intent.kind == CommandKind.VENUE_STATE:
        return VenueState(value).name.lower()
    if intent.kind == CommandKind.ACCOUNT_SET and intent.code == AccountAttribute.RESTRICTION:
        return Restriction(value).name.lower()
    return value
