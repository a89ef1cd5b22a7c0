"""The JSON of an account's money: what summaries, portfolios and the channel `user.portfolio` have in common."""

from collections.abc import Sequence

from gateway.wire.decimals import Contract, micros_text
from gateway.wire.views import AccountView

MARGIN_MODEL = b"segregated_sm"
"""One currency, one margin for all of its contracts, by brackets: the protocol's name for that."""
_OPTIONS = (
    b'"options_pl":0,"options_session_rpl":0,"options_session_upl":0,"options_delta":0,"options_gamma":0,'
    b'"options_theta":0,"options_vega":0,"options_value":0,"options_gamma_map":{},"options_theta_map":{},'
    b'"options_vega_map":{}'
)


def account(currency: str, view: AccountView, contracts: Sequence[Contract], more: bytes = b"") -> bytes:
    """The money of an account in one currency; `more` are further fields.

    `delta_total` is what the positions are worth at their marks, `delta_total_map` their sizes in base currency.
    """
    own = [(contracts[slot], lots, mark) for slot, lots, mark in view.deltas]
    delta = sum(contract.notional_micros(mark, lots) * (1 if lots > 0 else -1) for contract, lots, mark in own)
    sizes = b",".join(
        b'"%b":%b' % (contract.index_name.encode(), contract.amount_text(lots)) for contract, lots, _ in own
    )
    total = view.unrealised_micros + view.realised_micros
    return (
        b'{"currency":"%b","equity":%b,"margin_balance":%b,"balance":%b,"available_funds":%b,'
        b'"available_withdrawal_funds":%b,"maintenance_margin":%b,"initial_margin":%b,"session_upl":%b,'
        b'"session_rpl":%b,"total_pl":%b,"futures_session_upl":%b,"futures_session_rpl":%b,"futures_pl":%b,'
        b'"projected_maintenance_margin":%b,"projected_initial_margin":%b,"delta_total":%b,"projected_delta_total":%b,'
        b'"delta_total_map":{%b},%b,"fee_balance":0,"spot_reserve":0,"additional_reserve":0,"margin_model":"%b",'
        b'"portfolio_margining_enabled":false,"cross_collateral_enabled":false%b}'
    ) % (
        currency.encode(), *[micros_text(value).encode() for value in (
            view.equity_micros, view.equity_micros, view.cash_micros, view.available_micros, view.withdrawable_micros,
            view.maintenance_margin_micros, view.initial_margin_micros, view.unrealised_micros, view.realised_micros,
            total, view.unrealised_micros, view.realised_micros, total, view.maintenance_margin_micros,
            view.initial_margin_micros, delta, delta,
        )],
        sizes, _OPTIONS, MARGIN_MODEL, more,
    )  # fmt: skip
