"""The venue's own methods: admission, reasons, rules, and resuming after a lost connection."""

from collections.abc import Callable, Iterable
from typing import Any

from engine.codes import NIL, Reason
from gateway.affiliates.treatment import treatments
from gateway.market_data.account_messages import FACTS, retold
from gateway.read_model import render
from gateway.sessions import method_table
from gateway.sessions.methods.common import contract_of, count_of, id_of
from gateway.sessions.report_pages import ReportPages
from gateway.sessions.slices import Slices
from gateway.sessions.state import Call, SessionState
from gateway.wire.channels import Channel, NoChannelError, parse
from gateway.wire.decimals import Contract, micros_text, ppb_text
from gateway.wire.errors import MEANINGS, bad_param, code_of
from gateway.wire.jsonrpc_answers import encode
from gateway.wire.reasons import PUBLIC_REASONS, REASONS
from gateway.wire.views import ContractTerms, RuleState


def rules(states: Iterable[RuleState]) -> list[dict[str, object]]:
    """Rules of the ladder as a client reads them: what each means, whether it is met, and what to do if not."""
    return [
        {
            "reason": Reason(state.reason).name,
            "met": state.is_met,
            "meaning": REASONS[Reason(state.reason)][0],
            "remedy": "" if state.is_met else REASONS[Reason(state.reason)][1],
            "detail": state.detail,
        }
        for state in states
    ]


def get_admission(session: SessionState, params: method_table.AdmissionParams, call: Call) -> bytes:
    """Each rule of the ladder for this account, whether it is met, and what to do if not."""
    slot = contract_of(call.projection, params.instrument_name).slot if params.instrument_name else NIL
    states = call.projection.admission(session.account_slot, slot, session.signer.person)
    warnings = call.projection.warnings(session.account_slot)
    soon = render.array(render.lapse_warning(warning, call.projection.now_ns) for warning in warnings)
    may_open = all(state.is_met for state in states)
    return b'{"may_open":%b,"rules":%b,"warnings":%b}' % (encode(may_open), encode(rules(states)), soon)


def explain_account(session: SessionState, params: method_table.Params, call: Call) -> bytes:
    """The same statement as `lionrock explain --json`, as of the sequence in it."""
    return encode(call.projection.explanation(session.account_slot))


def get_reject_reasons(session: SessionState, params: method_table.Params, call: Call) -> bytes:
    """Every reason with its number, the error code that carries it, its meaning and remedy."""
    return encode(
        [
            {
                "reason": reason.name,
                "number": int(reason),
                "code": int(code_of(reason)),
                "message": code_of(reason).name.lower(),
                "meaning": meaning,
                "remedy": remedy,
            }
            for reason, (meaning, remedy) in PUBLIC_REASONS.items()
        ]
    )


def get_rules(session: SessionState, params: method_table.Params, call: Call) -> bytes:
    """What is in force: each contract's terms, how affiliated makers are treated otherwise, and the error codes."""
    known = [(contract, call.projection.terms(contract.slot)) for contract in call.projection.contracts()]
    contracts = render.array(_rules(contract, terms) for contract, terms in known)
    excluding = [contract.name for contract, terms in known if terms.excludes_affiliates]
    affiliates = encode(treatments(call.projection.is_post_only_for_affiliates(), excluding))
    codes = encode({str(int(code)): f"{code.name.lower()}: {text}" for code, text in MEANINGS.items()})
    return b'{"contracts":%b,"affiliated_makers":%b,"error_codes":%b}' % (contracts, affiliates, codes)


def _rules(contract: Contract, terms: ContractTerms) -> bytes:
    brackets = render.array(
        b'{"from_notional":%b,"max_leverage":%d,"maintenance_margin_rate":%b}'
        % (micros_text(floor).encode(), leverage, ppb_text(rate).encode())
        for floor, leverage, rate in terms.brackets
    )
    return (
        b'{"instrument_name":%b,"state":"%b","tick_size":%b,"amount_step":%b,"min_amount":%b,"max_amount":%b,'
        b'"max_position":%b,"price_band":%b,"taker_fee":%b,"maker_fee":%b,"liquidation_fee":%b,'
        b'"funding_interval_s":%d,"affiliated_maker":%b,"brackets":%b}'
    ) % (
        contract.json_name, render.MARKET_STATE[terms.state], contract.price_text(1), contract.amount_text(1),
        contract.amount_text(terms.min_order_lots), contract.amount_text(terms.max_order_lots),
        contract.amount_text(terms.max_position_lots), ppb_text(terms.band_ppb).encode(),
        ppb_text(terms.taker_fee_ppb).encode(), ppb_text(terms.maker_fee_ppb).encode(),
        ppb_text(terms.liquidation_fee_ppb).encode(), terms.funding_interval_s, encode(terms.has_affiliate), brackets,
    )  # fmt: skip


_ALL_FACTS = ("user.orders.any.any.raw", "user.trades.any.any.raw", "user.notices")


def resume(session: SessionState, params: method_table.ResumeParams, call: Call) -> Slices:
    """What the account's own channels said after a sequence and up to `until`, oldest first, as the pushes said it.

    `sequence` of the answer asks for the next part. Without `sequence` the answer is the venue's present one alone.
    Trades are all kept, so that what only trades are wanted of is never too long ago.
    """
    projection, slot = call.projection, session.account_slot
    present = projection.durable_seq
    after = id_of(params.sequence, "sequence", present)
    until = id_of(params.until, "until", present)
    channels = [_channel(name, call, slot) for name in (_ALL_FACTS if params.channels is None else params.channels)]
    are_all_kept = all(FACTS[channel.kind] == {"trade"} for channel in channels)

    def floor() -> int:
        return 0 if are_all_kept else projection.reports_floor(slot)

    _check_range(after, until, present, floor())
    part = ReportPages(projection, slot, (after, until), count_of(params.count, 1000, 10_000))
    events = (event for page in part.pages(floor) for event in retold(channels, projection, page))
    return Slices(b'{"events":', events, part.end)


def _channel(name: str, call: Call, account_slot: int) -> Channel:
    try:
        channel = parse(name, call.projection.contract, account_slot)
    except NoChannelError as error:
        raise bad_param("channels", f"{name[:60]}: {error}") from None
    if channel.kind not in FACTS:
        raise bad_param("channels", f"{name[:60]}: it says a state, not facts; subscribe to it again")
    return channel


def _check_range(after: int, until: int, present: int, floor: int) -> None:
    """Refuse what would be answered with a part of it, or with nothing, as if that were all."""
    for name, sequence in (("sequence", after), ("until", until)):
        if sequence > present:
            why = f"{sequence} is ahead of this venue, whose last sequence is {present}"
            raise bad_param(name, f"{why}; ask for orders, trades and positions anew and follow from {present}")
    if until < after:
        raise bad_param("until", f"{until} is before sequence {after}")
    if after < floor:
        why = f"{after} is too long ago: reports after {floor} are kept"
        raise bad_param("sequence", f"{why}; ask for orders, trades and positions anew and follow from {present}")


HANDLERS: dict[str, Callable[..., Any]] = {
    "venue/get_admission": get_admission,
    "venue/explain_account": explain_account,
    "venue/get_reject_reasons": get_reject_reasons,
    "venue/get_rules": get_rules,
    "venue/resume": resume,
}
