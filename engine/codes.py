"""Every code of the venue: FIX names and numbers where FIX has them, the venue's own from 1000.

Codes only, no logic. The numbers are part of the journal's format: a number is never reused.
"""

from enum import IntEnum

NIL = -1
"""The slot that is nowhere, the side that is neither."""


class Side(IntEnum):
    """FIX tag 54."""

    BUY = 1
    SELL = 2


class OrdType(IntEnum):
    """Order types; the numbers of FIX tag 40 where FIX has the type (1 to 4), the venue's beyond."""

    MARKET = 1
    LIMIT = 2
    STOP_MARKET = 3
    STOP_LIMIT = 4
    TAKE_MARKET = 5
    TAKE_LIMIT = 6
    TRAILING_STOP = 7


class TimeInForce(IntEnum):
    """FIX tag 59."""

    GTC = 1
    IOC = 3
    FOK = 4
    GTD = 6


class ExecInst(IntEnum):
    """Bit flags of an order (FIX tag 18 in spirit); the low seven live in the order's row."""

    REDUCE_ONLY = 1
    POST_ONLY = 2
    ICEBERG = 4
    LABELLED = 8
    AFFILIATE = 16
    CONDITIONAL = 32
    REJECT_POST_ONLY = 64
    FORFEIT_PRIORITY = 128
    QTY_IS_LEAVES = 256
    KEEP_PROTECTION = 512
    CONFIRMED = 1024


class SelfTrade(IntEnum):
    """Self-trade prevention modes: which of two orders of one group gives way."""

    CANCEL_MAKER = 0
    CANCEL_TAKER = 1
    CANCEL_BOTH = 2
    DECREMENT = 3


class PriceSource(IntEnum):
    """The price that a conditional order watches."""

    MARK = 0
    INDEX = 1
    LAST = 2


class OrdStatus(IntEnum):
    """FIX tag 39 in spirit: what an order's report says it is now."""

    NEW = 0
    PARTIALLY_FILLED = 1
    FILLED = 2
    CANCELED = 4
    REJECTED = 8
    UNTRIGGERED = 9


class CommandKind(IntEnum):
    """What a row of the log asks for. Rows below ACCOUNT_OPEN have the COMMAND layout, the rest DIRECTIVE."""

    NONE = 0
    NEW = 1
    AMEND = 2
    CANCEL = 3
    MASS_CANCEL = 4
    LABEL = 5
    TIME = 6
    ACCOUNT_OPEN = 16
    ACCOUNT_SET = 17
    PERSON_SET = 18
    GROUP_SET = 19
    DEPOSIT = 20
    WITHDRAW = 21
    TRANSFER = 22
    SET_LEVERAGE = 23
    SET_MARGIN_MODE = 24
    FUND_DEPOSIT = 25
    AFFILIATE_APPROVAL = 26
    CLIENT_SET = 27
    KEY_REVOKE = 28
    ATTEST = 29
    SWITCH = 30
    CONTRACT_CREATE = 32
    CONTRACT_SET = 33
    CONTRACT_LIST = 34
    CONTRACT_STATE = 35
    VENUE_STATE = 36
    VENUE_SET = 37
    INDEX_PRICE = 40


class EventKind(IntEnum):
    """What happened. Kinds below NOTICE_FIRST have the EVENT layout, the rest NOTICE."""

    NONE = 0
    ACCEPTED = 1
    REJECTED = 2
    FILL = 3
    RESTED = 4
    CANCELLED = 5
    AMENDED = 6
    REDUCED = 7
    REFILLED = 8
    TRIGGERED = 9
    REPEATED = 11
    MASS_CANCELLED = 12
    NOTICE_FIRST = 32
    REFUSED = 33
    ACCOUNT_OPENED = 34
    ACCOUNT_CHANGED = 35
    PERSON_CHANGED = 36
    GROUP_CHANGED = 37
    CASH_CHANGED = 38
    LEVERAGE_CHANGED = 39
    MARGIN_MODE_CHANGED = 40
    FUND_CHANGED = 41
    CONTRACT_CREATED = 42
    CONTRACT_CHANGED = 43
    CONTRACT_LISTED = 44
    CONTRACT_STATE_CHANGED = 45
    VENUE_STATE_CHANGED = 46
    VENUE_CHANGED = 47
    INDEX_RECORDED = 48
    INDEX_CHANGED = 49
    MARK_CHANGED = 50
    PREMIUM_SAMPLED = 51
    FUNDING_RATE = 52
    FUNDING_PAID = 53
    LIQUIDATION_FLAGGED = 54
    LIQUIDATION_STARTED = 55
    LIQUIDATION_CURED = 56
    LIQUIDATION_FEE = 57
    FUND_PAID = 58
    DELEVERAGED = 59
    ELIGIBILITY_LAPSED = 60
    MARGIN_CALL = 61
    POSITION_SETTLED = 62
    DELEVERAGING_EXHAUSTED = 63
    AFFILIATE_APPROVED = 64
    COLLATERAL_TAKEN = 65
    CLIENT_CHANGED = 66
    KEY_REVOKED = 67
    PERSON_LAPSED = 68
    ATTESTED = 69
    SWITCHED = 70


class EventFlag(IntEnum):
    """Bits of an event's `flags` beyond the order's own ExecInst bits (which fill bits 0 to 10)."""

    TAKER = 1 << 12
    RESTING = 1 << 13
    FORCED = 1 << 14
    DELEVERAGING = 1 << 15
    UNTRIGGERED = 1 << 16
    DONE = 1 << 17
    AMEND = 1 << 18
    SLID = 1 << 19
    MADE_REDUCE_ONLY = 1 << 20


class Reason(IntEnum):
    """Why: of refusals in blocks by owner, of cancellations from 1300. The gateway tells meaning and remedy."""

    NONE = 0
    # The account and the client.
    UNKNOWN_ACCOUNT = 1001
    ACCOUNT_CLOSED = 1002
    ACCOUNT_RESTRICTED = 1003
    ACCOUNT_SUSPENDED = 1004
    ACCOUNT_IN_LIQUIDATION = 1005
    KYC_NOT_VALID = 1006
    SCREENING_STALE = 1007
    JURISDICTION_NOT_PERMITTED = 1008
    NOT_PROFESSIONAL_INVESTOR = 1009
    PI_WITHDRAWN = 1010
    PI_EVIDENCE_MISSING = 1011
    PI_EVIDENCE_EXPIRED = 1012
    PI_CONFIRMATION_OVERDUE = 1013
    VA_KNOWLEDGE_REQUIRED = 1014
    DERIVATIVES_KNOWLEDGE_REQUIRED = 1015
    RISK_PROFILE_MISMATCH = 1016
    AGREEMENT_MISSING = 1017
    DISCLOSURE_NOT_ACKNOWLEDGED = 1018
    AFFILIATE_PROHIBITED = 1019
    AFFILIATE_NOT_APPROVED = 1020
    AFFILIATE_ORDER_STYLE = 1021
    # The market's state.
    UNKNOWN_CONTRACT = 1101
    VENUE_HALTED = 1102
    MARKET_HALTED = 1103
    MARKET_CANCEL_ONLY = 1104
    MARKET_REDUCE_ONLY = 1105
    MARKET_POST_ONLY = 1106
    REFERENCE_PRICE_UNAVAILABLE = 1107
    # The order.
    UNSUPPORTED_ORDER = 1201
    BAD_TICK = 1202
    BAD_LOT = 1203
    BAD_EXPIRY = 1204
    QTY_TOO_SMALL = 1205
    QTY_TOO_LARGE = 1206
    DUPLICATE_ID = 1207
    TRIGGER_WOULD_FIRE = 1208
    CAPACITY = 1209
    PRICE_OUT_OF_BAND = 1210
    ORDER_VALUE_LIMIT = 1211
    TOO_MANY_ORDERS = 1212
    POSITION_LIMIT = 1213
    GROUP_POSITION_LIMIT = 1214
    EXPOSURE_LIMIT = 1215
    OPEN_INTEREST_CAP = 1216
    LEVERAGE_LIMIT = 1217
    REDUCE_ONLY_WOULD_INCREASE = 1218
    POST_ONLY_WOULD_CROSS = 1219
    FOK_CANNOT_FILL = 1220
    INSUFFICIENT_MARGIN = 1221
    UNKNOWN_ORDER = 1222
    WITHDRAWAL_LIMIT = 1223
    # Why an order ended or shrank although nobody refused it.
    BY_CLIENT = 1301
    MASS_CANCEL = 1302
    NO_LIQUIDITY = 1303
    IOC_REMAINDER = 1304
    SELF_TRADE = 1305
    OUT_OF_BAND = 1306
    EXPIRED = 1307
    REDUCE_ONLY_EXCESS = 1308
    AMENDED_AWAY = 1309
    LIQUIDATION = 1310
    ELIGIBILITY = 1311
    MARKET_STATE = 1312
    DISCONNECT = 1313
    SANCTIONS = 1314
    KEY_REVOKED = 1315
    # Directives: parameters, listing, money, index.
    BAD_COMMAND = 1401
    BAD_PARAMETER = 1402
    BAD_AMOUNT = 1403
    ALREADY_EXISTS = 1404
    BASE_NOT_ELIGIBLE = 1411
    BAD_UNIT = 1412
    BAD_RANGE = 1413
    BAD_INTERVAL = 1414
    BAD_BRACKETS = 1415
    THIN_INDEX = 1416
    BAND_TOO_WIDE = 1417
    MARK_CLAMP_TOO_WIDE = 1418
    LIQUIDATION_FEE_TOO_HIGH = 1419
    FEES_NEGATIVE = 1420
    IMPACT_NOTIONAL_TOO_SMALL = 1421
    DISCLOSURE_VERSIONS_MISSING = 1422
    NOT_LISTED = 1423
    HAS_POSITION = 1424
    SOURCE_WEIGHT_TOO_HIGH = 1425
    SETTLEMENT_UNDER_WAY = 1426
    UNKNOWN_SOURCE = 1431
    PRICE_IMPLAUSIBLE = 1432
    STALE_PRICE = 1433
    COLLATERAL_NOT_ACCEPTED = 1441
    CONCENTRATION_CAP = 1442
    HAIRCUT_TOO_LOW = 1443
    VALUES_COLLATERAL = 1444
    RESEARCH_ONLY = 1451


class MarketState(IntEnum):
    """States of a contract; DRAFT is before listing."""

    DRAFT = 0
    OPEN = 1
    POST_ONLY = 2
    REDUCE_ONLY = 3
    CANCEL_ONLY = 4
    HALTED = 5
    SETTLED = 6


class VenueState(IntEnum):
    """States of the whole venue."""

    OPEN = 1
    HALTED = 2


class Mode(IntEnum):
    """How a state was created: fixed for its life and part of every digest."""

    EXCHANGE = 1
    RESEARCH = 2


class Phase(IntEnum):
    """Where a command stands inside `apply_batch`."""

    IDLE = 0
    WORK = 1
    COMMAND = 2


class Stage(IntEnum):
    """On what occasion an order is judged."""

    NEW = 0
    AMEND = 1
    TRIGGER = 2


class Purpose(IntEnum):
    """Whose order is at the book: what follows its sweep."""

    CLIENT = 0
    PARTIAL_LIQUIDATION = 1
    FULL_LIQUIDATION = 2


class InvestorClass(IntEnum):
    """Classes of investor."""

    NONE = 0
    INDIVIDUAL = 1
    CORPORATE = 2
    QUALIFIED_CORPORATE = 3
    INSTITUTIONAL = 4


class Affiliation(IntEnum):
    """What an account's owner is to the operator."""

    CLIENT = 0
    GROUP_COMPANY = 1
    OPERATOR = 2
    CUSTODY = 3


class Restriction(IntEnum):
    """What the operator has put on an account, mildest first."""

    NONE = 0
    REDUCE_ONLY = 1
    SUSPENDED = 2
    FROZEN = 3
    CLOSED = 4


class MarginMode(IntEnum):
    """Whose money carries a position."""

    CROSS = 0
    ISOLATED = 1


class Asset(IntEnum):
    """What can be deposited; collateral is counted in units of 1e-8 coin."""

    SETTLEMENT = 0
    BTC = 1
    ETH = 2


class TimerClass(IntEnum):
    """What falls due at a time, in the order of firing at one instant."""

    ELIGIBILITY_LAPSE = 0
    ORDER_EXPIRY = 1
    INDEX_STALENESS = 2
    PREMIUM_SAMPLE = 3
    MARK_TICK = 4
    FUNDING = 5
    LIQUIDATION_WORK = 6
    TRIGGERS = 7
    DELIVERY = 8


class Attested(IntEnum):
    """What an ATTEST vouches for with its digest; `code` of the command. The engine only keeps it in the log."""

    REGISTRY = 1
    GATEWAY_LOG = 2


class Switch(IntEnum):
    """Dead-man's switches; `code` of SWITCH. The engine only keeps in the log who has asked: the gateway acts on it."""

    COUNTDOWN = 1
    CONNECTION = 2
    ACCOUNT = 3


class AccountAttribute(IntEnum):
    """What ACCOUNT_SET sets; `value` is a date as ns (valid before it), a code or a number.

    Dates: 0 is "never given", a later instant than now is "in date".
    """

    INVESTOR_CLASS = 1
    RESTRICTION = 2
    KYC_UNTIL_NS = 3
    SCREENING_UNTIL_NS = 4
    JURISDICTION_PERMITTED = 5
    PI_WITHDRAWN = 6
    EVIDENCE_UNTIL_NS = 7
    CONFIRMATION_UNTIL_NS = 8
    VA_KNOWLEDGE = 9
    RISK_PROFILE = 10
    AGREEMENT = 11
    DISCLOSURE_PRODUCT = 12
    DISCLOSURE_LOSS = 13
    DISCLOSURE_AFFILIATE = 14
    AFFILIATION = 15
    GROUP = 17
    MAX_OPEN_ORDERS = 18
    MAX_EXPOSURE_MICROS = 19
    MAX_LEVERAGE = 20
    SELF_TRADE_MODE = 21
    KILL_SWITCH = 22
    CLIENT = 23
    REDUCING_STOPPED_UNTIL_NS = 24


class ClientAttribute(IntEnum):
    """What CLIENT_SET sets: what holds for all accounts of a client, whichever of them is closed or opened later."""

    FROZEN = 1
    KILL_SWITCH = 2
    MAX_EXPOSURE_MICROS = 3


class ContractParameter(IntEnum):
    """What CONTRACT_SET sets; indexed ones take `index`."""

    MICROS_PER_TICK_LOT = 1
    MAX_PRICE_TICKS = 2
    MIN_ORDER_LOTS = 3
    MAX_ORDER_LOTS = 4
    LOT_STEP = 5
    MAX_POSITION_LOTS = 6
    MAX_ORDER_VALUE_MICROS = 7
    MAX_OPEN_INTEREST_LOTS = 8
    BAND_PPB = 9
    TAKER_FEE_PPB = 10
    MAKER_FEE_PPB = 11
    LIQUIDATION_FEE_PPB = 12
    LIQUIDATION_ENABLED = 13
    BASE_ELIGIBLE = 14
    NEEDS_INDEX = 15
    ALLOW_THIN_INDEX = 16
    MIN_SOURCES = 17
    FUNDING_INTERVAL_S = 18
    FUNDING_INTEREST_PPB = 19
    FUNDING_CLAMP_PPB = 20
    FUNDING_CAP_PPB = 21
    FUNDING_EQUAL_WEIGHTS = 22
    IMPACT_NOTIONAL_MICROS = 23
    IMPACT_EXCLUDES_AFFILIATES = 24
    MARK_CLAMP_PPB = 25
    SAMPLE_INTERVAL_S = 26
    DISCLOSURE_PRODUCT = 27
    DISCLOSURE_LOSS = 28
    DISCLOSURE_AFFILIATE = 29
    AFFILIATE_PRESENT = 30
    BRACKET_FLOOR_MICROS = 31
    BRACKET_LEVERAGE = 32
    BRACKET_MMR_PPB = 33
    SOURCE_WEIGHT = 34


class VenueParameter(IntEnum):
    """What VENUE_SET sets; those of collateral take the Asset as `index`."""

    MARK_TICK_NS = 1
    INDEX_STALE_NS = 2
    INDEX_RECOVERY_NS = 3
    COLLATERAL_ENABLED = 4
    COLLATERAL_CONTRACT = 5
    COLLATERAL_HAIRCUT_PPB = 6
    COLLATERAL_CAP_MICROS = 7
    AFFILIATE_POST_ONLY = 8
    INSTITUTIONS_SKIP_DERIVATIVES_KNOWLEDGE = 9
    COLLATERAL_LOTS_PER_COIN = 10
    # kept and told, without any effect on orders: what officers decide for the processes around the engine
    SURVEILLANCE = 100  # `index` is the threshold's number
    INDEX_SOURCE = 101  # of a contract; `index` is the source's place
    ONE_PAIR_MAY_GRANT_AND_PAY = 102


class Violation(IntEnum):
    """An invariant that does not hold; the number told beside it is the slot of the row at fault."""

    NONE = 0
    CASH_NOT_CONSERVED = 1
    POSITIONS_DO_NOT_CANCEL = 2
    OPEN_INTEREST = 3
    FUND_NEGATIVE = 4
    CASH_NEGATIVE_WITHOUT_POSITION = 5
    ENTRY_COST_WITHOUT_POSITION = 6
    BOOK_CROSSED = 7
    LADDER_COUNT = 8
    LADDER_ORDER = 9
    LEVEL_UNREACHABLE = 10
    LEVEL_SUM = 11
    QUEUE_LINK = 12
    ORDER_MISPLACED = 13
    OWN_LINK = 14
    OPEN_SUMS = 15
    REDUCE_ONLY_EXCESS = 16
    OPEN_ORDERS = 17
    ID_MAP = 18
    POOL = 19
    EXPIRY = 20
    UNTRIGGERED = 21
    LIVE_ORDERS = 22
    EQUITY_NEGATIVE = 23
    COLLATERAL_NOT_CONSERVED = 24
    LAPSE = 25
    OPENS_WITHOUT_STANDING = 26
    AFFILIATE_BEFORE_CLIENT = 27
    TRADES_WHILE_HELD = 28
    PENDING_JOBS = 29
    CLIENT_MEMBERS = 30
    NOT_IN_FORCE = 31
