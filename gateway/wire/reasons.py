"""What every reason of the rulebook means and what to do about it, in plain words."""

from engine.code_values import REASON_ACCOUNT_RESTRICTED, REASON_SANCTIONS
from engine.codes import Reason

REASONS: dict[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_ACCOUNT: ("The account does not exist.", "Use a key of an open account."),
    Reason.ACCOUNT_CLOSED: ("The account is closed.", "Open another account."),
    Reason.ACCOUNT_RESTRICTED: ("The account is restricted.", "Contact the venue."),
    Reason.ACCOUNT_SUSPENDED: ("The account is suspended; it may reduce.", "Set reduce_only; contact the venue."),
    Reason.ACCOUNT_IN_LIQUIDATION: ("The account is being liquidated.", "Deposit margin, or wait until it is cured."),
    Reason.KYC_NOT_VALID: ("The client's identification is missing or has lapsed.", "Renew it with the venue."),
    Reason.SCREENING_STALE: ("The client's screening is out of date.", "Wait for the venue to screen again."),
    Reason.JURISDICTION_NOT_PERMITTED: ("The client's residence is not permitted.", "Only reducing orders are taken."),
    Reason.NOT_PROFESSIONAL_INVESTOR: ("The account is not a professional investor's.", "Apply with evidence."),
    Reason.PI_WITHDRAWN: ("The client has withdrawn the professional status.", "Consent to it again."),
    Reason.PI_EVIDENCE_MISSING: ("There is no evidence of the professional status.", "Submit evidence."),
    Reason.PI_EVIDENCE_EXPIRED: ("The evidence of the professional status has expired.", "Submit new evidence."),
    Reason.PI_CONFIRMATION_OVERDUE: ("The yearly confirmation is overdue.", "Confirm the professional status."),
    Reason.VA_KNOWLEDGE_REQUIRED: ("Knowledge of virtual assets has not been shown.", "Pass the assessment."),
    Reason.DERIVATIVES_KNOWLEDGE_REQUIRED: (
        "The person placing the order has not shown knowledge of derivatives.",
        "Pass the assessment, or let a person trade who has.",
    ),
    Reason.RISK_PROFILE_MISMATCH: ("The client's risk profile does not allow this product.", "Review the profile."),
    Reason.AGREEMENT_MISSING: ("The client agreement is not signed.", "Sign it."),
    Reason.DISCLOSURE_NOT_ACKNOWLEDGED: ("A disclosure has a version not yet acknowledged.", "Acknowledge it."),
    Reason.AFFILIATE_PROHIBITED: ("The operator and its custody entity never trade.", "There is none."),
    Reason.AFFILIATE_NOT_APPROVED: ("A group company needs an approval for this contract.", "Obtain the approval."),
    Reason.AFFILIATE_ORDER_STYLE: ("An affiliated maker places post-only limit orders.", "Set post_only."),
    Reason.UNKNOWN_CONTRACT: ("There is no such contract.", "See public/get_instruments."),
    Reason.VENUE_HALTED: ("The venue is halted; cancels work.", "Wait for platform_state."),
    Reason.MARKET_HALTED: ("The contract is halted; cancels work.", "Wait until its state is open."),
    Reason.MARKET_CANCEL_ONLY: ("The contract takes only cancels.", "Wait until its state is open."),
    Reason.MARKET_REDUCE_ONLY: ("The contract takes only reducing orders.", "Set reduce_only, or wait."),
    Reason.MARKET_POST_ONLY: ("The contract is re-opening and takes only post-only orders.", "Set post_only, or wait."),
    Reason.REFERENCE_PRICE_UNAVAILABLE: ("There is no index or mark price.", "Wait until the ticker shows them."),
    Reason.UNSUPPORTED_ORDER: ("The order's parts do not go together.", "See the order's rules in the manual."),
    Reason.BAD_TICK: ("The price is not a positive multiple of the tick.", "Round it to tick_size."),
    Reason.BAD_LOT: ("The amount is not a multiple of the lot.", "Round it to amount_step."),
    Reason.BAD_EXPIRY: ("The expiry is past or not a whole second.", "Give a later whole second."),
    Reason.QTY_TOO_SMALL: (
        "The amount is below the minimum.",
        "Give at least min_trade_amount; only a reduce-only order for the whole position may be smaller.",
    ),
    Reason.QTY_TOO_LARGE: ("The amount is above the maximum.", "Give at most max_trade_amount."),
    Reason.DUPLICATE_ID: ("The cl_ord_id names another live order.", "Choose another."),
    Reason.TRIGGER_WOULD_FIRE: ("The trigger's condition already holds.", "Send the order without a trigger."),
    Reason.CAPACITY: ("The venue has no room for more.", "Cancel what is not needed, or try again later."),
    Reason.PRICE_OUT_OF_BAND: ("The price is beyond the band around the mark.", "Stay within min_price and max_price."),
    Reason.ORDER_VALUE_LIMIT: ("The order's value is above the limit.", "Send smaller orders."),
    Reason.TOO_MANY_ORDERS: ("The account has too many open orders.", "Cancel some."),
    Reason.POSITION_LIMIT: ("The position could exceed the limit.", "Reduce the order or cancel others."),
    Reason.GROUP_POSITION_LIMIT: ("The group's position could exceed its limit.", "Reduce the group's orders."),
    Reason.EXPOSURE_LIMIT: ("The account's exposure could exceed its limit.", "Reduce the order or ask for more."),
    Reason.OPEN_INTEREST_CAP: ("The contract's open interest is at its cap.", "Only reducing orders are taken."),
    Reason.LEVERAGE_LIMIT: ("The leverage is above what is permitted.", "Choose a lower leverage."),
    Reason.REDUCE_ONLY_WOULD_INCREASE: ("There is no position that the order could reduce.", "Check the side."),
    Reason.POST_ONLY_WOULD_CROSS: ("The post-only order would trade at once.", "Price it behind the best price."),
    Reason.FOK_CANNOT_FILL: ("The order cannot be filled completely at once.", "Reduce it."),
    Reason.INSUFFICIENT_MARGIN: ("The margin does not carry the order.", "Deposit, reduce the order or cancel others."),
    Reason.UNKNOWN_ORDER: ("The account has no such open order.", "See private/get_open_orders."),
    Reason.WITHDRAWAL_LIMIT: ("More than may be withdrawn.", "See available_withdrawal_funds."),
    Reason.BY_CLIENT: ("Cancelled at the client's request.", ""),
    Reason.MASS_CANCEL: ("Cancelled with others at the client's request.", ""),
    Reason.NO_LIQUIDITY: ("A market order found no more to trade with in the band.", "Use a limit order."),
    Reason.IOC_REMAINDER: ("What could not trade at once was cancelled.", ""),
    Reason.SELF_TRADE: ("It would have traded with the same group.", "Choose another self-trade mode with stp."),
    Reason.OUT_OF_BAND: ("It had come outside the price band when it was reached.", "Place it again nearer the mark."),
    Reason.EXPIRED: ("It reached its expiry.", ""),
    Reason.REDUCE_ONLY_EXCESS: ("It was more than was left to reduce.", ""),
    Reason.AMENDED_AWAY: ("It was amended to no more than what is filled.", ""),
    Reason.LIQUIDATION: ("The account was liquidated.", "Deposit margin."),
    Reason.ELIGIBILITY: ("The account may only reduce.", "See venue/get_admission."),
    Reason.MARKET_STATE: ("The contract's state cancelled it.", "Wait until its state is open."),
    Reason.DISCONNECT: ("The client's connection was lost, or its countdown ran out.", ""),
    Reason.SANCTIONS: ("Cancelled by the venue.", "Contact the venue."),
    Reason.KEY_REVOKED: ("The person who placed it has no key of the account any more.", "Use a key in force."),
    Reason.BAD_COMMAND: ("The command is of no known kind.", "See the schema."),
    Reason.BAD_PARAMETER: ("A parameter or its value does not exist.", "See the schema."),
    Reason.BAD_AMOUNT: ("The amount of money is not possible.", "Give a positive amount within the limits."),
    Reason.ALREADY_EXISTS: ("It exists already.", "Choose another number."),
    Reason.BASE_NOT_ELIGIBLE: ("The base asset is not on the venue's retail-spot list.", "List another asset."),
    Reason.BAD_UNIT: ("One tick on one lot is not a whole number of micros.", "Choose other tick and lot sizes."),
    Reason.BAD_RANGE: ("The contract's largest value could leave the number range.", "Lower its limits."),
    Reason.BAD_INTERVAL: (
        "The funding interval, the sample interval or a funding rate is not possible.",
        "Choose a divisor of 24 hours, a sample interval that divides it, and rates of at most 100 %.",
    ),
    Reason.BAD_BRACKETS: ("The margin brackets contradict each other.", "Make them contiguous, IM above MM."),
    Reason.THIN_INDEX: ("The index has fewer than three sources.", "Add sources, or allow a thin index."),
    Reason.BAND_TOO_WIDE: ("Band and taker fee exceed the lowest maintenance rate.", "Narrow the band."),
    Reason.MARK_CLAMP_TOO_WIDE: ("The mark clamp exceeds half the lowest maintenance rate.", "Narrow the clamp."),
    Reason.LIQUIDATION_FEE_TOO_HIGH: ("The liquidation fee leaves no maintenance margin.", "Lower the fee."),
    Reason.FEES_NEGATIVE: ("Taker and maker fee add up to less than nothing.", "Lower the rebate."),
    Reason.IMPACT_NOTIONAL_TOO_SMALL: ("The impact notional is below 20,000.", "Raise it."),
    Reason.DISCLOSURE_VERSIONS_MISSING: ("The disclosures have no version.", "Set their versions."),
    Reason.NOT_LISTED: ("The contract is not listed.", "List it first."),
    Reason.HAS_POSITION: ("There are positions or orders.", "Close them first."),
    Reason.SOURCE_WEIGHT_TOO_HIGH: ("An index source weighs more than 1,048,576.", "Scale the weights down."),
    Reason.SETTLEMENT_UNDER_WAY: ("The contract is being settled.", "It stays REDUCE_ONLY or stricter."),
    Reason.UNKNOWN_SOURCE: ("The index has no such source.", "Add the source first."),
    Reason.PRICE_IMPLAUSIBLE: ("The index price is not plausible.", "Check the source."),
    Reason.STALE_PRICE: ("The index price is older than the last one or than allowed.", "Check the source's clock."),
    Reason.COLLATERAL_NOT_ACCEPTED: ("This asset is not accepted as collateral.", "Deposit another."),
    Reason.CONCENTRATION_CAP: ("The venue holds as much of this asset as it accepts.", "Deposit another."),
    Reason.HAIRCUT_TOO_LOW: ("The haircut is below 60 %.", "Raise it."),
    Reason.VALUES_COLLATERAL: (
        "Collateral that clients hold is valued at this contract's index.",
        "Set the asset's haircut to 100 % and wait for the next mark tick.",
    ),
    Reason.RESEARCH_ONLY: ("Only a research state takes this.", "Create the state in research mode."),
}
"""(meaning, remedy) of each reason; a remedy may be empty when there is nothing to do."""

_SHOWN_AS = {REASON_SANCTIONS: REASON_ACCOUNT_RESTRICTED}
"""Reasons that clients never see, and what they see instead: a client must not learn of a legal freeze."""
PUBLIC_REASONS = {reason: text for reason, text in REASONS.items() if reason not in _SHOWN_AS}
"""The reasons that clients see."""


def shown(reason: int) -> int:
    """The reason that clients see for a reason, the same in answers, events, order states and binary rows."""
    return _SHOWN_AS.get(reason, reason)


def in_words(name: str) -> str:
    """Meaning and remedy of the reason of this name; an empty text when there is no such reason."""
    return " ".join(REASONS.get(Reason[name], ())) if name in Reason.__members__ else ""
