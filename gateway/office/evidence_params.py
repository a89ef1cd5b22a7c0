"""What officers say about the evidence of a professional investor: figures, ownership, institution, assessment.

One definition serves the protocol and the command line, as in `officer_params`. A change that rests on several
documents takes them as a list of items; an error names the item by its number, counted from 1.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.office.institution_limbs import Limb, Proof
from gateway.office.officer_params import Amount, ChangeParams, Client, Day, DisclosureName, Hash
from gateway.office.professional_investor import Document, Investor, Measure

MAX_ITEMS = 50
DateMeans = Literal["issued", "prepared", "period_end", "filed"]
AssetKind = Literal["securities", "certificate_of_deposit", "money", "mixed", "virtual_assets"]
Holding = Literal["own", "joint_with_associate", "joint_with_others", "corporation"]
Route = Literal["wholly_owned", "holding_parent"]
OwnershipDocument = Literal["register_extract", "registrar_certificate", "incumbency_certificate"]
ResidenceDocument = Literal[
    "utility_bill", "bank_statement", "government_letter", "tenancy_agreement", "identity_document", "register_extract"
]  # fmt: skip
Product = Literal["virtual_asset_perpetuals"]


def _text(what: str, most: int = 200) -> Meta:
    return Meta(description=what, min_length=1, max_length=most)


FirstDay = Annotated[
    str, Meta(description="the day from which contracts may require it; today", min_length=10, max_length=10)
]
Currency = Annotated[str, Meta(description="of the amount", pattern="^[A-Z]{3}$")]
Holders = Annotated[int, Meta(description="holders of a joint account, for an equal share", ge=2, le=100)]
RateDay = Annotated[str, Meta(description="the rate's date", min_length=10, max_length=10)]
Proved = Annotated[
    str, Meta(description="SHA-256 of the agreement, or of what shows ownership and business", pattern="^[0-9a-f]{64}$")
]
Business = Annotated[
    str, Meta(description="SHA-256 of what shows that its business is holding investments", pattern="^[0-9a-f]{64}$")
]


class Item(Struct, kw_only=True, gc=False, frozen=True, forbid_unknown_fields=True):
    """One document of a portfolio or of total assets, with what it counts."""

    document: Annotated[Document, Meta(description="what was seen")]
    date: Day
    date_means: Annotated[DateMeans, Meta(description="what the date is")]
    hash: Hash
    asset: Annotated[AssetKind, Meta(description="what a portfolio's item is")] | None = None
    amount: Amount
    currency: Currency = "HKD"
    rate: Annotated[str, _text("Hong Kong dollars for one unit of the currency", 40)] | None = None
    rate_source: Annotated[str, _text("who published the rate")] | None = None
    rate_date: RateDay | None = None
    holding: Annotated[Holding, Meta(description="whose account it is, for an individual")] = "own"
    associate: Annotated[Literal["spouse", "child"], Meta(description="who the joint holder is")] | None = None
    holders: Holders | None = None
    share_percent: Annotated[str, _text("the individual's share by the holders' agreement", 40)] | None = None
    proof_hash: Proved | None = None
    party: Annotated[str, _text("whose it is: a party of an ownership that is no client", 64)] | None = None


class RecordEvidence(ChangeParams, kw_only=True):
    client: Client
    investor: Annotated[Investor, Meta(description="what the client is")]
    measure: Annotated[Measure, Meta(description="what the amounts count")] = "portfolio"
    items: Annotated[list[Item], Meta(description="the documents", min_length=1, max_length=MAX_ITEMS)]


class Party(Struct, kw_only=True, gc=False, frozen=True, forbid_unknown_fields=True):
    """An owner of the corporation, or the subsidiary of the holding parent: a client, or proved by items."""

    client: Annotated[str, _text("a client of this venue", 64)] | None = None
    name: Annotated[str, _text("the name of one that is no client", 64)] | None = None
    investor: Annotated[Investor, Meta(description="what one that is no client is")] | None = None
    measure: Annotated[Measure, Meta(description="what its items count")] = "portfolio"
    percent: Annotated[str, _text("how much of the corporation is owned", 40)] = "100"


_of_parties = Meta(description="documents of parties that are no clients", max_length=MAX_ITEMS)


class RecordOwnership(ChangeParams, kw_only=True):
    client: Client
    route: Annotated[Route, Meta(description="owned by professional investors, or the parent of one")]
    parties: Annotated[list[Party], Meta(description="the owners, or the subsidiary", min_length=1, max_length=20)]
    document: Annotated[OwnershipDocument, Meta(description="what shows the ownership")]
    document_date: Day
    document_hash: Hash
    business_hash: Business | None = None
    items: Annotated[list[Item], _of_parties] | None = None


class LimbDocument(Struct, kw_only=True, gc=False, frozen=True, forbid_unknown_fields=True):
    """One proof of an institution."""

    proof: Annotated[Proof, Meta(description="what was seen")]
    date: Day
    hash: Hash


class RecordInstitution(ChangeParams, kw_only=True):
    client: Client
    limb: Annotated[Limb, Meta(description="of the definition in Schedule 1 to the SFO")]
    documents: Annotated[list[LimbDocument], Meta(description="the proofs", min_length=1, max_length=MAX_ITEMS)]
    register: Annotated[str, _text("the register or regulator that was asked")] | None = None
    number: Annotated[str, _text("the number of the licence, authorisation or registration", 64)] | None = None
    group_limb: Annotated[Literal["b", "c"], Meta(description="of limb i: what the group's company is")] | None = None


class RecordAssessment(ChangeParams, kw_only=True):
    client: Client
    structure: Annotated[str, _text("corporate structure, investment process and controls", 2000)]
    background: Annotated[str, _text("who decides on investments, with what background", 2000)]
    awareness: Annotated[str, _text("how they are aware of the risks", 2000)]
    scope: Annotated[Product, Meta(description="the product that the assessment covers")]
    markets: Annotated[str, _text("the markets that it covers", 500)]
    assessor: Annotated[str, _text("the person who assessed", 64)]
    document_date: Day
    document_hash: Hash
    explained: Annotated[str, _text("what was explained before the consent", 2000)]
    consent_date: Day
    consent_hash: Hash


class RecordEmployment(ChangeParams, kw_only=True):
    client: Client
    is_employee: Annotated[bool, Meta(description="whether the client works for the venue or is related to who does")]
    is_permitted: Annotated[bool, Meta(description="whether an employee may open positions here")] = False
    document_date: Day
    document_hash: Hash


class RecordJurisdiction(ChangeParams, kw_only=True):
    client: Client
    residence: Annotated[str, Meta(description="ISO code of the residence", pattern="^[A-Z]{2}$")]
    is_permitted: Annotated[bool, Meta(description="whether the venue may serve it")]
    document: Annotated[ResidenceDocument, Meta(description="the proof; needed to permit it")] | None = None
    document_date: Day | None = None
    document_hash: Hash | None = None


class PublishDisclosure(ChangeParams, kw_only=True):
    disclosure: Annotated[DisclosureName, Meta(description="which one")]
    version: Annotated[int, Meta(description="its version, above the last", ge=1, le=1_000_000)]
    text: Annotated[str, Meta(description="the text that clients read", min_length=1, max_length=60_000)]
    effective_from: FirstDay | None = None
