"""One command of every kind, for tests that must not forget any."""

from engine.codes import (
    AccountAttribute,
    ClientAttribute,
    CommandKind,
    ContractParameter,
    PriceSource,
    TimeInForce,
    VenueParameter,
)
from tests import build
from tests.build import BUY, SECOND, SELL, START_NS, Rows


def every_kind() -> dict[CommandKind, Rows]:
    """A command of each kind, on the stage that `flow.stage` sets."""
    of = build.directive
    return {
        CommandKind.NONE: build.command(CommandKind.NONE),
        CommandKind.NEW: build.labelled(
            build.new(0, BUY, 10, 970, cl_ord_id=99, tif=TimeInForce.GTD, expire_ns=START_NS + 900 * SECOND), "kinds"
        ),
        CommandKind.AMEND: build.amend(0, cl_ord_id=99, qty_lots=8, price_ticks=971),
        CommandKind.CANCEL: build.cancel(0, cl_ord_id=99),
        CommandKind.MASS_CANCEL: build.mass_cancel(1, side=SELL),
        CommandKind.LABEL: build.command(CommandKind.LABEL),
        CommandKind.TIME: build.time(time_ns=START_NS + 30 * SECOND),
        CommandKind.ACCOUNT_OPEN: of(CommandKind.ACCOUNT_OPEN, account_slot=9, value=2),
        CommandKind.ACCOUNT_SET: build.account_set(2, AccountAttribute.GROUP, 3),
        CommandKind.PERSON_SET: build.person(2),
        CommandKind.GROUP_SET: build.group_set(1, 0, 5000),
        CommandKind.KEY_REVOKE: build.key_revoked(1, 1),
        CommandKind.CLIENT_SET: build.client_set(1, ClientAttribute.MAX_EXPOSURE_MICROS, 1 << 50),
        CommandKind.AFFILIATE_APPROVAL: build.approval(4, 0, START_NS + 90 * SECOND),
        CommandKind.ATTEST: of(CommandKind.ATTEST, code=1, value=7, reason=3, digest=(1, 2, 3, 4)),
        CommandKind.SWITCH: of(CommandKind.SWITCH, account_slot=3, code=2, value=1, person=1, key=1, source_time_ns=77),
        CommandKind.DEPOSIT: build.deposit(3, 1_000_000),
        CommandKind.WITHDRAW: of(CommandKind.WITHDRAW, account_slot=3, amount_micros=500_000),
        CommandKind.TRANSFER: of(CommandKind.TRANSFER, account_slot=3, contract_slot=1, amount_micros=1000),
        CommandKind.SET_LEVERAGE: of(CommandKind.SET_LEVERAGE, account_slot=3, contract_slot=1, person=1, value=5),
        CommandKind.SET_MARGIN_MODE: of(CommandKind.SET_MARGIN_MODE, account_slot=5, contract_slot=1, value=1),
        CommandKind.FUND_DEPOSIT: of(CommandKind.FUND_DEPOSIT, amount_micros=7_000_000),
        CommandKind.CONTRACT_CREATE: of(CommandKind.CONTRACT_CREATE, contract_slot=2),
        CommandKind.CONTRACT_SET: build.contract_set(2, ContractParameter.MAX_PRICE_TICKS, 5000),
        CommandKind.CONTRACT_LIST: of(CommandKind.CONTRACT_LIST, contract_slot=2),
        CommandKind.CONTRACT_STATE: build.contract_state(0, 2),
        CommandKind.VENUE_STATE: build.venue_state(2),
        CommandKind.VENUE_SET: of(CommandKind.VENUE_SET, code=VenueParameter.MARK_TICK_NS, value=SECOND),
        CommandKind.INDEX_PRICE: of(
            CommandKind.INDEX_PRICE,
            contract_slot=1,
            code=PriceSource.MARK,
            price_subticks=1_000_500,
            source_time_ns=START_NS + 29 * SECOND,
        ),
    }
