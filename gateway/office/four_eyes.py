"""Which changes one officer may make at once, and which need a second person.

A change that tightens a rule acts at once: it may be urgent, and the worst it can do is cost the venue business. A
change that loosens a rule, or moves prices or money, waits for a second person. A change is judged by its directives,
each against the value in force, so the rule holds however the change is asked for.
"""

from engine.codes import AccountAttribute as A
from engine.codes import ClientAttribute as C
from engine.codes import CommandKind as K
from engine.codes import ContractParameter as P
from engine.codes import InvestorClass, MarketState, VenueState
from engine.codes import VenueParameter as V
from gateway.registry.registry import Intent
from gateway.registry.required_attributes import GIVEN

_MORE_IS_LOOSER = frozenset({*GIVEN, A.MAX_OPEN_ORDERS})
"""A value that was never set is 0; a larger or later value lets an account do more. Only the engine knows the default
number of open orders, so the first value needs a second person too."""
_LESS_IS_LOOSER = frozenset({A.RESTRICTION, A.PI_WITHDRAWN, A.AFFILIATION})
"""A value that was never set is 0; a smaller value lets an account do more."""
_ACCOUNT_LIMITS = frozenset({A.MAX_EXPOSURE_MICROS, A.MAX_LEVERAGE})
"""0 is no limit, also before a value is set."""
_OPTIONAL_LIMITS = frozenset({P.MAX_ORDER_VALUE_MICROS, P.MAX_OPEN_INTEREST_LOTS})
"""0 is no limit."""
_CONTRACT_LIMITS = frozenset({P.MAX_ORDER_LOTS, P.MAX_POSITION_LOTS})


def needs_second_person(intent: Intent, known: int | None) -> bool:
    """Whether a directive loosens a rule or moves prices or money; `known` is the value in force, None before one."""
    kind = intent.kind
    if kind == K.ACCOUNT_OPEN:
        return intent.value != InvestorClass.NONE
    if kind == K.ACCOUNT_SET:
        return _attribute(intent.code, intent.value, known)
    if kind == K.CLIENT_SET:
        limits = intent.code == C.MAX_EXPOSURE_MICROS
        return _raises_optional(intent.value, known) if limits else intent.value == 0
    if kind == K.PERSON_SET:
        return intent.value > (known or 0)
    if kind == K.KEY_REVOKE:
        return False
    if kind == K.GROUP_SET:
        return _raises_optional(intent.value, known)
    if kind == K.AFFILIATE_APPROVAL:
        return intent.value != 0
    if kind == K.CONTRACT_STATE:
        return intent.code == MarketState.SETTLED or intent.code < (known or MarketState.OPEN)
    if kind == K.VENUE_STATE:
        return intent.code == VenueState.OPEN
    if kind == K.CONTRACT_SET:
        return _parameter(intent.code, intent.value, known)
    if kind == K.VENUE_SET and intent.code == V.COLLATERAL_HAIRCUT_PPB:
        return known is None or intent.value < known
    if kind == K.VENUE_SET and intent.code == V.COLLATERAL_CAP_MICROS:
        return known is None or intent.value > known
    return True


def _attribute(code: int, value: int, known: int | None) -> bool:
    before = known or 0
    if code in _MORE_IS_LOOSER:
        return value > before
    if code in _LESS_IS_LOOSER:
        return value < before
    if code == A.KILL_SWITCH:
        return value == 0  # whatever value is known: surveillance sets it too
    if code == A.INVESTOR_CLASS:
        return value not in (InvestorClass.NONE, before)
    if code in _ACCOUNT_LIMITS:
        return _raises_optional(value, known)
    return value != known


def _parameter(code: int, value: int, known: int | None) -> bool:
    if code in _OPTIONAL_LIMITS:
        return _raises_optional(value, known)
    return code not in _CONTRACT_LIMITS or known is None or value > known


def _raises_optional(value: int, known: int | None) -> bool:
    """Whether a limit is raised or removed, where 0 means no limit."""
    return known is not None and known > 0 and (value == 0 or value > known)
