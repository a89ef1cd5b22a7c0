"""From commands and what they did to rows of the trail, compiled: each decision with its figures, then what happened.

The figures of a decision are those of the state on which the command was judged: after the work that was due before
it. The figures of an event are those right after the due work or the command that caused it.
"""

import numpy as np

from engine.code_values import (
    COMMAND_ATTEST,
    COMMAND_CLIENT_SET,
    COMMAND_INDEX_PRICE,
    COMMAND_LABEL,
    COMMAND_MASS_CANCEL,
    COMMAND_NEW,
    COMMAND_TIME,
    EVENT_ACCEPTED,
    EVENT_AMENDED,
    EVENT_CANCELLED,
    EVENT_ELIGIBILITY_LAPSED,
    EVENT_FILL,
    EVENT_NOTICE_FIRST,
    EVENT_REFUSED,
    EVENT_REJECTED,
    EVENT_REPEATED,
    EXEC_LABELLED,
    EXEC_REDUCE_ONLY,
    FLAG_MADE_REDUCE_ONLY,
    REASON_BY_CLIENT,
)
from engine.codes import NIL, CommandKind, EventKind
from engine.kernels import part
from engine.statements.decision_figures import ORDER as HAS_ASKED
from engine.statements.decision_figures import read_standing
from gateway.audit_trail import trail_rows as words
from gateway.audit_trail.trail_rows import (
    CODE_NAMES,
    COMMAND_NAMES,
    EVENT_NAMES,
    HAS_ANSWER,
    HAS_DIGEST,
    HAS_DIRECTIVE,
    HAS_EQUITY,
    HAS_EVENT,
    HAS_FILL,
    HAS_MADE,
    HAS_NO_LABEL,
    HAS_NOTICE,
    HAS_ORDER,
    HAS_REASON,
    NUMBER_WORD,
    REASON_NAMES,
    SIDE_NAMES,
    TIF_NAMES,
    TYPE_NAMES,
)

_KINDS = 128
QUIET_EVENTS = (
    EventKind.ACCEPTED, EventKind.REPEATED, EventKind.REJECTED, EventKind.RESTED, EventKind.AMENDED, EventKind.REFILLED,
    EventKind.MASS_CANCELLED, EventKind.ATTESTED,
)  # fmt: skip
"""What the decision on the command tells already."""
MARKET_DATA = (EventKind.INDEX_RECORDED, EventKind.INDEX_CHANGED, EventKind.MARK_CHANGED, EventKind.PREMIUM_SAMPLED)
ORDER_COMMANDS = (CommandKind.NEW, CommandKind.AMEND, CommandKind.CANCEL, CommandKind.MASS_CANCEL)
ACCOUNT_COMMANDS = (
    CommandKind.ACCOUNT_OPEN, CommandKind.ACCOUNT_SET, CommandKind.DEPOSIT, CommandKind.WITHDRAW, CommandKind.TRANSFER,
    CommandKind.SET_LEVERAGE, CommandKind.SET_MARGIN_MODE, CommandKind.AFFILIATE_APPROVAL,
    CommandKind.KEY_REVOKE, CommandKind.SWITCH,
)  # fmt: skip
"""Directives about an account."""
_ANSWERS: dict[int, int] = {
    CommandKind.ACCOUNT_OPEN: EventKind.ACCOUNT_OPENED,
    CommandKind.ACCOUNT_SET: EventKind.ACCOUNT_CHANGED,
    CommandKind.PERSON_SET: EventKind.PERSON_CHANGED,
    CommandKind.KEY_REVOKE: EventKind.KEY_REVOKED,
    CommandKind.GROUP_SET: EventKind.GROUP_CHANGED,
    CommandKind.CLIENT_SET: EventKind.CLIENT_CHANGED,
    CommandKind.DEPOSIT: EventKind.CASH_CHANGED,
    CommandKind.WITHDRAW: EventKind.CASH_CHANGED,
    CommandKind.TRANSFER: EventKind.CASH_CHANGED,
    CommandKind.SET_LEVERAGE: EventKind.LEVERAGE_CHANGED,
    CommandKind.SET_MARGIN_MODE: EventKind.MARGIN_MODE_CHANGED,
    CommandKind.FUND_DEPOSIT: EventKind.FUND_CHANGED,
    CommandKind.AFFILIATE_APPROVAL: EventKind.AFFILIATE_APPROVED,
    CommandKind.CONTRACT_CREATE: EventKind.CONTRACT_CREATED,
    CommandKind.CONTRACT_SET: EventKind.CONTRACT_CHANGED,
    CommandKind.CONTRACT_LIST: EventKind.CONTRACT_LISTED,
    CommandKind.CONTRACT_STATE: EventKind.CONTRACT_STATE_CHANGED,
    CommandKind.VENUE_STATE: EventKind.VENUE_STATE_CHANGED,
    CommandKind.VENUE_SET: EventKind.VENUE_CHANGED,
    CommandKind.INDEX_PRICE: EventKind.INDEX_RECORDED,
    CommandKind.ATTEST: EventKind.ATTESTED,
    CommandKind.SWITCH: EventKind.SWITCHED,
}
"""The notice that says that a directive took effect."""


def _marked(*codes: int) -> np.ndarray:
    table = np.zeros(_KINDS, np.bool_)
    table[list(codes)] = True
    return table


def _answers() -> np.ndarray:
    table = np.zeros(_KINDS, np.int8)
    table[list(_ANSWERS)] = list(_ANSWERS.values())
    return table


_IS_QUIET, _IS_MARKET_DATA = _marked(*QUIET_EVENTS), _marked(*MARKET_DATA)
_IS_ORDER, _IS_OF_ACCOUNT = _marked(*ORDER_COMMANDS), _marked(*ACCOUNT_COMMANDS)
_ANSWER_OF = _answers()
_HAS_EQUITY = _marked(
    EventKind.LIQUIDATION_FLAGGED, EventKind.LIQUIDATION_STARTED, EventKind.LIQUIDATION_CURED, EventKind.MARGIN_CALL
)
"""The notice has the cross pool's equity and maintenance margin at its own instant; the state may be later."""
_CODED_KINDS, _KNOWN_CODES = CODE_NAMES.shape


@part
def _is_in(table, kind):
    return 0 <= kind < _KINDS and table[kind]


@part
def _name(table, code):
    """The word of a code's name, or of its number when it has none."""
    if 0 <= code < len(table) and table[code] >= 0:
        return np.int64(table[code])
    return NUMBER_WORD + code


# --- the scope ----------------------------------------------------------------------------------------------------


@part
def holds(work, time_ns, account_slot, client):
    """`Scope.holds`: whether something at a time about an account, or a client, is covered."""
    if time_ns < work.from_ns or time_ns >= work.to_ns:
        return False
    if client > 0 and work.account_slot >= 0:
        return client == work.client
    return work.account_slot < 0 or account_slot < 0 or account_slot == work.account_slot


@part
def account_of(c, d):
    """The account that a command is about, NIL when there is none."""
    if _is_in(_IS_ORDER, c.kind):
        return np.int64(c.account_slot)
    return np.int64(d.account_slot) if _is_in(_IS_OF_ACCOUNT, c.kind) else np.int64(NIL)


@part
def client_of(d):
    """The client that a command is about, 0 when there is none."""
    return np.int64(d.index) if d.kind == COMMAND_CLIENT_SET else np.int64(0)


@part
def _is_kept(work, kind):
    """Whether directives of a kind that took effect are in exports of a scope."""
    if kind == COMMAND_ATTEST:
        return work.account_slot < 0
    return kind != COMMAND_INDEX_PRICE or work.with_index != 0


# --- events -------------------------------------------------------------------------------------------------------


@part
def _tell_order_event(s, row, event):
    row.present = 0
    if event.kind == EVENT_FILL:
        row.trade_id, row.fee_micros = event.trade_id, event.fee_micros
        row.position_lots, row.cash_micros = event.position_lots, event.cash_micros
        row.present = HAS_FILL
    else:
        read_standing(s, row, np.int64(event.account_slot), np.int64(event.contract_slot), np.int64(NIL))
    row.present |= HAS_EVENT
    row.shape = words.EVENT_SHAPE
    row.seq, row.time_ns = event.seq, event.time_ns
    row.record, row.command, row.outcome = words.EVENT, _name(EVENT_NAMES, event.kind), words.HAPPENED
    if event.reason != 0:
        row.reason = _name(REASON_NAMES, event.reason)
        row.present |= HAS_REASON
    row.side, row.ord_type = _name(SIDE_NAMES, event.side), _name(TYPE_NAMES, event.ord_type)
    row.tif = _name(TIF_NAMES, event.tif)
    row.account_slot, row.contract_slot = event.account_slot, event.contract_slot
    row.order_id, row.cl_ord_id = event.order_id, event.cl_ord_id
    row.flags, row.price_ticks = event.flags, event.price_ticks
    row.last_lots, row.leaves_lots, row.filled_lots = event.last_lots, event.leaves_lots, event.filled_lots


@part
def _tell_notice(s, row, notice):
    row.present = 0
    if notice.kind == EVENT_ELIGIBILITY_LAPSED:
        read_standing(s, row, np.int64(notice.account_slot), np.int64(notice.contract_slot), np.int64(NIL))
    elif _is_in(_HAS_EQUITY, notice.kind):
        row.account_equity_micros, row.account_maintenance_micros = notice.old_value, max(notice.new_value, 0)
        row.present = HAS_EQUITY
    row.present |= HAS_NOTICE
    row.shape = words.NOTICE_SHAPE
    row.seq, row.time_ns = notice.seq, notice.time_ns
    row.record, row.command, row.outcome = words.EVENT, _name(EVENT_NAMES, notice.kind), words.HAPPENED
    if notice.reason != 0:
        row.reason = _name(REASON_NAMES, notice.reason)
        row.present |= HAS_REASON
    row.code, row.index = NUMBER_WORD + notice.code, notice.index
    row.account_slot, row.contract_slot, row.person = notice.account_slot, notice.contract_slot, notice.person
    row.old_value, row.new_value, row.amount_micros = notice.old_value, notice.new_value, notice.amount_micros
    row.price_subticks, row.other_price_subticks = notice.price_subticks, notice.other_price_subticks
    row.rate_ppb, row.position_lots, row.cash_micros = notice.rate_ppb, notice.position_lots, notice.cash_micros
    row.actor, row.approver, row.reference = notice.actor, notice.approver, notice.reference


@part
def _tell_event(s, work, row, event, notice):
    """Tell an event, if the trail keeps its kind: what ended, traded, changed or was taken. 1 for a row, else 0."""
    if event.kind >= EVENT_NOTICE_FIRST:
        if _IS_MARKET_DATA[event.kind] or not holds(work, notice.time_ns, np.int64(notice.account_slot), 0):
            return 0
        _tell_notice(s, row, notice)
        return 1
    by_client = event.kind == EVENT_CANCELLED and event.reason == REASON_BY_CLIENT
    if by_client or _is_in(_IS_QUIET, event.kind) or not holds(work, event.time_ns, np.int64(event.account_slot), 0):
        return 0
    _tell_order_event(s, row, event)
    return 1


@part
def tell_due(s, work, events, rows, used):
    """Tell what the due work before a command did; returns how many rows are used."""
    orders, notices = events
    for at in range(work.written):
        used += _tell_event(s, work, rows[used], orders[at], notices[at])
    return used


# --- decisions ----------------------------------------------------------------------------------------------------


@part
def _is_answer(kind, event):
    """Whether an event says what became of a directive."""
    answer = _ANSWER_OF[kind] if 0 <= kind < _KINDS else 0
    return event.kind == EVENT_REFUSED or (event.kind >= EVENT_NOTICE_FIRST and event.kind == answer)


@part
def _decides(kind, event):
    """Whether an event is the answer to an order command; a mass cancel's own cancellations are not."""
    if kind == COMMAND_MASS_CANCEL:
        return event.kind == EVENT_REJECTED
    return event.kind in (EVENT_ACCEPTED, EVENT_REPEATED, EVENT_AMENDED, EVENT_CANCELLED, EVENT_REJECTED)


@part
def _outcome(kind):
    if kind == EVENT_REPEATED:
        return words.REPEATED
    if kind == EVENT_AMENDED:
        return words.AMENDED
    if kind == EVENT_CANCELLED:
        return words.CANCELLED
    return words.REFUSED if kind == EVENT_REJECTED else words.ACCEPTED


@part
def _tell_order(work, row, c, events):
    """The decision on an order command: the first of its events that answers it. The row has its figures."""
    orders, _ = events
    at = 0
    while at < work.written and not _decides(c.kind, orders[at]):
        at += 1
    decided = at < work.written
    row.present |= HAS_ORDER
    row.shape = words.ORDER_SHAPE
    row.seq, row.time_ns = c.seq, orders[0].time_ns
    row.record, row.command, row.outcome = words.ORDER, _name(COMMAND_NAMES, c.kind), words.ACCEPTED
    row.account_slot, row.contract_slot, row.person, row.key = c.account_slot, c.contract_slot, c.person, c.key
    row.order_id, row.cl_ord_id = c.order_id, c.cl_ord_id
    row.side, row.ord_type = _name(SIDE_NAMES, c.side), _name(TYPE_NAMES, c.ord_type)
    row.tif, row.flags = _name(TIF_NAMES, c.tif), c.flags
    row.qty_lots, row.price_ticks, row.trigger_price_ticks = c.qty_lots, c.price_ticks, c.trigger_price_ticks
    if c.flags & EXEC_LABELLED and (c.kind == COMMAND_NEW or c.kind == COMMAND_MASS_CANCEL) and not work.has_label:
        row.order_form_broken = 1
        row.present |= HAS_NO_LABEL
    if not decided:
        return
    event = orders[at]
    row.outcome, row.order_id, row.cl_ord_id = _outcome(event.kind), event.order_id, event.cl_ord_id
    if event.reason != 0:
        row.reason = _name(REASON_NAMES, event.reason)
        row.present |= HAS_REASON
    asked_flags = row.order_flags if row.present & HAS_ASKED else 0
    made = (event.kind == EVENT_ACCEPTED or event.kind == EVENT_AMENDED) and event.flags & FLAG_MADE_REDUCE_ONLY
    if made and asked_flags & EXEC_REDUCE_ONLY == 0:
        row.order_made_reduce_only = 1
        row.present |= HAS_MADE


@part
def _tell_answer(row, answer):
    """What became of a directive."""
    if answer.kind == EVENT_REFUSED:
        row.outcome, row.reason = words.REFUSED, _name(REASON_NAMES, answer.reason)
        row.present |= HAS_REASON
    else:
        row.old_value, row.new_value, row.cash_micros = answer.old_value, answer.new_value, answer.cash_micros
        row.present |= HAS_ANSWER


@part
def _tell_directive(work, row, d, events):
    """A directive and whether it took effect: old and new value, who asked, who approved, and why."""
    orders, notices = events
    kind = d.kind
    row.present |= HAS_DIRECTIVE
    row.shape = words.DIRECTIVE_SHAPE
    row.seq, row.time_ns = d.seq, orders[0].time_ns
    row.record, row.command, row.outcome = words.DIRECTIVE, _name(COMMAND_NAMES, kind), words.CHANGED
    coded = 0 <= kind < _CODED_KINDS and 0 <= d.code < _KNOWN_CODES and CODE_NAMES[kind, d.code] >= 0
    row.code = np.int64(CODE_NAMES[kind, d.code]) if coded else NUMBER_WORD + d.code
    row.account_slot = d.account_slot if _is_in(_IS_OF_ACCOUNT, kind) else NIL
    row.new_value, row.contract_slot, row.index, row.person = d.value, d.contract_slot, d.index, d.person
    row.key, row.amount_micros, row.price_subticks = d.key, d.amount_micros, d.price_subticks
    row.actor, row.approver, row.reference = d.actor, d.approver, d.reference
    row.source_time_ns, row.reason_number, row.digest = d.source_time_ns, d.reason, words.NO_WORD
    any_bit = np.int64(0)
    for place in range(words.DIGEST_WORDS):
        row.digest_words[place] = d.digest[place]
        any_bit |= d.digest[place]
    if any_bit != 0:
        row.present |= HAS_DIGEST
    for at in range(work.written):
        if orders[at].kind >= EVENT_NOTICE_FIRST and _is_answer(kind, orders[at]):
            _tell_answer(row, notices[at])
            break


@part
def tell_command(s, work, command, events, rows, used):
    """Tell the decision on a command, whose figures stand in the next row, and its other effects; how many rows are
    used then."""
    c, d = command
    orders, notices = events
    if c.kind != COMMAND_TIME and c.kind != COMMAND_LABEL and work.written and work.is_covered:
        row = rows[used]
        if _is_in(_IS_ORDER, c.kind):
            _tell_order(work, row, c, events)
        else:
            _tell_directive(work, row, d, events)
        if _is_kept(work, c.kind) or row.outcome == words.REFUSED:
            used += 1
    for at in range(work.written):
        if orders[at].kind < EVENT_NOTICE_FIRST or not _is_answer(c.kind, orders[at]):
            used += _tell_event(s, work, rows[used], orders[at], notices[at])
    return used
