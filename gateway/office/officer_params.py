"""What officers may ask: the parameters of every change and question under the compliance and admin scopes.

One definition serves the protocol, the command line and the registry, where a proposal waits as these parameters.
Amounts, rates and prices are decimal text; dates are civil dates of Hong Kong such as "2027-03-31". A document is named
by the SHA-256 of its bytes and kept elsewhere.
"""

import re
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from msgspec import Meta, Struct, structs

WHOLE_TEXT = r"-?(?:0|[1-9][0-9]{0,18})"
"""A whole number as text."""
_WHOLE = re.compile(WHOLE_TEXT)


def _text(what: str, most: int = 200) -> Meta:
    return Meta(description=what, min_length=1, max_length=most)


Client = Annotated[str, _text("the client's name")]
Account = Annotated[str, _text("the account's name")]
Reason = Annotated[str, _text("why, in words; kept with the change", 500)]
Day = Annotated[str, Meta(description="a civil date of Hong Kong such as 2027-03-31", min_length=10, max_length=10)]
LastDay = Annotated[str, Meta(description="the last civil day on which it counts", min_length=10, max_length=10)]
Hash = Annotated[str, Meta(description="SHA-256 of the document, 64 hexadecimal digits", pattern="^[0-9a-f]{64}$")]
Continuation = Annotated[
    str, Meta(description="that of an answer, for the page behind it; left out: the first page", max_length=64)
]
Amount = Annotated[str, _text("an amount as decimal text", 40)]
Instrument = Annotated[str, _text("the contract's name", 64)]
Identity = Annotated[
    str,
    _text("the document that proves who it is, such as `passport HK K1234567`; only a keyed hash is kept"),
]
AssetName = Literal["settlement", "btc", "eth"]
DisclosureName = Literal["product", "loss", "affiliate"]
RestrictionName = Literal["none", "reduce_only", "suspended", "frozen", "closed"]
AffiliationName = Literal["client", "group_company", "operator", "custody"]
MarketStateName = Literal["open", "post_only", "reduce_only", "cancel_only", "halted", "settled"]
KillTarget = Literal["account", "client", "group", "contract", "venue"]


class ChangeParams(Struct, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A change that an officer asks for: every one has a reason."""

    reason: Reason


# --- clients: scope compliance ------------------------------------------------------------------------------------


class OpenAccount(ChangeParams, kw_only=True):
    account: Annotated[str, _text("a name for the account, unique", 64)]
    client: Annotated[str, _text("whose it is; by default a client of the same name", 64)] | None = None
    parent: Annotated[str, _text("make it a sub-account of this account", 64)] | None = None


class RecordConfirmation(ChangeParams, kw_only=True):
    client: Client
    document_date: Day
    document_hash: Hash


class RecordKnowledge(ChangeParams, kw_only=True):
    subject: Annotated[Literal["derivatives", "virtual_assets"], Meta(description="what was assessed")]
    client: Client | None = None
    person: Annotated[str, _text("who was assessed; derivatives knowledge is a person's")] | None = None
    document_date: Day
    document_hash: Hash
    valid_through: LastDay | None = None


class RecordAgreement(ChangeParams, kw_only=True):
    client: Client
    version: Annotated[str, _text("of the agreement", 40)]
    document_date: Day
    document_hash: Hash


class RecordRiskProfile(ChangeParams, kw_only=True):
    client: Client
    is_suitable: Annotated[bool, Meta(description="whether the product suits the client")]
    document_date: Day
    document_hash: Hash


class RecordDisclosure(ChangeParams, kw_only=True):
    client: Client
    disclosure: Annotated[DisclosureName, Meta(description="which one was acknowledged")]
    version: Annotated[int, Meta(description="its version", ge=1, le=1_000_000)]
    document_date: Day
    document_hash: Hash


class RecordKyc(ChangeParams, kw_only=True):
    client: Client
    document_date: Day
    document_hash: Hash
    valid_through: LastDay


class RecordScreening(ChangeParams, kw_only=True):
    client: Client
    outcome: Annotated[Literal["clear", "hit"], Meta(description="a hit ends the screening's validity at once")]
    document_date: Day
    document_hash: Hash
    valid_through: LastDay | None = None


class WithdrawStatus(ChangeParams, kw_only=True):
    client: Client


class RestoreStatus(ChangeParams, kw_only=True):
    client: Client
    document_date: Day
    document_hash: Hash


class SetRestriction(ChangeParams, kw_only=True):
    account: Annotated[str, _text("one account", 64)] | None = None
    client: Annotated[str, _text("or every account of a client", 64)] | None = None
    restriction: Annotated[RestrictionName, Meta(description="suspended only reduces; frozen is always the client's")]


class StopReducing(ChangeParams, kw_only=True):
    account: Annotated[str, _text("one suspended account", 64)] | None = None
    client: Annotated[str, _text("or every account of a suspended client", 64)] | None = None
    valid_through: Annotated[str, Meta(description="the last day; left out: reducing goes on from now")] | None = None


class SetLimits(ChangeParams, kw_only=True):
    account: Annotated[str, _text("one account", 64)] | None = None
    client: Annotated[str, _text("or a client: max_exposure of all its accounts together", 64)] | None = None
    max_open_orders: Annotated[int, Meta(description="open orders at most", ge=0, le=4_000_000)] | None = None
    max_exposure: Annotated[str, _text("largest exposure in the settlement currency; 0 for none", 40)] | None = None
    max_leverage: Annotated[int, Meta(description="leverage at most; 0: the contract's", ge=0, le=1000)] | None = None


class SetAffiliation(ChangeParams, kw_only=True):
    client: Client
    affiliation: Annotated[AffiliationName, Meta(description="operator and custody never trade")]


class ApproveAffiliate(ChangeParams, kw_only=True):
    account: Account
    instrument_name: Instrument
    valid_from: Day | None = None
    valid_through: Annotated[str, Meta(description="the last day; left out: the approval is withdrawn")] | None = None
    responsible_officer: Annotated[str, _text("who answers for conflicts; holds no key of it", 64)] | None = None
    information_barriers_hash: Hash | None = None


class SuspendAffiliate(ChangeParams, kw_only=True):
    client: Annotated[str, _text("the group company: all its accounts")]


class SetGroup(ChangeParams, kw_only=True):
    account: Account
    group: Annotated[int, Meta(description="self-trade group, 0 for none", ge=0, le=1_000_000)]


class SetGroupLimit(ChangeParams, kw_only=True):
    group: Annotated[int, Meta(description="self-trade group", ge=1, le=1_000_000)]
    instrument_name: Instrument
    max_amount: Annotated[str, _text("largest position of the whole group in base currency; 0 for none", 40)]


class SetMakerProgramme(ChangeParams, kw_only=True):
    account: Account
    programme: Annotated[str, _text("the published programme, or none", 40)]


class KillSwitch(ChangeParams, kw_only=True):
    target: Annotated[KillTarget, Meta(description="what is switched")]
    name: Annotated[str, _text("account, client, group number or contract; none for the venue", 64)] | None = None
    is_on: Annotated[bool, Meta(description="on: no new orders, and those that rest are cancelled")]


class SetSurveillanceThreshold(ChangeParams, kw_only=True):
    threshold: Annotated[str, _text("a name of the [surveillance] table such as wash_trades", 40)]
    value: Annotated[int, Meta(description="in the threshold's own unit", ge=0, le=1 << 62)]


# --- the venue: scope admin ---------------------------------------------------------------------------------------


class IssueKey(ChangeParams, kw_only=True):
    key: Annotated[str, _text("the new key's id", 64)]
    person: Annotated[str, _text("the natural person who holds it", 64)]
    scopes: Annotated[str, _text("of read,trade,transfer,compliance,admin", 60)]
    kind: Annotated[Literal["hmac", "ed25519"], Meta(description="of key")]
    verifier: Annotated[str, _text("what verification needs, in base64: a public key or a sealed secret", 400)]
    account: Annotated[str, _text("the account that it acts for; none for an officer's", 64)] | None = None
    label: Annotated[str, Meta(description="what it is for", max_length=64)] = ""
    identity: Identity | None = None


class BindIdentity(ChangeParams, kw_only=True):
    person: Annotated[str, _text("who it is", 64)]
    identity: Identity


class RevokeKey(ChangeParams, kw_only=True):
    key: Annotated[str, _text("the key's id", 64)]


class RecordDeposit(ChangeParams, kw_only=True):
    account: Account
    amount: Amount
    asset: Annotated[AssetName, Meta(description="what has arrived")] = "settlement"


class RecordWithdrawal(ChangeParams, kw_only=True):
    account: Account
    amount: Amount
    asset: Annotated[AssetName, Meta(description="what goes out")] = "settlement"


class FundDeposit(ChangeParams, kw_only=True):
    amount: Amount


class ListContract(ChangeParams, kw_only=True):
    base: Annotated[Literal["BTC", "ETH"], Meta(description="which of the shipped contracts")]
    sources: Annotated[str, _text("of its index, as set_index_sources takes them")] | None = None


class SetIndexSources(ChangeParams, kw_only=True):
    instrument_name: Instrument
    sources: Annotated[str, _text("VENUE:PAIR,... in their places, three or more; or scripted:PRICE for a rehearsal")]
    weights: Annotated[str, _text("whole numbers, one for each source; left out: they stay", 100)] | None = None


class SetContractParameter(ChangeParams, kw_only=True):
    instrument_name: Instrument
    parameter: Annotated[str, _text("a name of ContractParameter such as band_ppb", 40)]
    item: Annotated[int, Meta(description="place in a parameter that has several", ge=0, le=63)] = 0
    value: Annotated[int, Meta(description="in the parameter's own unit", ge=-(1 << 62), le=1 << 62)]


class SetContractState(ChangeParams, kw_only=True):
    instrument_name: Instrument
    state: Annotated[MarketStateName, Meta(description="the state to be in")]


class AcceptClock(ChangeParams, kw_only=True):
    pass


class SetVenueParameter(ChangeParams, kw_only=True):
    parameter: Annotated[str, _text("a name of VenueParameter such as collateral_haircut_ppb", 40)]
    asset: Annotated[AssetName, Meta(description="of a collateral parameter")] = "settlement"
    value: Annotated[int, Meta(description="in the parameter's own unit", ge=0, le=1 << 62)]


# --- questions and decisions --------------------------------------------------------------------------------------


class Decide(Struct, kw_only=True, gc=False, forbid_unknown_fields=True):
    number: Annotated[int, Meta(description="the proposal's number", ge=1, le=1 << 53)]
    note: Annotated[str, Meta(description="a remark to be kept", max_length=500)] = ""


class ListChanges(Struct, kw_only=True, gc=False):
    state: Annotated[
        Literal["proposed", "approved", "rejected", "expired", "done", "refused", "all"], Meta(description="only these")
    ] = "proposed"
    count: Annotated[int, Meta(description="the latest so many", ge=1, le=1000)] = 100
    continuation: Continuation | None = None


class GetChange(Struct, kw_only=True, gc=False):
    number: Annotated[int, Meta(description="the change's number", ge=1, le=1 << 53)]


class ListLapses(Struct, kw_only=True, gc=False):
    days: Annotated[int, Meta(description="what lapses within so many days, or has lapsed", ge=0, le=10_000)] = 60
    count: Annotated[int, Meta(description="the first so many", ge=1, le=1000)] = 200
    continuation: Continuation | None = None


class GetClientRecord(Struct, kw_only=True, gc=False):
    client: Client


# --- what clients may do for themselves ---------------------------------------------------------------------------


class GetDisclosures(Struct, kw_only=True, gc=False, forbid_unknown_fields=True):
    disclosure: Annotated[DisclosureName, Meta(description="only this one")] | None = None


class AcknowledgeDisclosure(Struct, kw_only=True, gc=False, forbid_unknown_fields=True):
    disclosure: DisclosureName
    version: Annotated[int, Meta(description="the version that was read", ge=1, le=1_000_000)]
    hash: Hash | None = None


class WithdrawOwnStatus(Struct, kw_only=True, gc=False, forbid_unknown_fields=True):
    confirm: Annotated[bool, Meta(description="true: no new risk from now on; only the venue can restore it")]


def plain_type(hint: Any) -> tuple[Any, str]:
    """A parameter's type without what may be absent or is said about it, and what is said."""
    text = ""
    while get_origin(hint) in (Annotated, Union, UnionType):
        if get_origin(hint) is Annotated:
            hint, *notes = get_args(hint)
            text = next((note.description for note in notes if isinstance(note, Meta)), None) or text
        else:
            hint = next(part for part in get_args(hint) if part is not type(None))
    return hint, text


def is_wide(hint: Any) -> bool:
    """Whether a parameter is a whole number that may be above 2^53. It may come as text too: a browser, which holds
    numbers as floating point, can write it exactly in no other way."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return any(isinstance(note, Meta) and type(note.le) is int and note.le > 1 << 53 for note in notes)


def wide_fields(params: type[Struct]) -> frozenset[str]:
    """The parameters that may come as text too."""
    return frozenset(field.encode_name for field in structs.fields(params) if is_wide(field.type))


def whole_numbers(values: Mapping[str, Any], params: type[Struct]) -> dict[str, Any]:
    """The values of parameters with numbers in place of the texts that may stand for them."""
    wide = wide_fields(params)
    return {
        name: int(value) if name in wide and isinstance(value, str) and _WHOLE.fullmatch(value) else value
        for name, value in values.items()
    }
