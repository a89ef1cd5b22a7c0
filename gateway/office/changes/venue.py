"""Changes of keys, money and the market, under the scope admin: the plan of each."""

import base64
import binascii
from typing import Any

from engine.codes import NIL, Asset, CommandKind, ContractParameter, MarketState, VenueParameter
from gateway.office import disclosures
from gateway.office import officer_params as m
from gateway.office.changes.index_sources import read_sources, source_intents
from gateway.office.changes.plan import COINS, Lookup, Plan, micros, units_of
from gateway.office.listings import SHIPPED, VENUE_SETTINGS, listing_intents, listing_record
from gateway.registry import identities
from gateway.registry.names import key_id_problem
from gateway.registry.records import OFFICERS
from gateway.registry.registry import Intent, KeyOrder, Record, Registry, RegistryError

# --- keys ---------------------------------------------------------------------------------------------------------


def issue_key(lookup: Lookup, params: m.IssueKey) -> Plan:
    """A key that can log in once two persons have issued it, whatever its scopes; its holder has an identity."""
    registry, now_ns = lookup.registry, lookup.now_ns
    slot = lookup.account(params.account).slot if params.account else NIL
    scopes = [scope.strip() for scope in params.scopes.split(",") if scope.strip()]
    try:
        verifier = base64.b64decode(params.verifier, validate=True)
    except binascii.Error:
        raise RegistryError("verifier: it is not base64") from None
    if params.kind == "ed25519" and len(verifier) != 32:
        raise RegistryError("verifier: an ed25519 key is verified by its public key of 32 bytes")
    if slot != NIL and OFFICERS & set(scopes):
        raise RegistryError("account: an officer's key belongs to none; leave it out")
    problem = key_id_problem(params.key)
    if problem:
        raise RegistryError(f"key: {problem}")
    if registry.key(params.key) is not None:
        raise RegistryError(f"key: {params.key} exists; choose another id")
    known = registry.find_person(params.person)
    registry.check_scopes(known, slot, scopes)
    _check_identity(registry, known, params)

    def write() -> None:
        person = registry.person(params.person, now_ns)
        if params.identity is not None:
            identities.bind(registry, person, params.identity, registry.acting_change, now_ns)
        registry.add_key(KeyOrder(params.key, slot, person, params.kind, verifier, scopes, params.label), now_ns)

    return Plan(writes=[write], loosens=True)


def _check_identity(registry: Registry, person: int, params: m.IssueKey) -> None:
    """Refuse a holder whose identity is not known, and another document than the one that the holder is bound to."""
    is_bound = bool(person) and identities.is_bound(registry, person)
    if params.identity is None and not is_bound and registry.is_governed:
        raise RegistryError(f"identity: {params.person!r} has none yet; give the document that proves who it is")
    if params.identity is None:
        return
    identities.check(registry, person, params.identity)
    if is_bound and not identities.is_bound(registry, person, params.identity):
        raise RegistryError(
            f"identity: {params.person!r} has another document; leave it out, or add this one with bind_identity"
        )


def bind_identity(lookup: Lookup, params: m.BindIdentity) -> Plan:
    """A document of a person who holds a key: whoever has none yet cannot approve; a renewed one is added."""
    registry, now_ns = lookup.registry, lookup.now_ns
    person = registry.known_person(params.person)
    identities.check(registry, person, params.identity)
    if identities.is_bound(registry, person, params.identity):
        raise RegistryError(f"identity: {params.person!r} is bound to this document already")
    write = lambda: identities.bind(registry, person, params.identity, registry.acting_change, now_ns)  # noqa: E731
    record = Record("identity", person=person, details={"document": params.identity.rpartition(" ")[0]})
    return Plan(writes=[write], records=[record], loosens=True)


def revoke_key(lookup: Lookup, params: m.RevokeKey) -> Plan:
    """The end of a key, and of what its person's orders may open. Two persons with the scope admin stay."""
    key = lookup.registry.key(params.key)
    if key is None or key.revoked_ns is not None:
        raise RegistryError(f"key: no live key {params.key[:64]!r}; `lionrock key list` shows them")
    if "admin" in key.scopes and lookup.registry.is_governed and len(lookup.registry.holders("admin", key.id)) < 2:
        raise RegistryError(f"key: {key.id} is one of the last two officers' with admin; issue another's first")
    return Plan(writes=[lambda: lookup.registry.revoke_key(params.key, lookup.now_ns)])


# --- money --------------------------------------------------------------------------------------------------------


def _amount(text: str, asset: str) -> int:
    """Micros of the settlement currency, or 1e-8 of a coin."""
    if asset == "settlement":
        return micros(text, "amount")
    units = units_of(text, "amount", COINS, "1e-8 coins")
    if units == 0:
        raise RegistryError(f"amount: {text} must be more than 0")
    return units


def _money(lookup: Lookup, kind: CommandKind, params: Any, topic: str) -> Plan:
    slot = lookup.account(params.account).slot
    amount = _amount(params.amount, params.asset)
    intent = Intent(kind, account_slot=slot, item=int(Asset[params.asset.upper()]), amount_micros=amount)
    details = {"amount": params.amount, "asset": params.asset}
    return Plan([intent], [Record(topic, account_slot=slot, details=details)])


def record_deposit(lookup: Lookup, params: m.RecordDeposit) -> Plan:
    """What has arrived for an account."""
    return _money(lookup, CommandKind.DEPOSIT, params, "deposit")


def record_withdrawal(lookup: Lookup, params: m.RecordWithdrawal) -> Plan:
    """What goes out to the client; the engine refuses more than may be withdrawn."""
    return _money(lookup, CommandKind.WITHDRAW, params, "withdrawal")


def fund_deposit(lookup: Lookup, params: m.FundDeposit) -> Plan:
    """Money of the operator for the insurance fund."""
    return Plan([Intent(CommandKind.FUND_DEPOSIT, amount_micros=micros(params.amount, "amount"))])


# --- the market ---------------------------------------------------------------------------------------------------


def list_contract(lookup: Lookup, params: m.ListContract) -> Plan:
    """One of the shipped contracts with its rules; the first one brings the venue's own settings with it."""
    registry = lookup.registry
    listing = next(listing for listing in SHIPPED if listing.base == params.base)
    known = registry.contracts()
    if any(record.name == listing.name for record in known):
        raise RegistryError(f"base: {listing.name} is listed already")
    record = listing_record(len(known), listing, lookup.now_ns)
    disclosures.check_required(registry, listing_intents(record.slot, listing), lookup.today)
    intents = [Intent(CommandKind.VENUE_SET, int(code), value=value) for code, value in VENUE_SETTINGS if not known]
    named = _sources(record.slot, params.sources) if params.sources else []
    write = lambda: registry.add_contract(record, [])  # noqa: E731
    return Plan([*intents, *listing_intents(record.slot, listing), *named], writes=[write])


def _sources(slot: int, text: str) -> list[Intent]:
    return [intent for intent in source_intents(slot, read_sources(text)) if intent.value]


def set_contract_parameter(lookup: Lookup, params: m.SetContractParameter) -> Plan:
    """One parameter of a contract; the engine refuses what would not be listable."""
    contract = lookup.contract(params.instrument_name)
    code = _named(ContractParameter, params.parameter)
    intents = [
        Intent(CommandKind.CONTRACT_SET, code, contract_slot=contract.slot, item=params.item, value=params.value)
    ]
    disclosures.check_required(lookup.registry, intents, lookup.today)
    return Plan(intents)


def set_contract_state(lookup: Lookup, params: m.SetContractState) -> Plan:
    """The state of a contract."""
    slot, state = lookup.contract(params.instrument_name).slot, MarketState[params.state.upper()]
    return Plan([Intent(CommandKind.CONTRACT_STATE, int(state), contract_slot=slot)])


_OF_ANOTHER_CHANGE: dict[int, str] = {
    VenueParameter.SURVEILLANCE: "set_surveillance_threshold",
    VenueParameter.INDEX_SOURCE: "set_index_sources",
}


def accept_clock(lookup: Lookup, params: m.AcceptClock) -> Plan:
    """The wall clock as it is: a running venue that does not follow it, as it has jumped, goes by it from then on."""
    return Plan(loosens=True)


def set_venue_parameter(lookup: Lookup, params: m.SetVenueParameter) -> Plan:
    """One parameter of the whole venue; those of collateral are an asset's."""
    code = _named(VenueParameter, params.parameter)
    item = int(Asset[params.asset.upper()])
    if code in _OF_ANOTHER_CHANGE:
        raise RegistryError(f"parameter: {params.parameter} is changed by {_OF_ANOTHER_CHANGE[code]}")
    if VenueParameter(code).name.startswith("COLLATERAL") == (item == Asset.SETTLEMENT):
        raise RegistryError("asset: name btc or eth for a parameter of collateral, and only for one")
    return Plan([Intent(CommandKind.VENUE_SET, code, item=item, value=params.value)])


def _named(kind: Any, name: str) -> int:
    found = kind.__members__.get(name.upper())
    if found is None:
        raise RegistryError(f"parameter: {name[:40]!r}; choose from {', '.join(kind.__members__).lower()}")
    return int(found)
