"""The codes as plain ints, for code that runs once per row: `EXEC_ICEBERG` is `ExecInst.ICEBERG` and so on.

A comparison with an enum's member costs Python several times as much as one with an int, and each row of the log and
of the event stream takes several. In compiled code both are the same: numba freezes a global into the code.

Prefixes: `COMMAND_` CommandKind, `EVENT_` EventKind, `FLAG_` EventFlag, `REASON_` Reason, `SIDE_` Side, `TYPE_`
OrdType, `TIF_` TimeInForce, `EXEC_` ExecInst, `STATUS_` OrdStatus, `MARKET_` MarketState, `SOURCE_` PriceSource,
`SELF_TRADE_` SelfTrade. Sets of bits end in `_BITS`.
"""

from engine.codes import (
    CommandKind,
    EventFlag,
    EventKind,
    ExecInst,
    MarketState,
    OrdStatus,
    OrdType,
    PriceSource,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
)

COMMAND_NEW = int(CommandKind.NEW)
COMMAND_AMEND = int(CommandKind.AMEND)
COMMAND_CANCEL = int(CommandKind.CANCEL)
COMMAND_MASS_CANCEL = int(CommandKind.MASS_CANCEL)
COMMAND_LABEL = int(CommandKind.LABEL)
COMMAND_ATTEST = int(CommandKind.ATTEST)
COMMAND_ACCOUNT_OPEN = int(CommandKind.ACCOUNT_OPEN)
COMMAND_ACCOUNT_SET = int(CommandKind.ACCOUNT_SET)
COMMAND_KEY_REVOKE = int(CommandKind.KEY_REVOKE)
COMMAND_CONTRACT_STATE = int(CommandKind.CONTRACT_STATE)
COMMAND_TIME = int(CommandKind.TIME)
COMMAND_INDEX_PRICE = int(CommandKind.INDEX_PRICE)
COMMAND_CLIENT_SET = int(CommandKind.CLIENT_SET)
COMMAND_WITHDRAW = int(CommandKind.WITHDRAW)
COMMAND_TRANSFER = int(CommandKind.TRANSFER)
COMMAND_PERSON_SET = int(CommandKind.PERSON_SET)
COMMAND_SET_LEVERAGE = int(CommandKind.SET_LEVERAGE)
COMMAND_SET_MARGIN_MODE = int(CommandKind.SET_MARGIN_MODE)

EVENT_ACCEPTED = int(EventKind.ACCEPTED)
EVENT_REJECTED = int(EventKind.REJECTED)
EVENT_FILL = int(EventKind.FILL)
EVENT_RESTED = int(EventKind.RESTED)
EVENT_CANCELLED = int(EventKind.CANCELLED)
EVENT_AMENDED = int(EventKind.AMENDED)
EVENT_REPEATED = int(EventKind.REPEATED)
EVENT_MASS_CANCELLED = int(EventKind.MASS_CANCELLED)
EVENT_REFILLED = int(EventKind.REFILLED)
EVENT_NOTICE_FIRST = int(EventKind.NOTICE_FIRST)
EVENT_REFUSED = int(EventKind.REFUSED)
EVENT_ELIGIBILITY_LAPSED = int(EventKind.ELIGIBILITY_LAPSED)

FLAG_TAKER = int(EventFlag.TAKER)
FLAG_RESTING = int(EventFlag.RESTING)
FLAG_FORCED = int(EventFlag.FORCED)
FLAG_DELEVERAGING = int(EventFlag.DELEVERAGING)
FLAG_UNTRIGGERED = int(EventFlag.UNTRIGGERED)
FLAG_DONE = int(EventFlag.DONE)
FLAG_AMEND = int(EventFlag.AMEND)
FLAG_SLID = int(EventFlag.SLID)
FLAG_MADE_REDUCE_ONLY = int(EventFlag.MADE_REDUCE_ONLY)
FLAG_INVOLUNTARY_BITS = FLAG_FORCED | FLAG_DELEVERAGING
"""A fill with one of these was a liquidation's or a deleveraging's: nobody chose it."""

REASON_BY_CLIENT = int(Reason.BY_CLIENT)
REASON_MASS_CANCEL = int(Reason.MASS_CANCEL)
REASON_DISCONNECT = int(Reason.DISCONNECT)
REASON_LIQUIDATION = int(Reason.LIQUIDATION)
REASON_NO_LIQUIDITY = int(Reason.NO_LIQUIDITY)
REASON_IOC_REMAINDER = int(Reason.IOC_REMAINDER)
REASON_AMENDED_AWAY = int(Reason.AMENDED_AWAY)
REASON_SANCTIONS = int(Reason.SANCTIONS)
REASON_ACCOUNT_RESTRICTED = int(Reason.ACCOUNT_RESTRICTED)

SIDE_BUY = int(Side.BUY)
SIDE_SELL = int(Side.SELL)

TYPE_MARKET = int(OrdType.MARKET)
TYPE_LIMIT = int(OrdType.LIMIT)
TYPE_STOP_MARKET = int(OrdType.STOP_MARKET)
TYPE_TAKE_MARKET = int(OrdType.TAKE_MARKET)
TYPE_STOP_LIMIT = int(OrdType.STOP_LIMIT)
TYPE_TAKE_LIMIT = int(OrdType.TAKE_LIMIT)
TYPE_TRAILING_STOP = int(OrdType.TRAILING_STOP)

TIF_GTC = int(TimeInForce.GTC)
TIF_IOC = int(TimeInForce.IOC)
TIF_FOK = int(TimeInForce.FOK)
TIF_GTD = int(TimeInForce.GTD)

EXEC_REDUCE_ONLY = int(ExecInst.REDUCE_ONLY)
EXEC_POST_ONLY = int(ExecInst.POST_ONLY)
EXEC_ICEBERG = int(ExecInst.ICEBERG)
EXEC_LABELLED = int(ExecInst.LABELLED)
EXEC_AFFILIATE = int(ExecInst.AFFILIATE)
EXEC_CONDITIONAL = int(ExecInst.CONDITIONAL)
EXEC_REJECT_POST_ONLY = int(ExecInst.REJECT_POST_ONLY)
EXEC_FORFEIT_PRIORITY = int(ExecInst.FORFEIT_PRIORITY)
EXEC_QTY_IS_LEAVES = int(ExecInst.QTY_IS_LEAVES)
EXEC_KEEP_PROTECTION = int(ExecInst.KEEP_PROTECTION)
EXEC_CONFIRMED = int(ExecInst.CONFIRMED)
EXEC_ROW_BITS = 127
"""What an order's row keeps: the low seven."""
EXEC_NEW_BITS = (
    EXEC_REDUCE_ONLY | EXEC_POST_ONLY | EXEC_ICEBERG | EXEC_LABELLED | EXEC_REJECT_POST_ONLY | EXEC_CONFIRMED
)
"""What a client may set on a NEW."""
EXEC_AMEND_BITS = EXEC_FORFEIT_PRIORITY | EXEC_QTY_IS_LEAVES | EXEC_CONFIRMED
"""What a client may set on an AMEND."""
EXEC_MASS_CANCEL_BITS = EXEC_LABELLED | EXEC_KEEP_PROTECTION
"""What a client may set on a MASS_CANCEL."""

STATUS_NEW = int(OrdStatus.NEW)
STATUS_PARTIALLY_FILLED = int(OrdStatus.PARTIALLY_FILLED)
STATUS_FILLED = int(OrdStatus.FILLED)
STATUS_CANCELED = int(OrdStatus.CANCELED)
STATUS_REJECTED = int(OrdStatus.REJECTED)
STATUS_UNTRIGGERED = int(OrdStatus.UNTRIGGERED)

MARKET_DRAFT = int(MarketState.DRAFT)
MARKET_OPEN = int(MarketState.OPEN)
MARKET_POST_ONLY = int(MarketState.POST_ONLY)
MARKET_REDUCE_ONLY = int(MarketState.REDUCE_ONLY)
MARKET_CANCEL_ONLY = int(MarketState.CANCEL_ONLY)
MARKET_HALTED = int(MarketState.HALTED)
MARKET_SETTLED = int(MarketState.SETTLED)

SOURCE_MARK = int(PriceSource.MARK)
SOURCE_INDEX = int(PriceSource.INDEX)
SOURCE_LAST = int(PriceSource.LAST)

SELF_TRADE_CANCEL_MAKER = int(SelfTrade.CANCEL_MAKER)
