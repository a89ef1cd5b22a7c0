"""The admission ladder row by row, judged again from the figures of a record alone.

It states the rulebook's section 5 in plain words for the reader of a record; a test compares it with the engine's
decisions. A rule that depends on the whole book or on the order's form is shown as it was decided.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.codes import (
    NIL,
    Affiliation,
    ExecInst,
    InvestorClass,
    MarketState,
    OrdType,
    Reason,
    Restriction,
    Side,
    VenueState,
)
from engine.units import SUBTICKS
from gateway.audit_trail.columns import Record

_FAR_NS = 4_000_000_000_000_000_000  # beyond the year 2096
_ELIGIBILITY = range(6, 16)
"""The rows that ask who may open risk; who may not may still close."""
PASSED, FAILED, SKIPPED, UNREACHED = "passed", "failed", "does not apply", "not reached"
_KNOWING = (InvestorClass.QUALIFIED_CORPORATE, InvestorClass.INSTITUTIONAL)
_FORM = (
    Reason.UNSUPPORTED_ORDER, Reason.BAD_TICK, Reason.BAD_LOT, Reason.BAD_EXPIRY, Reason.QTY_TOO_SMALL,
    Reason.QTY_TOO_LARGE, Reason.DUPLICATE_ID, Reason.TRIGGER_WOULD_FIRE, Reason.CAPACITY,
)  # fmt: skip


@dataclass(frozen=True)
class Rung:
    """One row of the ladder: what was checked, on which figures, with which result."""

    row: int
    check: str
    outcome: str
    reason: str = ""
    figures: str = ""


class _Case:
    """A record's figures, with the questions that the rows ask about them."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.flags = int(record.get("order_flags") or record.get("flags") or 0)
        self.opens = not self.flags & ExecInst.REDUCE_ONLY
        self.waits = bool(self.flags & ExecInst.CONDITIONAL)
        self.buys = record.get("order_side") == Side.BUY
        self.decided = Reason[record["reason"]] if record.get("reason") else Reason.NONE
        self.shrinks = self._shrinks()
        self.made_reduce_only = False

    def close_only(self) -> None:
        """Rows 6 to 15 refuse the order, but it only closes: from here on it is judged as a reduce-only one."""
        self.opens, self.shrinks, self.made_reduce_only = False, False, True

    def __getitem__(self, name: str) -> int:
        return int(self.record.get(name, 0))

    def _shrinks(self) -> bool:
        """Whether an amendment only reduces the quantity: then only its form is judged."""
        record, before = self.record, self["order_was_open_lots"]
        if record["command"] != "AMEND" or not before or int(record["flags"]) & ExecInst.FORFEIT_PRIORITY:
            return False
        return self["order_asked_ticks"] == self["order_was_price_ticks"] and self["order_lots"] <= before

    def until(self, name: str) -> bool:
        """Whether a date is in force."""
        return self["time_ns"] < self[name]


_Answer = tuple[Reason, str]
_Check = Callable[[_Case], _Answer]
_FINE = Reason.NONE


def _known(case: _Case) -> _Answer:
    text = f"account state {case['account_state']}, contract state {_state(case)}"
    if case["account_state"] != 1:
        return (Reason.ACCOUNT_CLOSED if case["account_state"] == 2 else Reason.UNKNOWN_ACCOUNT), text
    known = case.record.get("contract_state", MarketState.DRAFT) != MarketState.DRAFT
    return (_FINE if known else Reason.UNKNOWN_CONTRACT), text


def _state(case: _Case) -> str:
    return MarketState(case["contract_state"]).name if "contract_state" in case.record else "none"


def _restricted(case: _Case) -> _Answer:
    restriction = Restriction(case["account_restriction"])
    frozen = restriction == Restriction.FROZEN or case["client_frozen"]
    of_client = "frozen" if case["client_frozen"] else "not frozen"
    return (Reason.ACCOUNT_RESTRICTED if frozen else _FINE), f"restriction {restriction.name}, client {of_client}"


def _suspended(case: _Case) -> _Answer:
    suspended = case["account_restriction"] == Restriction.SUSPENDED
    stopped = suspended and case.until("account_reducing_stopped_until_ns")
    if case.opens:
        stopped = suspended or case["account_kill_switch"] != 0 or case["client_kill_switch"] != 0
    text = f"kill switch {case['account_kill_switch']}, of the client {case['client_kill_switch']}"
    if suspended:
        text += f", reducing stopped until {when(case['account_reducing_stopped_until_ns'])}"
    return (Reason.ACCOUNT_SUSPENDED if stopped else _FINE), text


def _liquidating(case: _Case) -> _Answer:
    flagged = case["account_in_liquidation"]
    if flagged:
        return Reason.ACCOUNT_IN_LIQUIDATION, "flagged for liquidation"
    if case.opens and case["account_restriction"] == Restriction.REDUCE_ONLY:
        return Reason.ACCOUNT_RESTRICTED, "the account may only reduce"
    return _FINE, "not flagged"


def _market(case: _Case) -> _Answer:
    state = case["contract_state"]
    text = f"venue {VenueState(case['venue_state']).name}, contract {_state(case)}"
    if case["venue_state"] == VenueState.HALTED:
        return Reason.VENUE_HALTED, text
    if state in (MarketState.HALTED, MarketState.SETTLED):
        return Reason.MARKET_HALTED, text
    if state == MarketState.CANCEL_ONLY:
        return Reason.MARKET_CANCEL_ONLY, text
    if state == MarketState.REDUCE_ONLY and case.opens:
        return Reason.MARKET_REDUCE_ONLY, text
    if state == MarketState.POST_ONLY and not case.flags & ExecInst.POST_ONLY:
        return Reason.MARKET_POST_ONLY, text
    return _FINE, text


def _identified(case: _Case) -> _Answer:
    text = f"identified until {when(case['account_kyc_until_ns'])}"
    text += f", screened until {when(case['account_screening_until_ns'])}"
    if not case.until("account_kyc_until_ns"):
        return Reason.KYC_NOT_VALID, text
    return (_FINE if case.until("account_screening_until_ns") else Reason.SCREENING_STALE), text


def _residence(case: _Case) -> _Answer:
    permitted = case["account_jurisdiction_permitted"]
    text = "permitted" if permitted else "not permitted"
    return (_FINE if permitted else Reason.JURISDICTION_NOT_PERMITTED), text


def _class(case: _Case) -> _Answer:
    held = InvestorClass(case["account_investor_class"])
    return (_FINE if held else Reason.NOT_PROFESSIONAL_INVESTOR), f"class {held.name}"


def _withdrawn(case: _Case) -> _Answer:
    withdrawn = case["account_pi_withdrawn"]
    return (Reason.PI_WITHDRAWN if withdrawn else _FINE), "withdrawn by the client" if withdrawn else "not withdrawn"


def _evidence(case: _Case) -> _Answer:
    text = f"evidence until {when(case['account_evidence_until_ns'])}"
    if case["account_evidence_until_ns"] == 0:
        return Reason.PI_EVIDENCE_MISSING, text
    return (_FINE if case.until("account_evidence_until_ns") else Reason.PI_EVIDENCE_EXPIRED), text


def _confirmed(case: _Case) -> _Answer:
    fresh = case.until("account_confirmation_until_ns")
    text = f"confirmed until {when(case['account_confirmation_until_ns'])}"
    return (_FINE if fresh else Reason.PI_CONFIRMATION_OVERDUE), text


def _knowledge(case: _Case) -> _Answer:
    skips = case["account_investor_class"] in _KNOWING
    exempt = case["account_investor_class"] == InvestorClass.INSTITUTIONAL and case["venue_institutions_skip"]
    text = (
        f"virtual assets {case['account_va_knowledge']}, person {case.record.get('person', 0)} knows derivatives until "
        f"{when(case['person_knowledge_until_ns'])}, risk profile {case['account_risk_profile']}, agreement "
        f"{case['account_agreement']}"
    )
    if not case["account_va_knowledge"] and not skips:
        return Reason.VA_KNOWLEDGE_REQUIRED, text
    if not case.until("person_knowledge_until_ns") and not exempt:
        return Reason.DERIVATIVES_KNOWLEDGE_REQUIRED, text
    if not case["account_risk_profile"] and not skips:
        return Reason.RISK_PROFILE_MISMATCH, text
    return (_FINE if case["account_agreement"] else Reason.AGREEMENT_MISSING), text


def _disclosed(case: _Case) -> _Answer:
    kinds = ("product", "loss", "affiliate") if case["contract_affiliate_present"] else ("product", "loss")
    pairs = [(case[f"account_disclosure_{kind}"], case[f"contract_disclosure_{kind}"]) for kind in kinds]
    text = ", ".join(f"{kind} {held} of {asked}" for kind, (held, asked) in zip(kinds, pairs, strict=True))
    behind = any(held < asked for held, asked in pairs)
    return (Reason.DISCLOSURE_NOT_ACKNOWLEDGED if behind else _FINE), text


def _affiliated(case: _Case) -> _Answer:
    owner = Affiliation(case["account_affiliation"])
    if owner in (Affiliation.OPERATOR, Affiliation.CUSTODY):
        return Reason.AFFILIATE_PROHIBITED, f"owner {owner.name}"
    if owner == Affiliation.CLIENT:
        return _FINE, f"owner {owner.name}"
    text = f"owner {owner.name}, approved from {when(case['affiliate_from_ns'])}"
    text += f" until {when(case['affiliate_until_ns'])}"
    approved = case["affiliate_from_ns"] <= case["time_ns"] < case["affiliate_until_ns"]
    return (_FINE if approved else Reason.AFFILIATE_NOT_APPROVED), text


def _style(case: _Case) -> _Answer:
    bound = case["venue_affiliate_post_only"] and case["account_affiliation"] == Affiliation.GROUP_COMPANY
    plain = case["order_type"] == OrdType.LIMIT and case.flags & ExecInst.POST_ONLY
    text = f"post-only limit orders {'are' if bound else 'are not'} asked for, this {'is' if plain else 'is not'} one"
    return (Reason.AFFILIATE_ORDER_STYLE if bound and not plain else _FINE), text


def when(time_ns: int) -> str:
    """A date of the trail, in UTC; 0 means that none was given."""
    if time_ns <= 0:
        return "never"
    if time_ns >= _FAR_NS:
        return "for ever"
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _form(case: _Case) -> _Answer:
    text = "type, time in force, flags, price, quantity, ids and room, as the engine judged them"
    return (case.decided if case.decided in _FORM else _FINE), text


def _reference(case: _Case) -> _Answer:
    missing = case["contract_needs_index"] and not case["contract_mark_subticks"]
    text = f"mark {case['contract_mark_subticks']} subticks, index {case['contract_index_subticks']} subticks"
    if case.waits and case.decided == Reason.REFERENCE_PRICE_UNAVAILABLE:
        return case.decided, "the price that the trigger watches does not exist"
    return (Reason.REFERENCE_PRICE_UNAVAILABLE if missing and case.opens else _FINE), text


def _band(case: _Case) -> _Answer:
    price, edge = case["order_asked_ticks"], case["contract_max_buy_ticks" if case.buys else "contract_min_sell_ticks"]
    text = f"price {price}, a {'buy at most' if case.buys else 'sell at least'} {edge}"
    if price > edge if case.buys else price < edge:
        return Reason.PRICE_OUT_OF_BAND, text
    most, value = case["contract_max_order_value_micros"], case["order_value_micros"]
    if most and value > most:
        return Reason.ORDER_VALUE_LIMIT, f"value {value} of at most {most} micros"
    return _FINE, text


def _limits(case: _Case) -> _Answer:
    open_orders, most = case["account_open_orders"], case["account_max_open_orders"]
    text = f"{open_orders} open orders of at most {most}"
    if case.record["command"] == "NEW" and open_orders >= most:
        return Reason.TOO_MANY_ORDERS, text
    if case.waits:
        return _FINE, text
    held = max(case["position_held_lots"], 0) + case["position_buy_lots"]
    if not case.buys:
        held = max(-case["position_held_lots"], 0) + case["position_sell_lots"]
    worst = held + case["order_lots"] - case["order_was_open_lots"]
    text += f"; position at worst {worst} of at most {case['contract_max_position_lots']} lots"
    if worst > case["contract_max_position_lots"]:
        return Reason.POSITION_LIMIT, text
    reason, more = _wider_limits(case, worst)
    return reason, text + more


def _wider_limits(case: _Case, worst: int) -> _Answer:
    """The limits of the group, of the account over all contracts, of the contract over all accounts, of leverage."""
    text, size = "", case["position_held_lots"]
    either = max(worst, max(size, 0) + case["position_buy_lots"], max(-size, 0) + case["position_sell_lots"])
    if "group_max_lots" in case.record:
        total, most = either + case["group_others_lots"], case["group_max_lots"]
        text += f"; group at worst {total} of at most {most} lots"
        if total > most:
            return Reason.GROUP_POSITION_LIMIT, text
    own = -(-case["contract_mark_subticks"] * abs(either) * case["contract_micros_per_tick_lot"] // SUBTICKS)
    for whose, words in (("account", "exposure"), ("client", "exposure of the client's accounts")):
        others = f"{whose}_others_exposure_micros"
        if others in case.record and case["account_investor_class"] not in _KNOWING:
            total, most = own + case[others], case[f"{whose}_max_exposure_micros"]
            text += f"; {words} at worst {total} of at most {most} micros"
            if total > most:
                return Reason.EXPOSURE_LIMIT, text
    interest, cap = case["contract_open_interest_lots"], case["contract_max_open_interest_lots"]
    if cap:
        text += f"; open interest {interest} and this order of at most {cap} lots"
        if interest + case["order_lots"] > cap:
            return Reason.OPEN_INTEREST_CAP, text
    chosen, most = case["order_leverage"], case["account_max_leverage"]
    if most and not case["contract_margin_free"] and chosen > most:
        return Reason.LEVERAGE_LIMIT, f"{text}; leverage {chosen} of at most {most}"
    return _FINE, text


def _reducing(case: _Case) -> _Answer:
    held = case["position_held_lots"]
    text = f"position {held} lots"
    return (_FINE if held and (held > 0) != case.buys else Reason.REDUCE_ONLY_WOULD_INCREASE), text


def _book(case: _Case) -> _Answer:
    best = case.record.get("contract_best_ask_ticks" if case.buys else "contract_best_bid_ticks", NIL)
    text = f"best opposite price {best if best != NIL else 'none'}"
    return (case.decided if case.decided in (Reason.POST_ONLY_WOULD_CROSS, Reason.FOK_CANNOT_FILL) else _FINE), text


def _margin(case: _Case) -> _Answer:
    if "need_micros" not in case.record or case.made_reduce_only:
        short = case.decided == Reason.INSUFFICIENT_MARGIN
        return (case.decided if short else _FINE), "a reducing order may cost no more than the equity there is"
    need, have = case["need_micros"], case["have_micros"]
    text = f"need {need}, have {have} micros"
    if have >= need:
        return _FINE, text
    left = _closable(case)
    text += f"; {max(left, 0)} lots of the position are left to close"
    if case["order_lots"] > left:
        return Reason.INSUFFICIENT_MARGIN, text
    text += ", so it is reduce-only and may cost no more than the equity there is"
    return (case.decided if case.decided == Reason.INSUFFICIENT_MARGIN else _FINE), text


def _only_closes(case: _Case) -> bool:
    """Whether the order lies wholly within what may be closed; its form is not judged yet."""
    return case.record.get("order_side") in (Side.BUY, Side.SELL) and 0 < case["order_lots"] <= _closable(case)


def _closable(case: _Case) -> int:
    """The position less the account's other orders of this side: what an order may close whatever the margin."""
    held = -case["position_held_lots"] if case.buys else case["position_held_lots"]
    others = case["position_buy_lots" if case.buys else "position_sell_lots"] - case["order_was_open_lots"]
    return held - others - case["position_reduce_only_lots"]


_ROWS: tuple[tuple[int, str, _Check, str], ...] = (
    (1, "account and contract exist", _known, "all"),
    (2, "no legal freeze", _restricted, "all"),
    (3, "not suspended", _suspended, "all"),
    (4, "not in liquidation", _liquidating, "all"),
    (5, "state of venue and contract", _market, "all"),
    (6, "identified and screened", _identified, "opens"),
    (7, "residence permitted", _residence, "opens"),
    (8, "professional investor", _class, "opens"),
    (9, "status not withdrawn", _withdrawn, "opens"),
    (10, "evidence in date", _evidence, "opens"),
    (11, "yearly confirmation", _confirmed, "opens"),
    (12, "knowledge, risk profile, agreement", _knowledge, "opens"),
    (13, "disclosures acknowledged", _disclosed, "opens"),
    (14, "affiliation", _affiliated, "opens"),
    (15, "affiliated maker's order style", _style, "opens"),
    (16, "form, ids, capacity", _form, "all"),
    (17, "index and mark exist", _reference, "working"),
    (18, "price band and order value", _band, "book"),
    (19, "limits", _limits, "working opens"),
    (20, "reduces a position", _reducing, "book reduces"),
    (21, "post-only and fill-or-kill", _book, "book"),
    (22, "margin", _margin, "book margin"),
)


def judge(record: Record) -> list[Rung]:
    """Every row of the ladder for a NEW or AMEND record; the rows after the first failure are not reached."""
    case, failed = _Case(record), False
    if record["command"] == "AMEND" and "order_flags" not in record:
        return [_unknown_order(record)]
    if record.get("order_form_broken"):
        return _broken(case)
    rungs: list[Rung] = []
    for row, check, function, scope in _ROWS:
        if failed:
            rungs.append(Rung(row, check, UNREACHED))
        elif not _applies(case, scope):
            rungs.append(Rung(row, check, SKIPPED))
        else:
            reason, text = function(case)
            if reason != Reason.NONE and row in _ELIGIBILITY and _only_closes(case):
                text += f"; {reason.name} for what opens, but it lies within the {_closable(case)} lots that are left "
                text += "to close, so it is reduce-only"
                case.close_only()
                reason = _FINE
            failed = reason != Reason.NONE
            rungs.append(Rung(row, check, FAILED if failed else PASSED, reason.name if failed else "", text))
    return rungs


def _applies(case: _Case, scope: str) -> bool:
    """Whether a row is for this order: those that open, work at the book, or do so with margin."""
    words = scope.split()
    if ("opens" in words and not case.opens) or ("reduces" in words and case.opens):
        return False
    if case.shrinks and words[0] in ("working", "book"):
        return False
    if "margin" in words and case["contract_margin_free"]:
        return False
    return not (case.waits and "book" in words)


def _unknown_order(record: Record) -> Rung:
    """An amendment of an order that the account does not have is judged only by the rows about the account."""
    text = "a mass cancel in the queue takes it" if record.get("order_is_leaving") else "no such waiting order"
    return Rung(1, "account exists and has the order", FAILED, str(record.get("reason", "")), text)


def _broken(case: _Case) -> list[Rung]:
    """A malformed order is refused before the ladder, but an amendment's account is judged first."""
    if case.record["command"] == "AMEND" and _restricted(case)[0] != Reason.NONE:
        return [Rung(2, "no legal freeze", FAILED, _restricted(case)[0].name, _restricted(case)[1])]
    return [Rung(16, "form", FAILED, case.decided.name, "a label without its row, or what cannot be amended")]


def verdict(record: Record) -> str:
    """The reason that follows from the figures: that of the first row that fails, empty when all pass."""
    return next((rung.reason for rung in judge(record) if rung.outcome == FAILED), "")
